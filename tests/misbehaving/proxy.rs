//! The proxies that stand between: labgate, and nginx and `HAProxy` to compare it with.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::Lab;

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

/// nginx or `HAProxy`.
struct Peer {
    child: Child,
    _folder: TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Not killed: nginx has a process of its own to end.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
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
        Self::peer(
            "nginx",
            NGINX,
            upstream,
            &["-p", "FOLDER", "-e", "error.log", "-c"],
        )
    }

    pub(crate) fn haproxy(upstream: SocketAddr) -> Self {
        Self::peer("haproxy", HAPROXY, upstream, &["-db", "-f"])
    }

    /// Starts a program with a listener as its standard input, so that nobody has to guess a free
    /// port and connections wait until it is there. Its configuration goes behind `arguments`.
    fn peer(name: &str, config: &str, upstream: SocketAddr, arguments: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display().to_string();
        let config = config
            .replace("FOLDER", &at)
            .replace("LISTEN", &address.to_string())
            .replace("UPSTREAM", &upstream.to_string());
        let file = folder.path().join("proxy.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(program(name));
        command.args(arguments.iter().map(|word| word.replace("FOLDER", &at)));
        // How nginx is told of a listener that it inherits.
        command.arg(file).env("NGINX", "0;");
        command.stdin(Stdio::from(OwnedFd::from(listener)));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let peer = Peer {
            child: command.spawn().unwrap(),
            _folder: folder,
        };
        Self {
            address,
            is_ours: false,
            _running: Running::Peer(peer),
        }
    }
}

/// Where a server is; Debian puts them where not every `PATH` leads.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let found = folders.find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()));
    found.unwrap_or_else(|| panic!("{name} is missing; scripts/test-setup installs it"))
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
