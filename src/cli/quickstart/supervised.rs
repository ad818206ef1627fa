//! Programs that quickstart runs, each under a supervisor of its own (`supervise`).
//!
//! In: a command. Out: its output, or a running [`Supervised`]. Dropping it, or the end of labgate
//! by whatever cause, ends the program and all that it started.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout},
    time::timeout,
};

use super::order::Order;

/// A program that runs.
#[derive(Debug)]
pub(super) struct Supervised {
    supervisor: Child,
    /// The supervisor's process group, with the program in it, and what did not leave it.
    group: Option<Pid>,
    /// The supervisor ends everything when this closes.
    leash: Option<ChildStdin>,
}

/// Why a program gave no good output.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// It ended with an error; the last line that it said.
    #[error("{0}")]
    Ended(String),
    /// It cannot be started or read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It took too long and was ended.
    #[error("no answer within {} s", .0.as_secs())]
    TooSlow(Duration),
}

impl Supervised {
    /// Starts a command (its program, arguments, folder and environment). `socket` is removed after
    /// its end. That there is no such program shows in its errors and exit code 127.
    pub(super) async fn start(
        job: &Command,
        output: Stdio,
        errors: Stdio,
        socket: Option<PathBuf>,
    ) -> io::Result<Self> {
        let mut command = supervisor();
        for (name, value) in job.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = job.get_current_dir() {
            command.current_dir(folder);
        }
        command.stdin(Stdio::piped()).stdout(output).stderr(errors);
        let mut supervisor = tokio::process::Command::from(command).spawn()?;
        let mut leash = supervisor.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        leash.write_all(&Order::new(job, socket).encode()).await?;
        let group = supervisor
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Ok(Self {
            supervisor,
            group,
            leash: Some(leash),
        })
    }

    /// What the program writes, once.
    pub(super) fn take_output(&mut self) -> Option<ChildStdout> {
        self.supervisor.stdout.take()
    }

    /// Waits until it and all that it started have ended.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.supervisor.wait().await?;
        if status.signal().is_some() {
            // Somebody killed the supervisor, which does not happen in its own work.
            self.signal_group(Signal::TERM);
        }
        Ok(status)
    }

    /// Ends it and all that it started, and waits for that.
    pub(super) async fn stop(mut self) {
        self.leash = None;
        if timeout(STOP, self.supervisor.wait()).await.is_err() {
            // The supervisor hangs; all that can be reached without it is its process group.
            self.signal_group(Signal::KILL);
            drop(self.supervisor.wait().await);
        }
    }

    fn signal_group(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It may be empty.
            kill_process_group(group, signal).ok();
        }
    }
}

/// What a command that ends by itself writes to stdout, at most 64 KiB.
pub(super) async fn output(job: &Command, limit: Duration) -> Result<String, Failure> {
    let mut running = Supervised::start(job, Stdio::piped(), Stdio::piped(), None).await?;
    let result = match timeout(limit, collect(&mut running)).await {
        Ok(result) => result,
        Err(_) => Err(Failure::TooSlow(limit)),
    };
    running.stop().await;
    let Output {
        status,
        stdout,
        stderr,
    } = result?;
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    if status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&stderr);
    let mut said = stdout.lines().chain(stderr.lines()).map(str::trim);
    let last = said.rfind(|line| !line.is_empty());
    Err(Failure::Ended(
        last.map_or_else(|| status.to_string(), str::to_owned),
    ))
}

async fn collect(running: &mut Supervised) -> Result<Output, Failure> {
    let (output, errors) = (
        running.supervisor.stdout.take(),
        running.supervisor.stderr.take(),
    );
    let (stdout, stderr) = tokio::try_join!(read(output), read(errors))?;
    Ok(Output {
        status: running.ended().await?,
        stdout,
        stderr,
    })
}

async fn read(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        (&mut pipe).take(MAX_OUTPUT).read_to_end(&mut bytes).await?;
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    }
    Ok(bytes)
}

/// The command `labgate supervise`, of this very program even if another one replaces its file.
#[cfg(not(test))]
fn supervisor() -> Command {
    use std::os::unix::process::CommandExt;

    let mut command = Command::new(OURSELVES);
    command.arg0("labgate").arg("supervise");
    command
}

/// This test program again, to run the one test that acts as `labgate supervise`.
#[cfg(test)]
fn supervisor() -> Command {
    let mut command = Command::new(OURSELVES);
    let entry = "cli::quickstart::supervise::tests::acts_as_a_supervisor_when_asked";
    command
        .args(["--exact", "--nocapture", entry])
        .env(ACT_AS_SUPERVISOR, "1");
    command
}

/// See the test of that name.
#[cfg(test)]
pub(super) const ACT_AS_SUPERVISOR: &str = "LABGATE_TEST_ACT_AS_SUPERVISOR";

const OURSELVES: &str = "/proc/self/exe";
const MAX_OUTPUT: u64 = 64 * 1024;
/// Longer than the supervisor's own patience.
const STOP: Duration = Duration::from_secs(16);

#[cfg(test)]
mod tests;
