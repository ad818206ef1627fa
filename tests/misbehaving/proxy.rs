//! The proxies that stand between: labgate, and nginx and `HAProxy` to compare it with.

use std::net::SocketAddr;

use crate::{peers::Peer, support::Lab};

/// A running proxy in front of one upstream. Stops when dropped.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Whether it is the one that is tested.
    pub(crate) is_ours: bool,
    _running: Running,
}

#[expect(dead_code, reason = "held for what dropping them does")]
enum Running {
    Lab(Lab),
    Peer(Peer),
}

impl Proxy {
    /// labgate with one worker, so that it is known which connection is used next.
    pub(crate) fn labgate(upstream: SocketAddr) -> Self {
        let config = LABGATE.replace("UPSTREAM", &upstream.to_string());
        let lab = Lab::builder().config(&config).start();
        Self {
            address: lab.address(),
            is_ours: true,
            _running: Running::Lab(lab),
        }
    }

    pub(crate) fn nginx(upstream: SocketAddr) -> Self {
        Self::peer(Peer::nginx(NGINX, upstream))
    }

    pub(crate) fn haproxy(upstream: SocketAddr) -> Self {
        Self::peer(Peer::haproxy(HAPROXY, upstream))
    }

    fn peer(peer: Peer) -> Self {
        Self {
            address: peer.address,
            is_ours: false,
            _running: Running::Peer(peer),
        }
    }
}

const LABGATE: &str = r#"
[server]
workers = 1
[[route]]
name = "all"
host = "open.lab.test"
upstream = "http://UPSTREAM"
access = "public"
[[route]]
name = "limited"
host = "open.lab.test"
path = "/limited"
upstream = "http://UPSTREAM"
access = "public"
response_timeout = "500ms"
stall_timeout = "500ms"
"#;

const NGINX: &str = r#"
daemon off;
worker_processes 1;
pid FOLDER/pid;
error_log FOLDER/error.log;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    upstream tool { server UPSTREAM max_fails=0; keepalive 8; }
    map $http_upgrade $upgrade { default upgrade; "" ""; }
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $upgrade;
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_next_upstream off;
    proxy_read_timeout 10m;
    client_max_body_size 0;
    server {
        listen LISTEN;
        location / { proxy_pass http://tool; }
        location /limited/ { proxy_read_timeout 500ms; proxy_pass http://tool; }
    }
}
"#;

const HAPROXY: &str = r"
global
    nbthread 1
    maxconn 4000
defaults
    mode http
    timeout connect 5s
    timeout client 10m
    timeout server 10m
    timeout tunnel 10m
    http-reuse always
    retries 0
frontend all
    bind fd@0
    use_backend limited if { path_beg /limited/ }
    default_backend tool
backend tool
    server tool UPSTREAM
backend limited
    timeout server 500ms
    server tool UPSTREAM
";

/// The host of all requests.
pub(crate) const HOST: &str = "open.lab.test";
