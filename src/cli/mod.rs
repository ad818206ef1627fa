//! To come.

pub mod user;
