//! Which route a request takes: host, then the longest path prefix.
//!
//! In: a host and a [`RoutePath`]. Out: a [`RouteId`], a redirect that adds a slash, or why
//! there is none. Look-ups are by hash, so the cost does not grow with the number of routes.
//! [`RouteTable::lead`] has the order: what is below `/.labgate` ([`own`] has the addresses there) is
//! not for routes. Not here: who may use the route (`policy`).

pub mod own;
mod path;
mod table;

pub use path::{BadPath, RoutePath};
pub use table::{Found, Leads, NotFound, RouteTable, prefix};

/// One route of a configuration: its place in `config::Config::routes`. Only good for the snapshot
/// it came from.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RouteId(usize);

impl RouteId {
    /// The route at this place of the configuration's list.
    pub const fn new(index: usize) -> Self {
        Self(index)
    }

    /// Its place in the configuration's list.
    pub const fn index(self) -> usize {
        self.0
    }
}
