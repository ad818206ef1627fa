//! To come.

pub mod check;
pub mod config_show;
pub mod user;
