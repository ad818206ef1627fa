//! `upstream` and `upstream_ca` of a route: one address or several, and who vouches for https ones.

use std::{fmt, path::PathBuf};

use super::{
    Upstream,
    form::{Form, mismatch, socket_path, text},
    own::Own,
    read::{Section, show_list},
    show::quote,
    tree::{Node, Value},
};
use crate::http::site::{Host, Invalid};

/// Where the requests of a route go.
pub(super) struct Upstreams {
    pub(super) list: Vec<Upstream>,
    pub(super) ca: Option<PathBuf>,
}

/// Reads both keys. `None`: something is wrong, and told.
pub(super) fn read(table: &mut Section<'_, '_>, own: &Own) -> Option<Upstreams> {
    let told = table.reader.problems.len();
    let hint = "write \"http://host:port\", \"https://host:port\" or \"unix:/path\"";
    let node = table.require(KEY, hint);
    let list = node.map_or_else(Vec::new, |node| list(table, node, own));
    let https = list.iter().any(Upstream::is_https);
    let ca = table.optional_path(CA).map(|(_, path)| path);
    if ca.is_some() && !https && !list.is_empty() {
        let origin = table.origin_of(CA);
        table.problem(origin, CA, "is only for upstreams that start with https://");
    }
    (table.reader.problems.len() == told).then_some(Upstreams { list, ca })
}

/// The addresses, each of which tells its own problem.
fn list(table: &mut Section<'_, '_>, node: &Node<'_>, own: &Own) -> Vec<Upstream> {
    let read = |node: &Node<'_>| {
        let upstream = Upstream::read(node)?;
        match own.refuse(&upstream) {
            Some(why) => Err(why.to_owned()),
            None => Ok(upstream),
        }
    };
    let Value::Array(items) = &node.value else {
        let one = read(node).map_err(|why| table.problem(node.origin, KEY, why));
        let list: Vec<Upstream> = one.into_iter().collect();
        table.record(KEY, node.origin, || list.iter().map(Form::show).collect());
        return list;
    };
    if items.is_empty() || items.len() > MOST {
        let why = format!("must be one address or a list of 1 to {MOST}");
        table.problem(node.origin, KEY, why);
    }
    let mut list: Vec<Upstream> = Vec::with_capacity(items.len());
    for item in items {
        let problem = match read(item) {
            Ok(upstream) if list.contains(&upstream) => {
                format!("{} stands there twice", upstream.show())
            }
            Ok(upstream)
                if list
                    .first()
                    .is_some_and(|first| !first.goes_with(&upstream)) =>
            {
                "https does not go with others: whether a request is encrypted must not be chance"
                    .into()
            }
            Ok(upstream) => {
                list.push(upstream);
                continue;
            }
            Err(why) => why,
        };
        table.problem(item.origin, KEY, problem);
    }
    table.record(KEY, node.origin, || show_list(&list));
    list
}

impl Upstream {
    const fn is_https(&self) -> bool {
        matches!(self, Self::Https { .. })
    }

    const fn goes_with(&self, other: &Self) -> bool {
        self.is_https() == other.is_https()
    }
}

impl fmt::Display for Upstream {
    /// As it is written in a configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Http { host, port } => ("http", host, port),
            Self::Https { host, port } => ("https", host, port),
            Self::Unix(path) => return write!(f, "unix:{}", path.display()),
        };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

impl Form for Upstream {
    /// The text is not repeated in messages, since people write passwords into addresses.
    fn read(node: &Node<'_>) -> Result<Self, String> {
        let text = match &node.value {
            Value::String(_) => text(node)?,
            _ => return Err(mismatch("an address or a list of them", node)),
        };
        if let Some(path) = text.strip_prefix("unix:") {
            return socket_path(path).map(Self::Unix);
        }
        let (https, authority) = match (text.strip_prefix("http://"), text.strip_prefix("https://"))
        {
            (Some(authority), _) => (false, authority),
            (_, Some(authority)) => (true, authority),
            _ => {
                return Err(
                    "must be \"http://host:port\", \"https://host:port\" or \"unix:/path/to/socket\""
                        .into(),
                );
            }
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains('@') {
            return Err("must not hold a user or password".into());
        }
        if authority.contains(['/', '?', '#']) {
            return Err("must end after the host and port; requests bring their own path".into());
        }
        let (host, port) =
            Host::parse_authority(authority).map_err(|Invalid(why)| why.to_owned())?;
        if port == Some(0) {
            return Err("nothing can listen on port 0".into());
        }
        let host = host.as_str().trim_matches(['[', ']']).into();
        Ok(if https {
            let port = port.unwrap_or(443);
            Self::Https { host, port }
        } else {
            let port = port.unwrap_or(80);
            Self::Http { host, port }
        })
    }

    fn show(&self) -> String {
        quote(&self.to_string())
    }
}

const KEY: &str = "upstream";
const CA: &str = "upstream_ca";
/// Addresses of one route.
const MOST: usize = 64;
