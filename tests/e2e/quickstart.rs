//! What others on this machine can see of the programs that we start (T98).

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc;

use crate::support::{Answer, Origin, within};

/// Stands in for `JupyterLab`: says its version, or where it was told to listen, and goes on.
const JUPYTER: &str = "#!/bin/sh
case \"$*\" in *--version*) echo 4.9.9; exit;; esac
for argument; do
  case $argument in --ServerApp.sock=*) echo \"${argument#*=}\" > \"$HOME/told.new\";; esac
done
tr '\\0' '\\n' < /proc/$$/environ > \"$HOME/jupyter.environ\"
mv \"$HOME/told.new\" \"$HOME/told\"
exec sleep 60
";

/// Stands in for a browser: keeps what it was called with, and goes on.
const BROWSER: &str = "#!/bin/sh
echo $$ > \"$HOME/browser.pid\"
echo \"$@\" > \"$HOME/browser.new\"
mv \"$HOME/browser.new\" \"$HOME/browser.arguments\"
exec sleep 60
";

struct Quickstart {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    home: PathBuf,
}

impl Quickstart {
    fn start(home: &Path) -> Self {
        for (name, text) in [("jupyter-lab", JUPYTER), ("browse", BROWSER)] {
            let file = home.join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        // Free a moment ago; nobody else on this machine asks for it by number.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = port.local_addr().unwrap().port();
        let path = format!("{}:/usr/bin:/bin", home.display());
        let mut child = Command::new(env!("CARGO_BIN_EXE_labgate"))
            .args(["quickstart", "--port", &port.to_string(), "--dir"])
            .arg(home)
            .env_clear()
            .env("HOME", home)
            .env("PATH", path)
            .env("BROWSER", "browse")
            .env("JUPYTER_TOKEN", "s3cret-of-another-server")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = mpsc::unbounded_channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                drop(send.send(line));
            }
        });
        let home = home.to_owned();
        Self { child, lines, home }
    }

    /// Waits for a file that one of the stand-ins writes.
    async fn file(&self, name: &str) -> String {
        let path = self.home.join(name);
        let appears = async {
            loop {
                if let Ok(text) = fs::read_to_string(&path) {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within(name, appears).await
    }

    /// The code in the link that it prints.
    async fn code(&mut self) -> String {
        loop {
            let line = within("a link", self.lines.recv()).await;
            let line = line.expect("a link is printed");
            if let Some((_, code)) = line.split_once("/.labgate/link?code=") {
                return code.trim().to_owned();
            }
        }
    }

    /// Itself and all that came from it: pid, command line, environment.
    fn family(&self) -> Vec<(u32, String, String)> {
        let read = |pid: u32, what: &str| {
            let bytes = fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let parents: Vec<(u32, u32)> = pids
            .filter_map(|pid: u32| {
                let stat = read(pid, "stat");
                let rest = stat.rsplit_once(") ")?.1.to_owned();
                Some((pid, rest.split(' ').nth(1)?.parse().ok()?))
            })
            .collect();
        let mut family = vec![self.child.id()];
        let mut next = 0;
        while let Some(&parent) = family.get(next) {
            let children = parents.iter().filter(|(_, its)| *its == parent);
            family.extend(children.map(|(pid, _)| *pid));
            next += 1;
        }
        let told = |pid: u32| (pid, read(pid, "cmdline"), read(pid, "environ"));
        family.into_iter().map(told).collect()
    }
}

impl Drop for Quickstart {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), Signal::TERM).unwrap_or_default();
        drop(self.child.wait());
        // The browser outlives quickstart.
        let browser = fs::read_to_string(self.home.join("browser.pid"));
        let browser = browser.ok().and_then(|pid| pid.trim().parse().ok());
        if let Some(pid) = browser.and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).unwrap_or_default();
        }
    }
}

#[tokio::test]
async fn no_secret_stands_in_the_arguments_of_what_quickstart_starts() {
    // T98
    let home = tempfile::tempdir().unwrap();
    let mut quickstart = Quickstart::start(home.path());
    let socket = PathBuf::from(quickstart.file("told").await.trim());
    let origin = Origin::on_socket(&socket, |_| Answer::text("{}"));

    let code = quickstart.code().await;
    let browser = quickstart.file("browser.arguments").await;

    assert_eq!(code.len(), 43);
    assert!(browser.starts_with("file://"), "{browser}");
    let page = browser.trim().strip_prefix("file://").unwrap();
    let opened = fs::read_to_string(page).unwrap();
    assert!(opened.contains(&code), "the link is in the page instead");
    assert_eq!(fs::metadata(page).unwrap().permissions().mode() & 0o077, 0);
    let family = quickstart.family();
    let named = |name: &str| family.iter().any(|(_, line, _)| line.contains(name));
    assert!(named("labgate supervise") && named("sleep"), "{family:?}");
    for (pid, line, environment) in &family {
        assert!(!line.contains(&code), "{pid}: {line}");
        assert!(!line.contains("s3cret"), "{pid}: {line}");
        assert!(!environment.contains(&code), "{pid}: {line}");
    }
    let environ = quickstart.file("jupyter.environ").await;
    assert!(
        environ.contains("PATH=") && !environ.contains("s3cret"),
        "{environ}"
    );
    let seen = origin.last();
    assert_eq!(seen.target, "/api", "it was asked whether it is there");
    assert!(!seen.raw.contains(&code));
}
