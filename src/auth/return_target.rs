//! Where sign-in returns to: never beyond our own origins (SECURITY T24, T28, T87).
//!
//! In: a `return` value that anybody may have written. Out: a path on the main host that was asked, a
//! path on another host of ours, or `/`. What is good comes back byte for byte, fragment included.
//! What browsers read in more than one way (backslashes, blanks, control characters, user
//! information, dot segments) is not good. The WHATWG URL standard says how browsers read a `Location`.

use crate::{
    http::{
        site::{Host, PublicUrl},
        sites::Sites,
    },
    route::RoutePath,
};

/// A safe place to go on to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Return {
    /// On the main host that was asked: a path with query and fragment. Starts with one slash.
    Here(String),
    /// On another host of ours, at its own site: a path as above.
    Host(Host, String),
}

impl Return {
    /// The front door.
    pub fn home() -> Self {
        Self::Here("/".to_owned())
    }

    /// Reads a `return` value; what is not certainly ours is [`Return::home`]. `here` is the site that
    /// was asked; from https it leads to no plain one, which somebody else could answer for. `knows`
    /// tells whether we answer on a host.
    pub fn parse(
        text: &str,
        here: &PublicUrl,
        sites: &Sites,
        knows: impl Fn(&Host) -> bool,
    ) -> Self {
        Self::read(text, here, sites, knows).unwrap_or_else(Self::home)
    }

    fn read(
        text: &str,
        here: &PublicUrl,
        sites: &Sites,
        knows: impl Fn(&Host) -> bool,
    ) -> Option<Self> {
        if text.len() > MAX_LENGTH || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        if text.starts_with('/') {
            return good_path(text).then(|| Self::Here(text.to_owned()));
        }
        let (https, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, rest) => (false, rest?),
        };
        let (authority, path) = match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
            Some(parts) => parts,
            None if rest.contains(['?', '#']) => return None,
            None => (rest, "/"),
        };
        let (host, port) = Host::parse_authority(authority).ok()?;
        let site = sites.of(&host);
        let default = if https { 443 } else { 80 };
        let port = port.unwrap_or(default);
        if (https, port) != (site.https, site.effective_port()) || !good_path(path) {
            return None;
        }
        if host == here.host {
            Some(Self::Here(path.to_owned()))
        } else if knows(&host) && (https || !here.https) {
            Some(Self::Host(host, path.to_owned()))
        } else {
            None
        }
    }

    /// The value for `Location`, as seen from a page of the site that was asked.
    pub fn location(&self, sites: &Sites) -> String {
        match self {
            Self::Here(path) => path.clone(),
            Self::Host(host, path) => {
                let mut url = sites.origin_of(host);
                url.push_str(path);
                url
            }
        }
    }
}

/// Whether path, query and fragment are read by everybody as a path on the same host.
fn good_path(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    RoutePath::parse(path).is_ok_and(|path| {
        // `//host` names a host; and what has an encoded line break or a slash first in line is
        // nothing that a browser of ours sent.
        let encoded_control = |byte: &u8| byte.is_ascii_control();
        !path.raw().starts_with("//")
            && !encoded_slash_first(path.raw())
            && !path.view().iter().any(encoded_control)
    })
}

fn encoded_slash_first(path: &str) -> bool {
    path.get(1..4)
        .is_some_and(|first| first.eq_ignore_ascii_case("%2f"))
}

/// Browsers and servers agree on addresses up to here.
const MAX_LENGTH: usize = 4096;

#[cfg(test)]
mod tests;
