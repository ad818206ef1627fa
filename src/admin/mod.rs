//! What operators ask and do: `/metrics`, `/live`, `/ready`, and the admin API.
//!
//! Two doors. The TCP address of `[admin]` (`tcp`) answers numbers and health alone. The admin
//! socket (`socket`), a unix socket in the state folder for its owner and root, has the API too.
//! Both speak HTTP/1, on the control runtime, each connection bounded in time and all of them in
//! number; browsers and proxies get nothing from either (SECURITY T54). What an operator's act does
//! stands in `operator` alone: the API calls it in a server, and a command calls the same API in its
//! own process where no server runs.
//! Not here: where the numbers come from (`runtime`), and what commands print (`cli`).

pub mod api;
mod client;
mod download;
mod operator;
mod probes;
pub mod shapes;
mod socket;
mod tcp;

pub use self::{
    api::{NotReloaded, Reply, Running},
    client::{Client, Unreachable},
    operator::{Operator, Refusal},
    probes::{Metrics, Probes},
    socket::{AdminSocket, NAME as SOCKET_NAME},
    tcp::Admin,
};
