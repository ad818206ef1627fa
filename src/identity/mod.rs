//! Who somebody is: providers check a credential and assert a user.
//!
//! So far the local users (of the store, of the configuration and of an htpasswd file), the one-time
//! links that stand in for a first password, and the throttle in front of them.
//! Not here: sessions, and what a user may do (`policy`).

pub mod accounts;
mod configured;
mod foreign;
mod links;
mod local;
mod name;
mod new_password;
mod password;
mod throttle;

pub use self::{
    links::{LinkCode, LinkKind, OpenLink, SignInLinks},
    local::{LocalUsers, PasswordKeeper, Unavailable, Verified},
    name::{InvalidEmail, InvalidGroup, InvalidName, UserName, parse_email, parse_group},
    new_password::{NewPassword, Unfit},
    password::{MAX_PASSWORD_BYTES, hash as hash_password},
    throttle::{Attempt, Throttle, TryLater},
};
