//! What cases are sent through: labgate as it is shipped, and Debian's nginx and `HAProxy`, each with
//! the configuration that is usual for a tool with `WebSocket`s. Each has a recorder of its own behind
//! it.

use std::net::SocketAddr;

use crate::{
    case::HOST,
    peers::{self, Peer},
    recorder::{Record, Recorder},
    support::Lab,
};

/// A proxy that runs.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// As it says itself; empty for labgate.
    pub(crate) version: String,
    running: Running,
    recorder: Recorder,
}

enum Running {
    Labgate(Lab),
    Peer(Peer),
}

impl Proxy {
    /// labgate with one route, for everybody.
    pub(crate) async fn labgate() -> Self {
        let recorder = Recorder::start().await;
        let lab = Lab::builder()
            .config(&format!(
                "[[route]]\nname = \"a\"\nhost = \"{HOST}\"\nupstream = \"http://{}\"\n\
                 access = \"public\"",
                recorder.address()
            ))
            .start();
        Self {
            address: lab.address(),
            version: String::new(),
            running: Running::Labgate(lab),
            recorder,
        }
    }

    pub(crate) async fn nginx() -> Self {
        let recorder = Recorder::start().await;
        let peer = Peer::nginx(NGINX, recorder.address());
        Self::peer(peer, peers::version("nginx"), recorder)
    }

    pub(crate) async fn haproxy() -> Self {
        let recorder = Recorder::start().await;
        let peer = Peer::haproxy(HAPROXY, recorder.address());
        Self::peer(peer, peers::version("haproxy"), recorder)
    }

    fn peer(peer: Peer, version: String, recorder: Recorder) -> Self {
        Self {
            address: peer.address,
            version,
            running: Running::Peer(peer),
            recorder,
        }
    }

    /// Ends it; all that reached the server behind it.
    pub(crate) async fn finish(self) -> Vec<Record> {
        match self.running {
            Running::Labgate(lab) => drop(lab.stop()),
            Running::Peer(peer) => drop(peer),
        }
        self.recorder.finish().await
    }
}

const NGINX: &str = r"
daemon off;
worker_processes 1;
pid FOLDER/nginx.pid;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    client_header_timeout 2s;
    client_body_timeout 2s;
    map $http_upgrade $connection_upgrade {
        default upgrade;
        '' close;
    }
    server {
        listen LISTEN;
        location / {
            proxy_pass http://UPSTREAM;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
        }
    }
}
";

const HAPROXY: &str = "
global
    maxconn 1000
defaults
    mode http
    timeout connect 5s
    timeout client 2s
    timeout http-request 2s
    timeout server 30s
    timeout tunnel 2s
    option forwardfor
frontend clients
    bind fd@0
    default_backend tool
backend tool
    server tool UPSTREAM
";
