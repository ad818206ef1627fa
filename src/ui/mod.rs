//! Pages for people: sign-in, home, sign-out, one-time links, passwords and errors.
//!
//! In: plain view values and a [`Look`]. Out: HTML as a `String` (JSON for programs). Plain functions
//! without I/O, callable from any thread. Not here: which page answers what.
//!
//! Stylesheet and script stand inside each page, allowed by their digests (CSP level 3 §2.3.1), not at
//! an address of their own: a page is complete in one answer, so it looks right where a second
//! request would be refused (unknown host, too many requests, a full or stopping server) and no
//! tool's service worker can exchange its parts. The price is 10 kB per page, which only
//! navigations pay.

mod color;
mod error;
mod headers;
mod look;
mod pages;
mod password;
mod problem;
mod words;

use askama::Template;

pub use self::{
    color::{Color, NoColor},
    error::{Action, ErrorPage, Turn, error, error_json},
    headers::security_headers,
    look::{Framing, Look},
    pages::{
        HomePage, LinkPage, PasswordField, SignInPage, SignInState, SignOutPage, Tile, ToolState,
        home, link, sign_in, sign_out, signed_out,
    },
    password::{PasswordPage, PasswordPlace, PasswordState, password, password_elsewhere},
    problem::{Circumstances, Problem},
    words::whole_seconds,
};

fn render(template: &impl Template) -> String {
    #[expect(
        clippy::expect_used,
        reason = "rendering fails when a value's Display does; ours are strings and numbers"
    )]
    template
        .render()
        .expect("a page of strings and numbers renders")
}

#[cfg(test)]
mod tests;
