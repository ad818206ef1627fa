//! What cases are sent through: labgate as it is shipped, and Debian's nginx and `HAProxy`, each with
//! the configuration that is usual for a tool with `WebSocket`s. Each has a recorder of its own behind
//! it.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    case::HOST,
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
    Other(Other),
}

/// A server of somebody else's. Ends when dropped.
struct Other {
    child: Child,
    _folder: TempDir,
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
        let program = find("nginx");
        let recorder = Recorder::start().await;
        let (listener, address) = listen();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("nginx.conf");
        let text = NGINX
            .replace("FOLDER", &folder.path().display().to_string())
            .replace("LISTEN", &address.to_string())
            .replace("UPSTREAM", &recorder.address().to_string());
        std::fs::write(&config, text).unwrap();
        let log = folder.path().join("error.log");
        let mut command = Command::new(&program);
        command.arg("-p").arg(folder.path());
        command.arg("-c").arg(config).arg("-e").arg(&log);
        // How nginx is told of a listener that it inherits (it is made for upgrades).
        command.env("NGINX", "0;");
        Self {
            address,
            version: version(&program, "nginx/"),
            running: Running::Other(Other::start(command, listener, folder)),
            recorder,
        }
    }

    pub(crate) async fn haproxy() -> Self {
        let program = find("haproxy");
        let recorder = Recorder::start().await;
        let (listener, address) = listen();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("haproxy.cfg");
        let text = HAPROXY.replace("UPSTREAM", &recorder.address().to_string());
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(&program);
        command.arg("-db").arg("-f").arg(config);
        Self {
            address,
            version: version(&program, "HAProxy version "),
            running: Running::Other(Other::start(command, listener, folder)),
            recorder,
        }
    }

    /// Ends it; all that reached the server behind it.
    pub(crate) async fn finish(self) -> Vec<Record> {
        match self.running {
            Running::Labgate(lab) => drop(lab.stop()),
            Running::Other(mut other) => other.end(),
        }
        self.recorder.finish().await
    }
}

impl Other {
    /// Starts it with the listener as its standard input, so that nobody has to guess a free port,
    /// and connections wait until it is there.
    fn start(mut command: Command, listener: TcpListener, folder: TempDir) -> Self {
        let output = File::create(folder.path().join("output.log")).unwrap();
        command
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        Self {
            child: command.spawn().unwrap(),
            _folder: folder,
        }
    }

    fn end(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
            && let Ok(None) = self.child.try_wait()
        {
            kill_process(pid, Signal::TERM).unwrap();
            self.child.wait().unwrap();
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.end();
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Debian puts servers where not everybody's `PATH` leads.
fn find(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "{program} is missing: install Debian's package `{program}` (scripts/test-setup does)"
        )
    })
}

/// The word behind `mark` in what the program says of its version.
fn version(program: &Path, mark: &str) -> String {
    let said = Command::new(program).arg("-v").output().unwrap();
    let said = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
    let (_, word) = said.split_once(mark).unwrap();
    // Without the number that a distribution adds.
    word.split(['-', ' ', '\n']).next().unwrap().to_owned()
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
