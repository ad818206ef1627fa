//! The words of each problem: what happened, whose turn it is, and what they can do.
//!
//! Plain words, no blame, no jargon but the names of settings. Backticks mark code.

use super::{
    super::{
        error::Turn,
        words::{duration_words, size_words},
    },
    Problem,
};

/// The parts of [`super::ErrorPage`] that are prose.
pub(super) struct Texts {
    pub(super) heading: &'static str,
    pub(super) what: String,
    pub(super) turn: Turn,
    pub(super) hint: String,
}

impl Texts {
    fn new(heading: &'static str, what: impl Into<String>, turn: Turn, hint: &str) -> Self {
        Self {
            heading,
            what: what.into(),
            turn,
            hint: hint.to_owned(),
        }
    }
}

impl Problem {
    #[expect(clippy::too_many_lines, reason = "a table of texts")]
    pub(super) fn texts(&self) -> Texts {
        use Turn::{Administrator, Tool, Yours};
        match self {
            Self::AddressTooLong => Texts::new(
                "This address is too long",
                "The address alone is longer than this installation takes.",
                Yours,
                "What is long in it should be sent in the body of a request instead. If a link led \
                 here, its author should know.",
            ),
            Self::BadRequest(rule) => Texts::new(
                "This request is malformed",
                format!("It was refused because {rule}."),
                Yours,
                "If you typed the address, check it. If a link led here, its author should know.",
            ),
            Self::BodyTooLarge { limit } => Texts::new(
                "This is too large to send",
                format!("This address takes at most {} at once.", size_words(*limit)),
                Yours,
                "Send less at a time, or ask the administrator to raise `max_body` of the route.",
            ),
            Self::Busy => Texts::new(
                "Too much is going on",
                "More requests are open than this installation takes at once.",
                Administrator,
                "It usually passes within seconds. If it stays, `[limits]` is too low for the \
                 number of people here.",
            ),
            Self::CrossSite => Texts::new(
                "Another site asked for this",
                "The request came from a page of another site, so it was not passed on in your \
                 name.",
                Yours,
                "If you meant it, open the tool yourself and repeat it there.",
            ),
            Self::Denied { tool, .. } => Texts::new(
                "This is not open to you",
                format!("{tool} is here, but its access rule does not include you."),
                Administrator,
                "Ask to be named, or to have one of your groups named, in the `access` of this \
                 route.",
            ),
            Self::FormRefused => Texts::new(
                "This form was not sent from here",
                "The value that proves where a form comes from was missing or belongs to another \
                 browser.",
                Yours,
                "Go back to the page, reload it, and send it again. Cookies have to be allowed.",
            ),
            Self::HeaderTooLarge { limit, .. } => Texts::new(
                "The browser sends too much along",
                format!(
                    "The head of a request may have {}; this one has more, most of it in the \
                     fields below.",
                    size_words(*limit)
                ),
                Yours,
                "A large `cookie` field means that cookies have piled up: clear those of this site \
                 in the browser's settings (the icon left of the address), then reload. If that is \
                 not it, the administrator can raise `max_header_bytes`.",
            ),
            Self::Internal => Texts::new(
                "Something went wrong here",
                "The mistake is ours, not yours and not the tool's.",
                Administrator,
                "The log says more under the request number below. Trying again may work.",
            ),
            Self::LinkGone => Texts::new(
                "This link is used up",
                "A sign-in link works once and for a short time. This one has been used, or is too \
                 old.",
                Yours,
                "Sign in with your password, or ask the administrator for a new link.",
            ),
            Self::MethodNotAllowed { allow } => Texts::new(
                "This address does not work that way",
                format!("It answers {allow} only."),
                Yours,
                "If you did not write the program that asked, start from the home page.",
            ),
            Self::NotFound => Texts::new(
                "There is nothing here",
                "No tool answers at this address.",
                Yours,
                "Check the address, or start from your tools. If a tool should be here, the \
                 administrator adds it as a `[[route]]`.",
            ),
            Self::RequestTimeout => Texts::new(
                "The request did not arrive in full",
                "Part of it came, then nothing more for too long.",
                Yours,
                "Check the connection and send it again.",
            ),
            Self::ShuttingDown => Texts::new(
                "Back in a moment",
                "This installation is restarting.",
                Administrator,
                "Nothing to do for you: try again in a few seconds.",
            ),
            Self::SignInRequired { .. } => Texts::new(
                "Sign in to go on",
                "You are not signed in here, or your session has ended.",
                Yours,
                "Sign in, then repeat what you were doing. What you were about to send was not \
                 passed on.",
            ),
            Self::ToolBadAnswer { tool } => Texts::new(
                "The tool's answer broke off",
                format!("{tool} took the request, but did not answer it properly."),
                Tool,
                "It may be restarting, or something else listens on its port. Try again; if it \
                 stays, its own log says why.",
            ),
            Self::ToolBusy { tool } => Texts::new(
                "The tool has its hands full",
                format!("All connections to {tool} are taken and more requests wait already."),
                Tool,
                "Try again in a few seconds.",
            ),
            Self::ToolTimeout { tool, after } => Texts::new(
                "The tool does not answer",
                format!("{tool} did not answer within {}.", duration_words(*after)),
                Tool,
                "It may be busy with a long computation. Try again; if it always takes that long, \
                 the administrator can raise `response_timeout` of the route.",
            ),
            Self::ToolUnreachable { tool } => Texts::new(
                "The tool is not running",
                format!("Nothing answers where {tool} should be."),
                Tool,
                "It may still be starting. If it stays away, the administrator can see whether it \
                 runs and whether `upstream` of the route is right.",
            ),
            Self::ToolUntrusted { tool } => Texts::new(
                "The tool could not show who it is",
                format!(
                    "The certificate of {tool} is not the expected one, so nothing was sent to it."
                ),
                Administrator,
                "It must be for the host in `upstream` of the route and signed by an authority of \
                 `upstream_ca` or of the system. The log says what is wrong with it.",
            ),
            Self::TooManyFields { limit } => Texts::new(
                "The browser sends too much along",
                format!("A request may have {limit} header fields; this one has more."),
                Yours,
                "An extension of the browser or a proxy in between adds them. The administrator \
                 can raise `max_headers` to 100.",
            ),
            Self::TooManyRequests { retry_after } => Texts::new(
                "That was too much at once",
                format!(
                    "Too many requests came from you. Wait {}.",
                    duration_words(*retry_after)
                ),
                Yours,
                "Nothing is locked; waiting is enough.",
            ),
            Self::UnknownHost => Texts::new(
                "No site is set up under this name",
                "The request arrived, but the host name in the address is not one of this \
                 installation's.",
                Administrator,
                "Set `server.public_url` to the address that people type, or give a route this \
                 `host`.",
            ),
        }
    }
}
