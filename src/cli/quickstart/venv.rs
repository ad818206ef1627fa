//! The private virtual environment, for those who have Python and no `JupyterLab`.
//!
//! Made once and then reused. A marker file, written last, says that it is whole; one without it
//! (pip failed, the power did) is made anew.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tokio::io::{AsyncBufReadExt, BufReader};

use super::{
    environment::Environment,
    find::{Lab, PATIENCE, Place, in_folder},
    problem::Problem,
    progress::Progress,
    state::{State, fresh_file},
    supervised::{Supervised, output},
};

/// Where it is, or will be.
#[derive(Debug)]
pub(super) struct Venv {
    folder: PathBuf,
    log: PathBuf,
}

impl Venv {
    /// The one of a state folder.
    pub(super) fn of(state: &State) -> Self {
        Self {
            folder: state.venv(),
            log: state.setup_log(),
        }
    }

    /// Its `JupyterLab`, if it is whole and (after an upgrade of Python, say) still runs.
    pub(super) async fn lab(&self) -> Option<Lab> {
        if !self.marker().exists() {
            return None;
        }
        self.place().check(PATIENCE).await.ok()
    }

    /// Makes it. Takes a minute or two and 240 MB; what pip says goes to the log.
    pub(super) async fn build(
        &self,
        environment: &Environment,
        progress: &mut Progress<'_, impl Write>,
    ) -> Result<Lab, Problem> {
        let python = python(environment).await?;
        let log = fresh_file(&self.log)?;
        progress.line("No JupyterLab found; setting one up, once (some 250 MB, a few minutes)");
        let made = self.make(&python, &log, progress).await;
        if made.is_err() {
            // What is left of it is removed by the next attempt otherwise.
            drop(fs::remove_dir_all(&self.folder));
        }
        progress.clear();
        made
    }

    async fn make(
        &self,
        python: &Path,
        log: &File,
        progress: &mut Progress<'_, impl Write>,
    ) -> Result<Lab, Problem> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Problem::file("remove", &self.folder)(error));
            }
            _ => {}
        }
        progress.line(&format!(
            "  Making a virtual environment in {}",
            self.folder.display()
        ));
        let mut venv = self.command(python);
        venv.args(["-m", "venv"]).arg(&self.folder);
        self.step("making the virtual environment", &venv, log, |_| {})
            .await?;

        progress.line("  Fetching JupyterLab and what it needs");
        let mut pip = self.command(&in_folder(&self.folder, "python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--no-input",
            "--disable-pip-version-check",
        ]);
        pip.args(["--progress-bar", "off"]).args(PACKAGES);
        let mut fetched = 0;
        self.step(
            "installing JupyterLab with pip",
            &pip,
            log,
            |line| match Said::by_pip(line) {
                Some(Said::Chooses(package)) => progress.status(&format!("  {package}")),
                Some(Said::Fetches(package)) => {
                    fetched += 1;
                    progress.status(&format!("  {fetched} fetched: {package}"));
                }
                Some(Said::Installs(packages)) => {
                    progress.line(&format!("  Installing {packages} packages"));
                    progress.status("  This takes a moment");
                }
                None => {}
            },
        )
        .await?;

        let checked = self.place().check(PATIENCE).await;
        let lab = checked.map_err(|unfit| {
            // Nobody else writes there now.
            drop(writeln!(&mut &*log, "jupyter-lab {unfit}"));
            self.failed("trying JupyterLab for the first time")
        })?;
        self.complete(&lab)
            .map_err(Problem::file("write", self.marker()))?;
        Ok(lab)
    }

    /// Runs one step to its end, its words in the log; `heard` gets each line of its stdout.
    async fn step(
        &self,
        step: &'static str,
        command: &Command,
        log: &File,
        mut heard: impl FnMut(&str),
    ) -> Result<(), Problem> {
        let failed = |source| Problem::Run {
            action: step,
            source,
        };
        let errors = log.try_clone().map_err(failed)?;
        let started = Supervised::start(command, Stdio::piped(), errors.into(), None).await;
        let mut running = started.map_err(failed)?;
        if let Some(output) = running.take_output() {
            let mut lines = BufReader::new(output).split(b'\n');
            while let Some(line) = lines.next_segment().await.map_err(failed)? {
                (&mut &*log)
                    .write_all(&[&line[..], b"\n"].concat())
                    .map_err(failed)?;
                heard(&String::from_utf8_lossy(&line));
            }
        }
        let status = running.ended().await.map_err(failed)?;
        if status.success() {
            Ok(())
        } else {
            Err(self.failed(step))
        }
    }

    /// A command that settings for other environments do not lead astray.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for name in [
            "PIP_PREFIX",
            "PIP_TARGET",
            "PYTHONHOME",
            "PYTHONPATH",
            "VIRTUAL_ENV",
        ] {
            command.env_remove(name);
        }
        command.env("PIP_USER", "0").env("PYTHONUNBUFFERED", "1");
        command.current_dir(self.folder.parent().unwrap_or(Path::new("/")));
        command
    }

    fn failed(&self, step: &'static str) -> Problem {
        Problem::SetUp {
            step,
            log: self.log.clone(),
        }
    }

    fn place(&self) -> Place {
        Place::Program(in_folder(&self.folder, "jupyter-lab"))
    }

    fn marker(&self) -> PathBuf {
        self.folder.join(MARKER)
    }

    /// Writes the marker, after all else is on disk.
    fn complete(&self, lab: &Lab) -> io::Result<()> {
        rustix::fs::syncfs(File::open(&self.folder)?)?;
        let unfinished = self.folder.join(UNFINISHED_MARKER);
        let mut file = File::create(&unfinished)?;
        writeln!(file, "JupyterLab {}", lab.version)?;
        file.sync_all()?;
        fs::rename(unfinished, self.marker())
    }
}

/// What a line of pip's says of its progress.
#[derive(Debug, Eq, PartialEq)]
enum Said<'l> {
    /// A description is fetched, to choose versions by: `tornado-6.5.whl.metadata (2.8 kB)`.
    Chooses(&'l str),
    /// A file is fetched: `jupyterlab-4.6.6-py3-none-any.whl (12.4 MB)`.
    Fetches(&'l str),
    /// So many packages are installed now.
    Installs(usize),
}

impl<'l> Said<'l> {
    fn by_pip(line: &'l str) -> Option<Self> {
        let line = line.trim();
        if let Some(packages) = line.strip_prefix("Installing collected packages:") {
            return Some(Self::Installs(packages.split(',').count()));
        }
        let fetched = line
            .strip_prefix("Downloading ")
            .or_else(|| line.strip_prefix("Using cached "))?;
        // A mirror's whole address would not fit the line.
        let file = fetched.rsplit_once('/').map_or(fetched, |(_, name)| name);
        Some(if file.contains(".metadata ") {
            Self::Chooses(file)
        } else {
            Self::Fetches(file)
        })
    }
}

/// A Python 3 that can make virtual environments.
async fn python(environment: &Environment) -> Result<PathBuf, Problem> {
    let mut lacking = None;
    for python in environment
        .programs("python3")
        .chain(environment.programs("python"))
    {
        let mut try_it = Command::new(&python);
        // Debian has venv with Python, and without ensurepip, which it needs.
        try_it.args([
            "-c",
            "import sys, venv, ensurepip; sys.exit(sys.version_info < (3,))",
        ]);
        try_it.current_dir("/");
        if output(&try_it, PATIENCE).await.is_ok() {
            return Ok(python);
        }
        lacking.get_or_insert(python);
    }
    Err(lacking.map_or(Problem::NoPython, Problem::NoVenv))
}

const PACKAGES: [&str; 2] = ["jupyterlab", "ipykernel"];
const MARKER: &str = "labgate-complete";
const UNFINISHED_MARKER: &str = "labgate-complete.new";

#[cfg(test)]
mod tests;
