//! `JupyterLab` on a unix socket that only this user can open.
//!
//! It has no token: the socket's mode keeps others out, so there is nothing to inject or leak, and
//! Jupyter's own Origin and XSRF checks stay on (a token would switch them off). What the user's
//! own Jupyter configuration says about addresses, passwords and origins is overridden.

use std::{
    ffi::OsString,
    future::pending,
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use rustix::process::geteuid;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{find::Lab, problem::Problem, state::fresh_file, supervised::Supervised};

/// One that runs.
#[derive(Debug)]
pub(super) struct Jupyter {
    program: Supervised,
    socket: PathBuf,
    log: PathBuf,
}

impl Jupyter {
    /// Starts it with the notebooks of `root_dir` (absolute); what it says goes to `log`.
    pub(super) async fn start(
        lab: &Lab,
        root_dir: &Path,
        socket: &Path,
        log: &Path,
    ) -> Result<Self, Problem> {
        let mut command = lab.place.command();
        command.args(arguments(lab, root_dir, socket));
        // Settings of another server, with its secrets.
        for name in [
            "JUPYTER_TOKEN",
            "JUPYTER_TOKEN_FILE",
            "JUPYTERHUB_API_TOKEN",
        ] {
            command.env_remove(name);
        }
        let file = fresh_file(log)?;
        let failed = |source| Problem::Run {
            action: "run JupyterLab",
            source,
        };
        let output = file.try_clone().map_err(failed)?;
        let socket = socket.to_owned();
        let program = Supervised::start(&command, output.into(), file.into(), Some(socket.clone()));
        Ok(Self {
            program: program.await.map_err(failed)?,
            socket,
            log: log.to_owned(),
        })
    }

    /// Waits until it answers; `waiting` hears every second how long that takes.
    pub(super) async fn ready(
        &mut self,
        limit: Duration,
        waiting: impl FnMut(Duration),
    ) -> Result<(), Problem> {
        tokio::select! {
            () = answers(&self.socket) => Ok(()),
            ended = self.program.ended() => {
                Err(Problem::JupyterDidNotStart { status: status(ended)?, log: self.log.clone() })
            }
            () = sleep(limit) => Err(Problem::JupyterSilent { limit, log: self.log.clone() }),
            () = every_second(waiting) => pending().await,
        }
    }

    /// Waits until it ends by itself, and says how.
    pub(super) async fn ended(&mut self) -> Problem {
        match status(self.program.ended().await) {
            Ok(status) => Problem::JupyterEnded {
                status,
                log: self.log.clone(),
            },
            Err(problem) => problem,
        }
    }

    /// Ends it, its kernels and terminals.
    pub(super) async fn stop(self) {
        self.program.stop().await;
    }
}

/// Its arguments. Everything that decides who gets in stands here, since arguments win over
/// configuration files; none of it is a secret.
fn arguments(lab: &Lab, root_dir: &Path, socket: &Path) -> Vec<OsString> {
    let with = |name: &str, path: &Path| {
        let mut argument = OsString::from(name);
        argument.push(path);
        argument
    };
    let mut arguments = vec![
        with("--ServerApp.sock=", socket),
        with("--ServerApp.root_dir=", root_dir),
    ];
    arguments.extend(FIXED_ARGUMENTS.map(OsString::from));
    let no_credentials = if lab.version.starts_with("3.") {
        NO_OLD_CREDENTIALS
    } else {
        NO_CREDENTIALS
    };
    arguments.extend(no_credentials.iter().map(OsString::from));
    if geteuid().is_root() {
        arguments.push("--allow-root".into());
    }
    arguments
}

const FIXED_ARGUMENTS: [&str; 11] = [
    "--no-browser",
    "--ServerApp.sock_mode=0600",
    // The Host that browsers send is not a local one to Jupyter.
    "--ServerApp.allow_remote_access=True",
    "--ServerApp.trust_xheaders=True",
    // The menu entry would end it behind our back.
    "--ServerApp.quit_button=False",
    "--ServerApp.base_url=/",
    "--ServerApp.certfile=",
    "--ServerApp.keyfile=",
    "--ServerApp.allow_origin=",
    "--ServerApp.allow_origin_pat=",
    "--ServerApp.disable_check_xsrf=False",
];

/// Neither token nor password.
const NO_CREDENTIALS: &[&str] = &[
    "--IdentityProvider.token=",
    "--PasswordIdentityProvider.hashed_password=",
    "--PasswordIdentityProvider.password_required=False",
];

/// The same for the Jupyter Server 1 of `JupyterLab` 3.
const NO_OLD_CREDENTIALS: &[&str] = &[
    "--ServerApp.token=",
    "--ServerApp.password=",
    "--ServerApp.password_required=False",
];

/// Returns when `GET /api`, which needs no identity, is answered with 200.
async fn answers(socket: &Path) {
    loop {
        if let Ok(Ok(true)) = timeout(PER_QUESTION, ask(socket)).await {
            return;
        }
        sleep(BETWEEN_QUESTIONS).await;
    }
}

async fn ask(socket: &Path) -> io::Result<bool> {
    let mut stream = UnixStream::connect(socket).await?;
    stream
        .write_all(b"GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut begin = [0; GOOD.len()];
    stream.read_exact(&mut begin).await?;
    Ok(begin == *GOOD)
}

async fn every_second(mut say: impl FnMut(Duration)) {
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut passed = Duration::ZERO;
    loop {
        tick.tick().await;
        say(passed);
        passed += tick.period();
    }
}

fn status(ended: io::Result<ExitStatus>) -> Result<ExitStatus, Problem> {
    ended.map_err(|source| Problem::Run {
        action: "wait for JupyterLab",
        source,
    })
}

const GOOD: &[u8; 12] = b"HTTP/1.1 200";
const PER_QUESTION: Duration = Duration::from_secs(5);
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(100);
/// How long it may take until it answers: 5 to 12 s on a busy machine, longer from a cold disk.
pub(super) const START: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
