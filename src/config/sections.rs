//! All tables but routes and listeners: which keys there are, their defaults, and what contradicts what.
//!
//! Each line of a struct literal here is one key with its default; `docs/configuration.md` and
//! `config/labgate.toml` list the same keys.

use std::{collections::HashMap, net::SocketAddr, path::PathBuf, time::Duration};

use super::{
    Address, Admin, Config, Limits, Listener, LocalUser, Server, Session, Trust, Ui, UserSource,
    form::{Count, Size},
    htpasswd, listener, names,
    origin::Origin,
    read::Section,
    route,
    show::quote,
};
use crate::http::site::PublicUrl;

/// Reads everything. `None` where something required is missing or wrong; that is also among the
/// problems.
pub(super) fn read(root: &mut Section<'_, '_>) -> Option<Config> {
    let default_url = "http://localhost:8000".parse().ok()?;
    let (server, origin) = root.section("server", |table| {
        (server(table, default_url), table.origin_of("public_url"))
    });
    let trust = root.section("trust", listener::trust);
    let listeners = listener::read(root, &server.public_url, &trust);
    let admin = root.section("admin", |table| admin(table, &listeners));
    let session = root.section("session", session);
    let limits = root.section("limits", limits);
    let local_users = root.section("identity", |identity| {
        identity.section("local", |local| {
            let mut known = HashMap::new();
            let mut users = local.tables("user", "identity.local.user", |table| {
                local_user(table, &mut known)
            });
            users.extend(htpasswd::read(local, &users).into_iter().map(Some));
            users
        })
    });
    let routes = route::read(root, &server.public_url.host, &limits, &listeners);
    let ui = root.section("ui", ui);
    warn_about_plain_http(root, (&server.public_url, origin), &listeners, &trust);
    Some(Config {
        server,
        listeners: listeners.into_iter().collect::<Option<_>>()?,
        admin,
        trust,
        session,
        limits,
        local_users: local_users.into_iter().collect::<Option<_>>()?,
        routes,
        ui,
    })
}

fn server(table: &mut Section<'_, '_>, default_url: PublicUrl) -> Server {
    let texts = table.reader.texts;
    let home = |name, below: &str| {
        let folder = texts
            .variable(name)
            .filter(|folder| folder.starts_with('/'));
        folder.map(|folder| PathBuf::from(folder).join(below))
    };
    let state_dir = home("XDG_STATE_HOME", "labgate")
        .or_else(|| home("HOME", ".local/state/labgate"))
        .unwrap_or_else(|| "/var/lib/labgate".into());
    Server {
        public_url: table.value("public_url", default_url),
        state_dir: table.path_or("state_dir", state_dir),
        workers: table.optional("workers").map(|Count(workers)| workers),
    }
}

type Known<K> = HashMap<K, Origin>;

fn admin(table: &mut Section<'_, '_>, listeners: &[Option<Listener>]) -> Admin {
    let address: Option<SocketAddr> = table.optional("address");
    let origin = table.origin_of("address");
    if let Some(address) = address {
        let is_same =
            |listener: &Listener| address.port() != 0 && listener.address == Address::Tcp(address);
        if listeners.iter().flatten().any(is_same) {
            table.problem(origin, "address", "is a listener's; take a port of its own");
        }
        if !address.ip().is_loopback() {
            let message = "is not only for this machine; whoever reaches it reads the metrics";
            table.warn(origin, "address", message);
        }
    }
    Admin {
        address,
        users: table.list("users", names::user),
        groups: table.list("groups", names::group),
    }
}

fn session(table: &mut Section<'_, '_>) -> Session {
    let lifetime = table.value("lifetime", days(7));
    // A short lifetime alone is no contradiction.
    let idle = table.value("idle", hours(8).min(lifetime));
    if idle > lifetime {
        let origin = table.origin_of("idle");
        table.problem(origin, "idle", "must not be longer than lifetime");
    }
    Session { idle, lifetime }
}

fn limits(table: &mut Section<'_, '_>) -> Limits {
    let header_bytes = Size(4 << 10)..=Size(256 << 10);
    Limits {
        handshake_timeout: table.value("handshake_timeout", seconds(10)),
        header_timeout: table.value("header_timeout", seconds(15)),
        keep_alive_timeout: table.value("keep_alive_timeout", seconds(120)),
        connect_timeout: table.value("connect_timeout", seconds(5)),
        response_timeout: table.limit("response_timeout", None),
        stall_timeout: table.limit("stall_timeout", None),
        upload_timeout: table.value("upload_timeout", seconds(60)),
        download_timeout: table.value("download_timeout", minutes(15)),
        drain_timeout: table.value("drain_timeout", seconds(30)),
        max_header_bytes: table
            .within("max_header_bytes", Size(64 << 10), header_bytes)
            .to_usize(),
        max_headers: table.within("max_headers", 100, 1..=100),
        max_connections: table.value("max_connections", Count(10_000)).0,
        max_connections_per_client: table.value("max_connections_per_client", Count(2500)).0,
        max_streams_per_user: table
            .limit("max_streams_per_user", None)
            .map(|Count(streams)| streams),
    }
}

fn local_user(table: &mut Section<'_, '_>, known: &mut Known<String>) -> Option<LocalUser> {
    table.require("name", "people type it to sign in");
    let name = table.text("name", names::user);
    if let Some(name) = &name {
        table.unique("name", name.clone(), known, |name| quote(name));
    }
    table.require(
        "password",
        "write a text, { env = \"NAME\" } or { file = \"/path\" }",
    );
    let password = table.secret("password");
    if let (Some(name), Some(password)) = (&name, &password)
        && name.eq_ignore_ascii_case(password.expose())
    {
        let origin = table.origin_of("password");
        table.problem(origin, "password", "must not be the user's name");
    }
    let groups = table.list("groups", names::group);
    let email = table.text("email", names::email);
    Some(LocalUser {
        name: name?,
        password: password?,
        groups,
        email,
        source: UserSource::Configuration,
    })
}

fn ui(table: &mut Section<'_, '_>) -> Ui {
    Ui {
        title: table.value("title", "labgate".to_owned()),
        accent: table.text_or("accent", "#0b6e99", |text| {
            let digits = text.strip_prefix('#').unwrap_or_default();
            if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                Ok(text.to_ascii_lowercase())
            } else {
                Err("must be a color like \"#0b6e99\"".into())
            }
        }),
        notice: table.optional("notice"),
    }
}

/// Cookies of an https site are not sent over plain HTTP; without TLS here and without a proxy to
/// believe, every request looks plain. On a plain site whoever is on the way reads passwords and
/// cookies, which have no `Secure` there (SECURITY T40).
fn warn_about_plain_http(
    root: &mut Section<'_, '_>,
    (public_url, origin): (&PublicUrl, Origin),
    listeners: &[Option<Listener>],
    trust: &Trust,
) {
    let tls = |listener: &Option<Listener>| !matches!(listener, Some(Listener { tls: None, .. }));
    if public_url.https && trust.proxies.is_empty() && !listeners.iter().any(tls) {
        root.warn(
            origin,
            "server.public_url",
            "is https, but no listener has tls and trust.proxies names nobody who ends it before us",
        );
    }
    if !public_url.https && !public_url.is_loopback() {
        root.warn(
            origin,
            "server.public_url",
            "is plain http: passwords and cookies are not encrypted on their way",
        );
    }
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn minutes(count: u64) -> Duration {
    seconds(60 * count)
}

const fn hours(count: u64) -> Duration {
    minutes(60 * count)
}

const fn days(count: u64) -> Duration {
    hours(24 * count)
}
