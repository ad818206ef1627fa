//! Configuration: from files and environment to a validated [`Config`].
//!
//! In: the layers of `docs/configuration.md` (defaults, files, overrides, environment). Out: a
//! [`Config`] of parsed types with every reference resolved, or all problems at once, each with
//! file, line and column. The way of a value: `load` and `env` find the layers, `tree` parses and merges
//! them, `sections` and `route` say which keys there are, `read` and `nested` fetch those, `form` and
//! `units` parse them, `secrets` follows references. Validation itself does no I/O.
//! Not here: anything that opens a socket or starts a task (`runtime`), and what is in certificates.

mod access;
mod env;
mod form;
mod headers;
mod htpasswd;
mod listener;
pub mod load;
pub mod names;
mod nearest;
mod nested;
pub mod origin;
mod own;
pub mod problem;
mod read;
mod route;
mod secrets;
mod sections;
pub mod show;
mod sites;
mod tree;
mod units;
mod upstream;

pub use headers::{HeaderRules, UpstreamHost};

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use http::{HeaderName, Method};
use ipnet::IpNet;

use crate::{
    http::{
        site::{Host, PublicUrl},
        sites::Sites,
    },
    secret::Secret,
};

/// The whole configuration, valid by construction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[[listener]]`, at least one (default: `public` on `127.0.0.1` with the port of a plain
    /// `public_url`, or 8000 where it is https and TLS ends elsewhere).
    pub listeners: Vec<Listener>,
    /// `[admin]`
    pub admin: Admin,
    /// `[trust]`
    pub trust: Trust,
    /// `[session]`
    pub session: Session,
    /// `[limits]`
    pub limits: Limits,
    /// `[log]`
    pub log: Log,
    /// `[identity.local]`: users that stand in the configuration itself or in its htpasswd file.
    /// No name is there twice, in whatever case.
    pub local_users: Vec<LocalUser>,
    /// `[[route]]`, in file order; names are unique, no two have the same host and path.
    pub routes: Vec<Route>,
    /// `[ui]`
    pub ui: Ui,
}

/// `[server]`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Server {
    /// The first main address, as people type it. Decides cookies, redirects and allowed hosts.
    pub public_url: PublicUrl,
    /// Further main addresses. No two, that one included, have the same host.
    pub aliases: Vec<PublicUrl>,
    /// Where our own 0700 folder goes; absolute.
    pub state_dir: PathBuf,
    /// Worker threads of the data path; default: one per core.
    pub workers: Option<usize>,
}

impl Server {
    /// All main addresses.
    pub fn sites(&self) -> Sites {
        Sites::new(self.public_url.clone(), self.aliases.clone())
    }
}

/// `[[listener]]`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listener {
    /// Unique; stands in logs.
    pub name: String,
    /// Where to bind.
    pub address: Address,
    /// Where its certificate is from; `None` is plain HTTP.
    pub tls: Option<Tls>,
    /// Whether trusted proxies begin each connection with the PROXY protocol, and others may not come.
    pub proxy_protocol: bool,
    /// Whether requests are only sent on to the https address; never beside `tls`.
    pub redirect_https: bool,
    /// Whether browsers may open a WebSocket on their HTTP/2 connection.
    pub http2_websocket: bool,
}

/// Where a listener listens.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Address {
    /// `address:port`; port 0 lets the system pick.
    Tcp(SocketAddr),
    /// `unix:/absolute/path`
    Unix(PathBuf),
}

/// Where a listener's certificate is from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tls {
    /// Files that somebody else makes.
    Files(TlsFiles),
    /// `"self-signed"`: an authority of our own in the state folder.
    SelfSigned,
}

/// Certificate chain and key, PEM. Read again when the files change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// Leaf first.
    pub certificate: PathBuf,
    /// PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// `[admin]`: who administers, nobody by default; and where programs of operators ask.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Admin {
    /// Where `/metrics`, `/live` and `/ready` are answered; `None`: nowhere.
    pub address: Option<SocketAddr>,
    /// User names.
    pub users: Vec<String>,
    /// Group names.
    pub groups: Vec<String>,
}

/// `[trust]`: whose word about the client is believed. Nobody's by default.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trust {
    /// The proxies in front of us.
    pub proxies: Vec<Proxy>,
    /// The header that carries the client's address; `None`: the right-most untrusted
    /// `X-Forwarded-For` entry.
    pub client_ip_header: Option<HeaderName>,
}

/// A proxy whose word is believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Proxy {
    /// Whoever has an address of this network.
    Network(IpNet),
    /// `unix`: whoever comes by a unix socket.
    Unix,
}

/// `[session]`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Session {
    /// Ends when nobody used it for this long; default 8 h.
    pub idle: Duration,
    /// Ends this long after sign-in whatever happens; default 7 d.
    pub lifetime: Duration,
}

/// `[limits]`. `None` is no limit (written `"none"`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// TLS handshake.
    pub handshake_timeout: Duration,
    /// From the first byte of a request head (the first one: from accept) to its end.
    pub header_timeout: Duration,
    /// Idle client connection.
    pub keep_alive_timeout: Duration,
    /// Connecting to an upstream.
    pub connect_timeout: Duration,
    /// To the first byte of an answer.
    pub response_timeout: Option<Duration>,
    /// Between bytes of an answer.
    pub stall_timeout: Option<Duration>,
    /// Without a byte of a request body, only while we wait for the client.
    pub upload_timeout: Duration,
    /// Without the client taking a byte.
    pub download_timeout: Duration,
    /// After a stop signal, before what still runs is cut.
    pub drain_timeout: Duration,
    /// Bytes of a request head; 431 beyond.
    pub max_header_bytes: usize,
    /// Fields of a request head, at most 100; 431 beyond.
    pub max_headers: usize,
    /// Client connections, over all listeners.
    pub max_connections: usize,
    /// Connections by client address; trusted proxies are exempt.
    pub max_connections_per_client: usize,
    /// Streams (requests and tunnels) open at once by one user.
    pub max_streams_per_user: Option<usize>,
}

/// `[log]`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    /// Where the audit log goes.
    pub audit: AuditLog,
}

/// Where the audit log goes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum AuditLog {
    /// To a file of its own; absolute.
    File(PathBuf),
    /// Nowhere.
    Off,
    /// `"stderr"`: where the operator's log goes.
    #[default]
    Stderr,
}

/// `[identity.local] user = [...]`: one user that stands in the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LocalUser {
    /// Unique.
    pub name: String,
    /// Plain text or an `$argon2id$` string; one line, not a sample value, not the name. From an
    /// htpasswd file: a bcrypt or SHA-crypt hash in the form of crypt(5).
    pub password: Secret<String>,
    /// Group names.
    pub groups: Vec<String>,
    /// Believed as verified, since the operator wrote it.
    pub email: Option<String>,
    /// Where the user stands.
    pub source: UserSource,
}

/// Where a user of [`Config::local_users`] stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UserSource {
    /// `user` of `[identity.local]`.
    Configuration,
    /// The file that `htpasswd` of `[identity.local]` names.
    Htpasswd,
}

/// `[[route]]`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// Unique; stands in logs and metrics.
    pub name: String,
    /// Shown on the home page; default: the name.
    pub title: String,
    /// Which hosts it answers on; `None`: every main host.
    pub host: Option<HostPattern>,
    /// Absolute path prefix, matched on segment borders; `/` matches all. With a slash at its end, a
    /// request for the bare prefix is redirected to it. No other ends with a slash;
    /// none has a percent sign, an empty or a dot segment.
    pub path: String,
    /// The name of the one listener that it can be reached by; `None`: any.
    pub require_listener: Option<String>,
    /// Where requests go: one of these, never empty, none twice; all https or none.
    pub upstreams: Vec<Upstream>,
    /// PEM file of the authorities that its https upstreams are checked by; `None`: the system's.
    pub upstream_ca: Option<PathBuf>,
    /// What kind of tool it is.
    pub app: App,
    /// The tool's own credential, added by us.
    pub token: Option<Secret<String>>,
    /// Who may use it.
    pub access: Access,
    /// Whether the path prefix is taken off; default is the app's.
    pub strip_prefix: bool,
    /// Largest request body.
    pub max_body: Option<u64>,
    /// Which identity headers the tool gets.
    pub identity_headers: IdentityHeaders,
    /// What else is done to header fields.
    pub headers: HeaderRules,
    /// `[limits]` key of the same name, or this route's own.
    pub connect_timeout: Duration,
    /// `[limits]` key of the same name, or this route's own.
    pub response_timeout: Option<Duration>,
    /// `[limits]` key of the same name, or this route's own.
    pub stall_timeout: Option<Duration>,
}

/// Which hosts a route answers on.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum HostPattern {
    /// Exactly this host.
    Exact(Host),
    /// `*.example.org`: any one or more labels below `example.org` (kept here without the `*.`).
    Suffix(Host),
}

/// Where a route's requests go: one address.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Upstream {
    /// `http://host:port`; the host is a name or an address (IPv6 without brackets).
    Http {
        /// Name or address.
        host: String,
        /// Port, 80 by default.
        port: u16,
    },
    /// `https://host:port`; the host is what the certificate must be for.
    Https {
        /// Name or address.
        host: String,
        /// Port, 443 by default.
        port: u16,
    },
    /// `unix:/absolute/path`
    Unix(PathBuf),
}

/// What kind of tool a route leads to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum App {
    /// Any HTTP server.
    #[default]
    Generic,
    /// Jupyter Server, `JupyterLab`, Notebook.
    Jupyter,
}

/// Which identity headers a tool gets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum IdentityHeaders {
    /// None.
    None,
    /// `X-Forwarded-User`, `X-Forwarded-Email`, `X-Forwarded-Groups`.
    #[default]
    Standard,
}

/// Who may use a route: public, or any of these alternatives ("or").
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Access {
    /// Everyone, signed in or not.
    Public,
    /// Whoever is signed in.
    SignedIn,
    /// One of these is enough; never empty.
    AnyOf(Vec<AccessRule>),
}

/// One table of `access`. `users`, `groups` and `emails` name people, one match suffices;
/// `networks` and `methods` narrow, all must hold. A rule of `networks` alone (with or without
/// `methods`) asks for no sign-in; a rule of `methods` alone asks for some signed-in user.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AccessRule {
    /// User names, exact.
    pub users: Vec<String>,
    /// Group names, exact.
    pub groups: Vec<String>,
    /// E-mail patterns, lowercase: `ana@example.org` or `*@example.org`.
    pub emails: Vec<String>,
    /// Client networks.
    pub networks: Vec<IpNet>,
    /// Methods; `GET` does not imply `HEAD`.
    pub methods: Vec<Method>,
}

/// `[ui]`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ui {
    /// Name on every page; default "labgate".
    pub title: String,
    /// CSS color `#rrggbb`; default `#0b6e99`.
    pub accent: String,
    /// One line shown on sign-in and home.
    pub notice: Option<String>,
}

#[cfg(test)]
mod tests;
