//! Who is asking, and whether the browser asks on its own behalf.
//!
//! [`cookie`] finds our cookies and cuts them out, [`navigation`] tells what may be redirected to
//! sign-in, [`challenge`] redirects it, [`origin`] has the cross-site rules and [`cors`] the way
//! around them, [`return_target`] decides
//! where sign-in returns to, and [`Visitors`] remembers whose cookie is whose.
//! Not here: who may use what (`policy`), sessions themselves (`session`).

pub mod challenge;
pub mod cookie;
pub mod cors;
pub mod navigation;
pub mod origin;
pub mod return_target;
mod visitor;

pub use visitor::{Visitor, Visitors};
