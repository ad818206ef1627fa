//! The shipped binary, started as a child with a configuration and a state folder of its own.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::watch;

use super::{Browser, DEADLINE, Origin, raw::Connection, within};

/// The main address of every lab.
pub(crate) const MAIN: &str = "http://lab.test";
/// The host of [`MAIN`].
pub(crate) const MAIN_HOST: &str = "lab.test";
/// The address of the route that [`Builder::tool`] adds.
pub(crate) const TOOL: &str = "http://tool.lab.test";
/// The host of [`TOOL`].
pub(crate) const TOOL_HOST: &str = "tool.lab.test";
/// The address of the route that [`Builder::open`] adds.
pub(crate) const OPEN: &str = "http://open.lab.test";
const FURTHER: &str = "further.toml";
const RELOADED: &str = "configuration reloaded";
/// The password of `ana` and of `bob`.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// labgate with a configuration, running. Stops when dropped.
pub(crate) struct Lab {
    server: Server,
    /// Configuration and state; goes after the server.
    folder: TempDir,
}

/// What a lab will be.
pub(crate) struct Builder {
    routes: String,
    config: String,
    environment: Vec<(String, String)>,
    /// The soft limit of open files, if not the test's own.
    files: Option<u32>,
    folder: TempDir,
}

/// A started labgate.
struct Server {
    child: Child,
    /// What each listener, by name, says of itself: `127.0.0.1:8000` or `unix:/path`.
    addresses: HashMap<String, String>,
    output: Output,
    /// Disconnected when its output and its log have ended.
    ended: mpsc::Receiver<()>,
}

/// All that it printed and logged so far.
type Output = Arc<watch::Sender<String>>;

impl Lab {
    /// A lab with `ana` (group `analysts`) and `bob`, one listener and no route yet.
    pub(crate) fn builder() -> Builder {
        Builder {
            routes: String::new(),
            config: String::new(),
            environment: Vec::new(),
            files: None,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// One route to `origin` at [`TOOL`], for whoever is signed in.
    pub(crate) fn with_tool(origin: &Origin) -> Self {
        Self::builder().tool(origin).start()
    }

    /// The address of the listener `public`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener("public")
    }

    /// The address of a TCP listener.
    pub(crate) fn listener(&self, name: &str) -> SocketAddr {
        self.server.addresses[name].parse().unwrap()
    }

    /// The path of a unix listener.
    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        let address = &self.server.addresses[name];
        address.strip_prefix("unix:").unwrap().into()
    }

    /// Where `[admin] address` is bound, in a lab that has one.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.server.addresses["admin"].parse().unwrap()
    }

    /// Where its configuration (`labgate.toml`, `further.toml`) and its `state` are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A browser that nobody has used yet.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.address())
    }

    /// A browser signed in as `name` on the main host.
    pub(crate) async fn sign_in(&self, name: &str) -> Browser {
        let browser = self.browser();
        browser.sign_in(name).await;
        browser
    }

    /// A browser signed in as `name` that has been at [`TOOL`], and so has its cookie.
    pub(crate) async fn at_tool(&self, name: &str) -> Browser {
        let browser = self.browser();
        let (at, page) = browser.open_as(name, &format!("{TOOL}/")).await;
        assert_eq!((at.as_str(), page.status), ("http://tool.lab.test/", 200));
        browser
    }

    /// Bytes on a socket.
    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address()).await
    }

    /// Sends one raw message on a connection of its own; the first answer to it.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> super::raw::Response {
        let mut connection = self.connect().await;
        connection.send(bytes).await;
        connection.response().await
    }

    /// Bytes of memory that it has at the moment.
    pub(crate) fn resident(&self) -> usize {
        let path = format!("/proc/{}/status", self.server.child.id());
        let status = fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
        kibibytes.parse::<usize>().unwrap() << 10
    }

    /// Everything that was printed and logged so far.
    pub(crate) fn output(&self) -> String {
        self.server.output.borrow().clone()
    }

    /// Waits until it has printed or logged `text` so many times.
    pub(crate) async fn says(&self, text: &str, times: usize) {
        let mut output = self.server.output.subscribe();
        let said = output.wait_for(|output| output.matches(text).count() >= times);
        drop(within(text, said).await.unwrap());
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.server.signal(signal);
    }

    /// Puts `toml` in the place of what [`Builder::config`] gave, and has it read.
    pub(crate) async fn reconfigure(&self, toml: &str) {
        write(self.folder.path(), FURTHER, toml);
        let before = self.output().matches(RELOADED).count();
        self.signal(Signal::HUP);
        self.says(RELOADED, before + 1).await;
    }

    /// Waits until it has ended by itself, and gives its exit code.
    pub(crate) async fn ends(mut self) -> Option<i32> {
        // Closed when its output and its log have ended.
        let mut output = std::mem::take(&mut self.server.output).subscribe();
        while within("its end", output.changed()).await.is_ok() {}
        self.server.child.wait().unwrap().code()
    }

    /// Edits its files, `labgate.toml` (with the routes) and `further.toml`, and has them read again.
    pub(crate) async fn reload(&self, edit: impl Fn(&str) -> String) {
        const DONE: &str = "configuration reloaded";
        let done = self.output().matches(DONE).count();
        for name in ["labgate.toml", "further.toml"] {
            let path = self.folder.path().join(name);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, edit(&text)).unwrap();
        }
        self.signal(Signal::HUP);
        self.says(DONE, done + 1).await;
    }

    /// Stops it, and looks at what it leaves in its folder.
    pub(crate) fn stop_then(mut self, look: impl FnOnce()) {
        self.server.stop();
        look();
    }

    /// Stops it; everything that was printed and logged.
    pub(crate) fn stop(mut self) -> String {
        self.server.stop();
        self.output()
    }
}

impl Builder {
    /// A route: `lines` are further keys of the table.
    pub(crate) fn route(mut self, name: &str, origin: &Origin, lines: &str) -> Self {
        let upstream = origin.upstream();
        writeln!(
            self.routes,
            "[[route]]\nname = \"{name}\"\nupstream = \"{upstream}\"\n{lines}\n"
        )
        .unwrap();
        self
    }

    /// The route `tool` at [`TOOL`], for whoever is signed in.
    pub(crate) fn tool(self, origin: &Origin) -> Self {
        self.route(
            "tool",
            origin,
            "host = \"tool.lab.test\"\naccess = \"signed-in\"",
        )
    }

    /// The route `open` at [`OPEN`], for everybody.
    pub(crate) fn open(self, origin: &Origin) -> Self {
        self.route(
            "open",
            origin,
            "host = \"open.lab.test\"\naccess = \"public\"",
        )
    }

    /// Further configuration, as a file that is read after the lab's own.
    pub(crate) fn config(mut self, toml: &str) -> Self {
        self.config += toml;
        self.config += "\n";
        self
    }

    /// A variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How many files it may open when it starts (the soft limit).
    pub(crate) const fn files(mut self, limit: u32) -> Self {
        self.files = Some(limit);
        self
    }

    /// Where configuration and state will be.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it, and waits until its listeners are ready.
    pub(crate) fn start(self) -> Lab {
        let folder = self.folder.path();
        let state = folder.join("state");
        fs::create_dir_all(&state).unwrap();
        let base = format!(
            r#"
[server]
public_url = "{MAIN}"
state_dir = "{}"
[[listener]]
name = "public"
address = "127.0.0.1:0"
[limits]
drain_timeout = "1s"
[identity.local]
user = [
    {{ name = "ana", password = {{ env = "PASSWORD" }}, groups = ["analysts"], email = "ana@example.org" }},
    {{ name = "bob", password = {{ env = "PASSWORD" }} }},
]
{}"#,
            state.display(),
            self.routes
        );
        let base = write(folder, "labgate.toml", &base);
        let further = write(folder, FURTHER, &self.config);
        let mut command = match self.files {
            None => Command::new(env!("CARGO_BIN_EXE_labgate")),
            Some(limit) => {
                let mut shell = Command::new("/bin/sh");
                let script = format!("ulimit -S -n {limit}; exec \"$0\" \"$@\"");
                shell.args(["-c", &script, env!("CARGO_BIN_EXE_labgate")]);
                shell
            }
        };
        command
            .arg("serve")
            .arg("-c")
            .arg(base)
            .arg("-c")
            .arg(further);
        command
            .env_clear()
            .env("HOME", folder)
            .env("PASSWORD", PASSWORD);
        command.envs(self.environment).current_dir(folder);
        let further_listeners = self.config.matches("[[listener]]\nname = \"").count();
        let same = self
            .config
            .matches("[[listener]]\nname = \"public\"")
            .count();
        let admin = self.config.matches("[admin]\naddress").count();
        let listeners = 1 + further_listeners - same + admin;
        let server = Server::start(command, listeners);
        Lab {
            server,
            folder: self.folder,
        }
    }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

impl Server {
    /// Starts `command` and reads `listeners` lines
    /// `labgate: listening on http://127.0.0.1:8000 (public)` from its output.
    fn start(mut command: Command, listeners: usize) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let output = Output::default();
        let (lines, printed) = mpsc::channel();
        // Never sent on: it is over when both readers have dropped their end.
        let (end, ended) = mpsc::channel::<()>();
        let open = end.clone();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let copy = output.clone();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                copy.send_modify(|text| *text += &format!("{line}\n"));
                drop(lines.send(line));
            }
            drop(end);
        });
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let copy = output.clone();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                copy.send_modify(|text| *text += &format!("{line}\n"));
            }
            drop(open);
        });
        let mut server = Self {
            child,
            addresses: HashMap::new(),
            output,
            ended,
        };
        while server.addresses.len() < listeners {
            let Ok(line) = printed.recv_timeout(DEADLINE) else {
                panic!("labgate is not ready: {}", *server.output.borrow());
            };
            server.addresses.extend(listening(&line));
        }
        server
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, signal).unwrap_or_default();
        }
    }

    fn stop(&mut self) {
        self.signal(Signal::TERM);
        // All that it printed and logged is read by then.
        if self.ended.recv_timeout(DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout) {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

/// The name and address in a line that announces a listener.
fn listening(line: &str) -> Option<(String, String)> {
    let (url, name) = line
        .strip_prefix("labgate: listening on ")?
        .split_once(" (")?;
    let address = url.split_once("://").map_or(url, |(_, address)| address);
    let name = name.strip_suffix(')')?;
    Some((name.to_owned(), address.to_owned()))
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}
