//! An error as a page for people and as JSON for programs, from one value.
//!
//! Not here: which error says what (`problem`), and who gets which of the two (`reject`).

use std::fmt;

use askama::Template;
use http::StatusCode;
use serde::Serialize;

use super::{look::Look, render, words, words::Part};

/// Everything an error answer says. All of it is text of ours or of the request, never of a tool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ErrorPage {
    /// Status of the answer.
    pub status: StatusCode,
    /// The error's name for programs, `snake_case`.
    pub code: &'static str,
    /// A few words, without a full stop.
    pub heading: String,
    /// One or two sentences: what happened.
    pub what: String,
    /// Who can do something about it.
    pub turn: Turn,
    /// One or two sentences: what they can do. Backticks mark code.
    pub hint: String,
    /// The page's one button.
    pub action: Option<Action>,
    /// Further facts as name and value, in this order: the address, the user, header fields.
    pub facts: Vec<(&'static str, String)>,
    /// Absolute URL of the sign-in page, when signing in is what is missing.
    pub sign_in: Option<String>,
    /// What to quote; stands in the log.
    pub request_id: String,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// Of whoever runs this installation.
    Administrator,
    /// Of the tool, or of whoever runs it.
    Tool,
    /// Of the person (or the program) that asked.
    Yours,
}

impl fmt::Display for Turn {
    /// In the form that stands before "turn".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Administrator => "The administrator's",
            Self::Tool => "The tool's",
            Self::Yours => "Your",
        })
    }
}

/// The button of an error page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Action {
    /// What it says.
    pub label: &'static str,
    /// Absolute URL or absolute path; empty is the page itself. Always made by us.
    pub href: String,
    /// Whether it opens in the whole window when the page is in a frame.
    pub leaves_frame: bool,
}

impl Action {
    /// To the home page.
    pub fn home(href: String) -> Self {
        Self {
            label: "Go to your tools",
            href,
            leaves_frame: true,
        }
    }

    /// The same page once more, by GET and without repeating its address.
    pub const fn retry() -> Self {
        Self {
            label: "Try again",
            href: String::new(),
            leaves_frame: false,
        }
    }

    /// To the sign-in page, which refuses to be framed.
    pub fn sign_in(href: String) -> Self {
        Self {
            label: "Sign in",
            href,
            leaves_frame: true,
        }
    }
}

/// The error as a page.
pub fn error(look: &Look, page: &ErrorPage) -> String {
    render(&ErrorTemplate { look, page })
}

/// The error for programs: `{"error":"code","message":"…","request_id":"…"}`, and `"sign_in"` with
/// the URL where signing in helps.
pub fn error_json(page: &ErrorPage) -> String {
    let body = ErrorJson {
        error: page.code,
        message: format!("{} {}", page.what, page.hint.replace('`', "")),
        sign_in: page.sign_in.as_deref(),
        request_id: &page.request_id,
    };
    serde_json::to_string(&body).unwrap_or_default()
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorTemplate<'a> {
    look: &'a Look,
    page: &'a ErrorPage,
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    error: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_in: Option<&'a str>,
    request_id: &'a str,
}
