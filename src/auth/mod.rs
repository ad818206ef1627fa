//! Who is asking, and whether the browser asks on its own behalf.
//!
//! [`cookie`] finds our cookies and cuts them out, [`navigation`] tells what may be redirected to
//! sign-in, [`origin`] has the cross-site rules, [`return_target`] decides where sign-in returns to.
//! Not here: who may use what (`policy`), sessions themselves (`session`).

pub mod cookie;
pub mod navigation;
pub mod origin;
pub mod return_target;
