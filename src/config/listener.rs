//! `[[listener]]` and `[trust]`: where we listen, and who may speak for others there.

use std::{
    collections::HashMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use super::{
    Address, Listener, Proxy, Tls, TlsFiles, Trust,
    form::{Form, network, socket_path, text},
    names,
    origin::Origin,
    read::Section,
    show::quote,
    tree::{Node, Value},
};
use crate::http::sites::Sites;

/// Reads all listeners: one entry per table, `None` for a broken one.
pub(super) fn read(
    root: &mut Section<'_, '_>,
    main: &Sites,
    trust: &Trust,
) -> Vec<Option<Listener>> {
    let mut known = Known::default();
    let listeners = root.tables("listener", "listener", |table| {
        one(table, &mut known, main, trust)
    });
    if !listeners.is_empty() {
        return listeners;
    }
    // Behind https without a listener, somebody else ends TLS and comes to us by plain HTTP.
    let port = if main.main().https {
        DEFAULT_PORT
    } else {
        main.main().effective_port()
    };
    vec![Some(root.default_table("listener", |table| Listener {
        name: table.value("name", "public".to_owned()),
        address: table.value("address", Address::Tcp((Ipv4Addr::LOCALHOST, port).into())),
        tls: None,
        proxy_protocol: table.value("proxy_protocol", false),
        redirect_https: table.value("redirect_https", false),
        http2_websocket: table.value("http2_websocket", true),
    }))]
}

/// What stands once among all listeners.
#[derive(Default)]
struct Known {
    names: HashMap<String, Origin>,
    addresses: HashMap<Address, Origin>,
}

fn one(
    table: &mut Section<'_, '_>,
    known: &mut Known,
    main: &Sites,
    trust: &Trust,
) -> Option<Listener> {
    table.require("name", "logs need one");
    let name = table.text("name", names::thing);
    if let Some(name) = &name {
        table.unique("name", name.clone(), &mut known.names, |name| quote(name));
    }
    let address: Option<Address> = table.required(
        "address",
        "write an address and a port, like \"127.0.0.1:8000\"",
    );
    let fixed = |address: &Address| address.tcp().is_none_or(|address| address.port() != 0);
    if let Some(address) = address.clone().filter(fixed) {
        table.unique("address", address, &mut known.addresses, Address::to_string);
    }
    let has_tls = table.has("tls");
    let node = table.find("tls").map(|node| &node.value);
    let tls = if let Some(Value::String(_)) = node {
        table.text("tls", self_signed).map(|_| Tls::SelfSigned)
    } else {
        let files = table.unit("tls", "tls.", tls_files);
        files.flatten().map(Tls::Files)
    };
    let proxy_protocol = table.value("proxy_protocol", false);
    if proxy_protocol && trust.proxies.is_empty() {
        let origin = table.origin_of("proxy_protocol");
        let message = "lets only trusted proxies in, and trust.proxies names none";
        table.problem(origin, "proxy_protocol", message);
    }
    let redirect_https = table.value("redirect_https", false);
    if redirect_https && (has_tls || !main.iter().any(|site| site.https)) {
        let origin = table.origin_of("redirect_https");
        let message = if has_tls {
            "is for listeners without tls"
        } else {
            "sends people to https, which neither server.public_url nor one of server.aliases is"
        };
        table.problem(origin, "redirect_https", message);
    }
    Some(Listener {
        name: name?,
        address: address?,
        // A half-read `tls` must not turn into plain HTTP.
        tls: if has_tls { Some(tls?) } else { None },
        proxy_protocol,
        redirect_https,
        http2_websocket: table.value("http2_websocket", true),
    })
}

fn self_signed(text: &str) -> Result<String, String> {
    match text {
        "self-signed" => Ok(text.into()),
        _ => Err("must be { certificate = \"…\", key = \"…\" } or \"self-signed\"".into()),
    }
}

fn tls_files(table: &mut Section<'_, '_>) -> Option<TlsFiles> {
    let hint = "TLS takes a certificate and its key";
    let certificate = table.path("certificate", hint);
    let key = table.path("key", hint);
    Some(TlsFiles {
        certificate: certificate?,
        key: key?,
    })
}

/// Reads `[trust]`.
pub(super) fn trust(table: &mut Section<'_, '_>) -> Trust {
    let trust = Trust {
        proxies: table.list("proxies", proxy),
        client_ip_header: table.optional("client_ip_header"),
    };
    let is_everybody =
        |proxy: &Proxy| matches!(proxy, Proxy::Network(network) if network.prefix_len() == 0);
    if trust.proxies.iter().any(is_everybody) {
        let origin = table.origin_of("proxies");
        table.warn(
            origin,
            "proxies",
            "believes everybody's X-Forwarded-For; name the proxies",
        );
    }
    if trust.client_ip_header.is_some() && !table.has("proxies") {
        let message = "is believed from trusted proxies only, and proxies names none";
        let origin = table.origin_of("client_ip_header");
        table.warn(origin, "client_ip_header", message);
    }
    trust
}

fn proxy(text: &str) -> Result<Proxy, String> {
    match text {
        UNIX => Ok(Proxy::Unix),
        _ => network(text).map(Proxy::Network),
    }
}

impl Address {
    /// The address of a TCP listener.
    pub const fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Address {
    /// As it is written in a configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Form for Address {
    fn read(node: &Node<'_>) -> Result<Self, String> {
        let text = text(node)?;
        match text.strip_prefix("unix:") {
            Some(path) => socket_path(path).map(|path: PathBuf| Self::Unix(path)),
            None => text.parse().map(Self::Tcp).map_err(|_| {
                "must be an address and a port, like \"127.0.0.1:8000\" or \"[::]:8443\", \
                 or \"unix:/path/to/socket\""
                    .into()
            }),
        }
    }

    fn show(&self) -> String {
        quote(&self.to_string())
    }
}

impl fmt::Display for Proxy {
    /// As it is written in a configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Unix => f.write_str(UNIX),
        }
    }
}

/// The word for whoever comes by a unix socket.
const UNIX: &str = "unix";
/// That of the default `public_url`.
const DEFAULT_PORT: u16 = 8000;
