//! Everything that can keep quickstart from working, in words for the person at the terminal: what
//! happened and what to do.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use super::tail::tail;
use crate::{cli::exit::Exit, config::problem::Problems, runtime::StartError, store};

/// Why quickstart ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    /// Another quickstart of this user runs.
    #[error("quickstart is running already{}; stop that one first, or use its sign-in link", process(*.0))]
    AlreadyRunning(Option<u32>),
    /// The configuration that we make is refused: our mistake.
    #[error("the configuration made for quickstart is refused; please report this:\n{0}")]
    Configuration(Problems),
    /// A file or folder of ours.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// A verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Our folder cannot be trusted.
    #[error("{}: {problem}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it and what helps.
        problem: &'static str,
    },
    /// `JupyterLab` ended before it answered.
    #[error("JupyterLab did not start: {}", ended(*status, log))]
    JupyterDidNotStart {
        /// Its exit code.
        status: ExitStatus,
        /// What it said.
        log: PathBuf,
    },
    /// `JupyterLab` ended while it was served.
    #[error("JupyterLab has ended, so labgate ends too: {}", ended(*status, log))]
    JupyterEnded {
        /// Its exit code.
        status: ExitStatus,
        /// What it said.
        log: PathBuf,
    },
    /// `JupyterLab` runs and does not answer.
    #[error("JupyterLab did not answer within {} s and was stopped: {}", limit.as_secs(), said(log))]
    JupyterSilent {
        /// How long we waited.
        limit: Duration,
        /// What it said.
        log: PathBuf,
    },
    /// Neither `XDG_STATE_HOME` nor `HOME`.
    #[error("cannot tell where to keep state: set HOME (or XDG_STATE_HOME) to an absolute path")]
    NoHome,
    /// `--dir` is none.
    #[error("--dir {}: {problem}", path.display())]
    NotAFolder {
        /// As given.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// There is no Python to make a virtual environment with.
    #[error(
        "no JupyterLab was found, and setting one up needs Python 3, which is not on PATH\n  \
         Debian, Ubuntu:  apt install python3-venv\n  Fedora:          dnf install python3\n  \
         elsewhere:       see python.org"
    )]
    NoPython,
    /// There is Python, without `venv` or what it needs.
    #[error(
        "no JupyterLab was found, and setting one up needs the venv module, which {} lacks\n  \
         Debian, Ubuntu:  apt install python3-venv", .0.display()
    )]
    NoVenv(PathBuf),
    /// The port is in use.
    #[error("port {port} is in use by another program; choose another one: labgate quickstart --port {}", other(*port))]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The system gives low ports to root only.
    #[error("port {0} is not ours to use; choose one above 1023: labgate quickstart --port 8000")]
    PortForbidden(u16),
    /// A program cannot be run, or signals cannot be received.
    #[error("cannot {action}: {source}")]
    Run {
        /// A verb and on what.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A step of setting `JupyterLab` up failed.
    #[error("setting JupyterLab up failed while {step}: {}", said(log))]
    SetUp {
        /// What was done.
        step: &'static str,
        /// What was said.
        log: PathBuf,
    },
    /// The server does not start.
    #[error("cannot start: {}", crate::telemetry::chain(.0))]
    Start(#[source] StartError),
    /// The store.
    #[error("cannot keep state: {}", crate::telemetry::chain(.0))]
    Store(#[source] store::Error),
}

impl Problem {
    /// How the command ends.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::NotAFolder { .. } => Exit::Usage,
            _ => Exit::Failed,
        }
    }

    /// Where a file or folder is concerned.
    pub(super) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Locked { holder, .. } => Self::AlreadyRunning(holder),
            error => Self::Store(error),
        }
    }
}

fn process(holder: Option<u32>) -> String {
    holder.map_or_else(String::new, |id| format!(" (process {id})"))
}

const fn other(port: u16) -> u16 {
    if port == u16::MAX { 8000 } else { port + 1 }
}

/// A supervisor gives 128 plus the signal that ended the program.
fn ended(status: ExitStatus, log: &Path) -> String {
    let said = said(log);
    match status.code() {
        Some(code @ 129..) => format!("it was ended by signal {}; {said}", code - 128),
        _ => format!("{status}; {said}"),
    }
}

fn said(log: &Path) -> String {
    let (lines, log) = (tail(log), log.display());
    if lines.is_empty() {
        format!("it said nothing (its log is {log})")
    } else {
        format!("its last lines were\n{lines}  The whole log is {log}")
    }
}
