//! Debian's nginx and `HAProxy`, for the tests that hold labgate against them and write a page about
//! it: `tests/parsing` and `tests/misbehaving`, which bring the configurations.

use std::{
    fs,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// One of them, running. Ends when dropped.
pub(crate) struct Peer {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Peer {
    /// In the configuration, `LISTEN` and `UPSTREAM` become addresses, and `FOLDER` a folder of its own.
    pub(crate) fn nginx(config: &str, upstream: SocketAddr) -> Self {
        let arguments = ["-p", "FOLDER", "-e", "error.log", "-c", "FOLDER/peer.conf"];
        Self::start("nginx", &arguments, config, upstream)
    }

    /// In the configuration, `UPSTREAM` becomes an address; it has to `bind fd@0`.
    pub(crate) fn haproxy(config: &str, upstream: SocketAddr) -> Self {
        let arguments = ["-db", "-f", "FOLDER/peer.conf"];
        Self::start("haproxy", &arguments, config, upstream)
    }

    /// With a listener as its standard input, so that nobody has to guess a free port and connections
    /// wait until it is there.
    fn start(name: &str, arguments: &[&str], config: &str, upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let filled_in = |text: &str| {
            text.replace("FOLDER", &folder.path().display().to_string())
                .replace("LISTEN", &address.to_string())
                .replace("UPSTREAM", &upstream.to_string())
        };
        fs::write(folder.path().join("peer.conf"), filled_in(config)).unwrap();
        let mut command = Command::new(program(name));
        command
            .args(arguments.iter().map(|argument| filled_in(argument)))
            // How nginx is told of a listener that it inherits (it is made for upgrades).
            .env("NGINX", "0;")
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self {
            address,
            child: command.spawn().unwrap(),
            _folder: folder,
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Not killed: nginx has a process of its own to end.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

/// Which `nginx` or `haproxy` it is, `1.22.1`: without what a distribution adds.
pub(crate) fn version(name: &str) -> String {
    let output = Command::new(program(name)).arg("-v").output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let mark = if name == "nginx" {
        "nginx/"
    } else {
        "HAProxy version "
    };
    let (_, rest) = said.split_once(mark).unwrap();
    let is_part = |next: &char| next.is_ascii_digit() || *next == '.';
    rest.chars().take_while(is_part).collect()
}

/// Where it is; Debian puts servers where not every `PATH` leads.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing; scripts/test-setup installs it"))
}

/// What is left of a page's tables `| case | labgate | nginx | HAProxy | why |` without what others
/// do. Their versions may stand in the row of heads.
pub(crate) fn own_columns(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("| case "));
    let lines = lines.map(|line| {
        let mut cells: Vec<&str> = line.split(" | ").collect();
        if cells.len() == 5 {
            cells.drain(2..4);
        }
        cells.join(" | ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Says, past what the test harness keeps to itself, what is not compared: nothing is left out in
/// silence.
pub(crate) fn say_other_versions(page: &str, found: &str) {
    let line = format!(
        "{page} is about other versions, so what others do is not held to it; here: {found}\n"
    );
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
