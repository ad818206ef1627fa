//! The forms values are written in, each read and shown here.
//!
//! What a form reads from its own `show` is the same value.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use http::HeaderName;
use ipnet::IpNet;

use super::{
    App, AuditLog, HostPattern, IdentityHeaders, UpstreamHost, nearest,
    origin::Origin,
    show::quote,
    tree::{Node, Value},
    units,
};
use crate::http::site::{Host, Invalid, PublicUrl};

/// One form of writing a value.
pub(super) trait Form: Sized {
    /// `Err` says what is wrong and what would be right.
    fn read(node: &Node<'_>) -> Result<Self, String>;

    /// As TOML.
    fn show(&self) -> String;
}

/// `must be a text, not a number`
pub(super) fn mismatch(wanted: &str, node: &Node<'_>) -> String {
    format!("must be {wanted}, not {}", node.kind())
}

/// The text of a node, never empty.
pub(super) fn text<'n>(node: &'n Node<'_>) -> Result<&'n str, String> {
    match &node.value {
        Value::String(text) if text.is_empty() => Err("must not be empty".into()),
        Value::String(text) => Ok(text),
        _ => Err(mismatch("a text", node)),
    }
}

/// What a variable says, since variables hold only texts.
fn from_variable<'n>(node: &'n Node<'_>) -> Option<&'n str> {
    match (&node.value, node.origin) {
        (Value::String(text), Origin::Environment(_)) => Some(text),
        _ => None,
    }
}

impl Form for AuditLog {
    fn read(node: &Node<'_>) -> Result<Self, String> {
        match text(node)? {
            "off" => Ok(Self::Off),
            "stderr" => Ok(Self::Stderr),
            path if path.starts_with('/') && !path.ends_with('/') => Ok(Self::File(path.into())),
            _ => Err("must be \"stderr\", \"off\" or the absolute path of a file".into()),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::File(path) => quote(&path.to_string_lossy()),
            Self::Off => quote("off"),
            Self::Stderr => quote("stderr"),
        }
    }
}

impl Form for bool {
    fn read(node: &Node<'_>) -> Result<Self, String> {
        match (&node.value, from_variable(node)) {
            (Value::Boolean(value), _) => Ok(*value),
            (_, Some("true")) => Ok(true),
            (_, Some("false")) => Ok(false),
            _ => Err("must be true or false".into()),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Form for usize {
    fn read(node: &Node<'_>) -> Result<Self, String> {
        whole(node, 0)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

fn whole(node: &Node<'_>, least: usize) -> Result<usize, String> {
    let number = match (&node.value, from_variable(node)) {
        (Value::Integer(number), _) => usize::try_from(*number).ok(),
        (_, Some(text)) => text.parse().ok(),
        _ => return Err(mismatch("a number", node)),
    };
    number
        .filter(|number| *number >= least)
        .ok_or_else(|| format!("must be a whole number from {least}"))
}

/// How many; at least one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Count(pub(super) usize);

impl Form for Count {
    fn read(node: &Node<'_>) -> Result<Self, String> {
        whole(node, 1).map(Self)
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

impl Form for String {
    fn read(node: &Node<'_>) -> Result<Self, String> {
        let text = text(node)?;
        if text.contains(char::is_control) {
            return Err("must be one line".into());
        }
        Ok(text.into())
    }

    fn show(&self) -> String {
        quote(self)
    }
}

impl Form for Duration {
    fn read(node: &Node<'_>) -> Result<Self, String> {
        match &node.value {
            Value::Integer(number) => Err(format!("needs a unit: \"{number}s\", \"{number}m\"")),
            Value::String(text) => units::parse_duration(text),
            _ => Err(mismatch("a length of time like \"15m\"", node)),
        }
    }

    fn show(&self) -> String {
        quote(&units::show_duration(*self))
    }
}

/// Bytes, written with a unit.
#[derive(Clone, Copy, Debug, Eq, PartialEq, PartialOrd)]
pub(super) struct Size(pub(super) u64);

impl Size {
    /// For what is kept in memory.
    pub(super) fn to_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Form for Size {
    fn read(node: &Node<'_>) -> Result<Self, String> {
        match &node.value {
            Value::Integer(number) => Err(format!("needs a unit: \"{number}KiB\", \"{number}B\"")),
            Value::String(text) => units::parse_size(text).map(Self),
            _ => Err(mismatch("a size like \"64KiB\"", node)),
        }
    }

    fn show(&self) -> String {
        quote(&units::show_size(self.0))
    }
}

impl Form for PublicUrl {
    fn read(node: &Node<'_>) -> Result<Self, String> {
        text(node)?.parse().map_err(|Invalid(why)| why.to_owned())
    }

    fn show(&self) -> String {
        quote(&self.origin())
    }
}

impl Form for HeaderName {
    fn read(node: &Node<'_>) -> Result<Self, String> {
        text(node)?
            .parse()
            .map_err(|_| "must be the name of a header, like \"CF-Connecting-IP\"".into())
    }

    fn show(&self) -> String {
        quote(self.as_str())
    }
}

impl Form for HostPattern {
    fn read(node: &Node<'_>) -> Result<Self, String> {
        let text = text(node)?;
        let host = |name: &str| name.parse::<Host>().map_err(|Invalid(why)| why.to_owned());
        match text.strip_prefix("*.") {
            Some(parent) => host(parent).map(Self::Suffix),
            None if text.contains('*') => {
                Err("a star stands only at the beginning, as in \"*.example.org\"".into())
            }
            None => host(text).map(Self::Exact),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Exact(host) => quote(host.as_str()),
            Self::Suffix(parent) => quote(&format!("*.{parent}")),
        }
    }
}

impl Form for SocketAddr {
    fn read(node: &Node<'_>) -> Result<Self, String> {
        text(node)?.parse().map_err(|_| {
            "must be an address and a port, like \"127.0.0.1:8000\" or \"[::]:8443\"".into()
        })
    }

    fn show(&self) -> String {
        quote(&self.to_string())
    }
}

/// The longest path of a Unix socket, `sun_path` without its final zero.
const LONGEST_SOCKET_PATH: usize = 107;

/// What follows `unix:`.
pub(super) fn socket_path(path: &str) -> Result<PathBuf, String> {
    match path {
        _ if !path.starts_with('/') => Err("the path of a socket must start with /".into()),
        _ if path.len() > LONGEST_SOCKET_PATH || path.contains('\0') => Err(format!(
            "the path of a socket has at most {LONGEST_SOCKET_PATH} bytes"
        )),
        _ => Ok(PathBuf::from(path)),
    }
}

/// One of a few words.
fn word<T: Copy>(node: &Node<'_>, words: &[(&str, T)]) -> Result<T, String> {
    let text = text(node)?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let hint = nearest::hint(text, &known);
    Err(format!("{} is unknown; {hint}", quote(text)))
}

/// The word for a value.
fn show_word<T: PartialEq>(value: &T, words: &[(&str, T)]) -> String {
    let word = words.iter().find(|(_, known)| known == value);
    quote(word.map_or("", |(word, _)| word))
}

const APPS: [(&str, App); 2] = [("generic", App::Generic), ("jupyter", App::Jupyter)];

impl Form for App {
    fn read(node: &Node<'_>) -> Result<Self, String> {
        word(node, &APPS)
    }

    fn show(&self) -> String {
        show_word(self, &APPS)
    }
}

const IDENTITY_HEADERS: [(&str, IdentityHeaders); 2] = [
    ("none", IdentityHeaders::None),
    ("standard", IdentityHeaders::Standard),
];

impl Form for IdentityHeaders {
    fn read(node: &Node<'_>) -> Result<Self, String> {
        word(node, &IDENTITY_HEADERS)
    }

    fn show(&self) -> String {
        show_word(self, &IDENTITY_HEADERS)
    }
}

const UPSTREAM_HOSTS: [(&str, UpstreamHost); 2] = [
    ("client", UpstreamHost::Client),
    ("upstream", UpstreamHost::Upstream),
];

impl Form for UpstreamHost {
    fn read(node: &Node<'_>) -> Result<Self, String> {
        word(node, &UPSTREAM_HOSTS)
    }

    fn show(&self) -> String {
        show_word(self, &UPSTREAM_HOSTS)
    }
}

/// `10.0.0.0/8`, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    match (text.parse::<IpNet>(), text.parse::<std::net::IpAddr>()) {
        (Ok(network), _) => Ok(network.trunc()),
        (_, Ok(address)) => Ok(address.into()),
        _ => Err(format!(
            "{} is not a network like \"10.0.0.0/8\" or \"fd00::/8\"",
            quote(text)
        )),
    }
}
