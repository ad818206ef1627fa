//! `labgate quickstart`: `JupyterLab` behind labgate, from nothing.
//!
//! In: a port and a folder of notebooks. Out: a `JupyterLab` that was found, or set up in a private
//! virtual environment, on a unix socket of its own; labgate in front of it on this machine's
//! loopback addresses; and a one-time sign-in link. The order is such that what can fail at once
//! (arguments, state, port) does so before anything long begins. At the end, by whatever cause,
//! everything that was started is stopped.

mod browser;
mod environment;
mod find;
mod first_user;
mod jupyter;
mod order;
mod problem;
mod progress;
mod rstudio;
mod signals;
mod site;
mod socket;
mod state;
pub(super) mod supervise;
mod supervised;
mod tail;
mod venv;

use std::{
    fs, io,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use environment::Environment;
use find::Lab;
use jupyter::Jupyter;
use problem::Problem;
use progress::Progress;
use signals::Signals;
use socket::SocketPlace;
use state::{State, fresh_file};
use venv::Venv;

use super::{exit::Exit, serve::tell};
use crate::{
    clock::Clock,
    config::Config,
    identity::UserName,
    listener,
    runtime::{Options, Server, StartError},
    store::{StateDir, Store},
    telemetry::{self, Format},
};

/// Arguments of `labgate quickstart`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Arguments {
    /// Port on this machine
    #[arg(long, default_value_t = 8000, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Folder with the notebooks
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    dir: PathBuf,
    /// Do not open a browser
    #[arg(long)]
    no_browser: bool,
}

/// Serves until Ctrl-C.
pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Exit {
    let mut progress = Progress::new(out, io::stdout().is_terminal());
    let filter = std::env::var_os("LABGATE_LOG").and_then(|filter| filter.into_string().ok());
    if let Err(error) = telemetry::init(Format::Human, filter.as_deref().or(Some("warn"))) {
        tell(&format!("labgate: LABGATE_LOG: {error}"));
        return Exit::Configuration;
    }
    let served = serve(arguments, &mut progress);
    progress.clear();
    match served {
        Ok(()) => Exit::Done,
        Err(problem) => {
            tell(&format!("labgate: {problem}"));
            problem.exit()
        }
    }
}

fn serve(arguments: &Arguments, progress: &mut Progress<'_, impl Write>) -> Result<(), Problem> {
    let root_dir = folder(&arguments.dir)?;
    let environment = Environment::of_this_process();
    let state = State::open(&environment)?;
    let clock = Clock::default();
    // Its lock makes this the only quickstart of this user.
    let store = Store::open(&StateDir::open(&state.folder)?)?;
    let user = first_user::name(&environment);
    first_user::ensure(&store, &clock, &user)?;
    let socket = SocketPlace::pick(&state, &environment, &std::env::temp_dir())?;
    let config = site::configuration(arguments.port, &user, &state.folder, socket.path())
        .map_err(Problem::Configuration)?;
    let origin = config.server.public_url.origin();
    let server = start(config, &store, &clock, &state)?;
    let lab = Quickstart {
        arguments,
        environment,
        state,
        root_dir,
        socket,
        store,
        clock,
        user,
        origin,
    };
    let result = server.block_on(lab.tend(progress));
    server.stop();
    result
}

/// Starts labgate, which binds the port.
fn start(
    config: Config,
    store: &Arc<Store>,
    clock: &Clock,
    state: &State,
) -> Result<Server, Problem> {
    let port = config.server.public_url.effective_port();
    let access_log = Some(Arc::new(fresh_file(&state.access_log())?));
    let options = Options {
        clock: clock.clone(),
        log_format: Format::Human,
        access_log,
    };
    Server::start_with(config, Arc::clone(store), &options).map_err(|error| {
        let StartError::Listener(listener) = &error else {
            return Problem::Start(error);
        };
        match listener.as_ref() {
            listener::Error::Bind { source, .. } => match source.kind() {
                io::ErrorKind::AddrInUse => Problem::PortTaken { port },
                io::ErrorKind::PermissionDenied => Problem::PortForbidden(port),
                _ => Problem::Start(error),
            },
            listener::Error::SelfSigned(_) | listener::Error::Tls { .. } => Problem::Start(error),
        }
    })
}

/// What one run works with.
struct Quickstart<'a> {
    arguments: &'a Arguments,
    environment: Environment,
    state: State,
    root_dir: PathBuf,
    socket: SocketPlace,
    store: Arc<Store>,
    clock: Clock,
    user: UserName,
    /// Of the main host.
    origin: String,
}

impl Quickstart<'_> {
    /// From the bound port to the stop.
    async fn tend(&self, progress: &mut Progress<'_, impl Write>) -> Result<(), Problem> {
        let mut signals = Signals::new()?;
        let lab = tokio::select! {
            lab = self.lab(progress) => lab?,
            () = signals.next() => return Ok(()),
        };
        let log = self.state.jupyter_log();
        let mut jupyter = Jupyter::start(&lab, &self.root_dir, self.socket.path(), &log).await?;
        let outcome = tokio::select! {
            problem = self.attend(&lab, &mut jupyter, progress) => Err(problem),
            () = signals.next() => Ok(()),
        };
        signals.end_at_the_next();
        progress.clear();
        progress.status("Stopping JupyterLab");
        jupyter.stop().await;
        progress.clear();
        // It holds the link, and is of no use now.
        drop(fs::remove_file(self.state.opening_page()));
        outcome
    }

    /// A `JupyterLab`: one that is installed, the one that we set up before, or a new one.
    async fn lab(&self, progress: &mut Progress<'_, impl Write>) -> Result<Lab, Problem> {
        progress.status("Looking for JupyterLab");
        let found = find::find(&self.environment, find::PATIENCE, |place, unfit| {
            progress.line(&format!("Passed over: {place} {unfit}"));
            progress.status("Looking for another JupyterLab");
        });
        if let Some(lab) = found.await {
            return Ok(lab);
        }
        let venv = Venv::of(&self.state);
        match venv.lab().await {
            Some(lab) => Ok(lab),
            None => venv.build(&self.environment, progress).await,
        }
    }

    /// From `JupyterLab`'s start until it ends, which it should not.
    async fn attend(
        &self,
        lab: &Lab,
        jupyter: &mut Jupyter,
        progress: &mut Progress<'_, impl Write>,
    ) -> Problem {
        progress.line(&format!("JupyterLab {}: {}", lab.version, lab.place));
        progress.line(&format!("Notebooks: {}", self.root_dir.display()));
        let waiting = |passed: std::time::Duration| {
            progress.status(&format!("Starting JupyterLab ({} s)", passed.as_secs()));
        };
        if let Err(problem) = jupyter.ready(jupyter::START, waiting).await {
            return problem;
        }
        if let Err(problem) = self.welcome(progress).await {
            return problem;
        }
        jupyter.ended().await
    }

    /// Says where it is and how to get in.
    async fn welcome(&self, progress: &mut Progress<'_, impl Write>) -> Result<(), Problem> {
        let path = first_user::link(&self.store, &self.clock, &self.user).await?;
        let link = format!("{}{path}", self.origin);
        let lab = format!("http://{}:{}/", site::JUPYTER_HOST, self.arguments.port);
        progress.line(&format!(
            "\nSign in as {} with this link, once, within 15 minutes:\n",
            self.user
        ));
        progress.line(&link);
        progress.line(&format!(
            "\nJupyterLab is then at {lab}\n\
             (Chrome, Edge and Firefox find names below localhost by themselves.)\n\
             Logs are in {}\nCtrl-C stops everything.",
            self.state.folder.display()
        ));
        if let Some(hint) = rstudio::hint().await {
            progress.line(&format!("\n{hint}"));
        }
        if !self.arguments.no_browser {
            browser::open(&self.environment, &link, &self.state.opening_page())?;
        }
        Ok(())
    }
}

/// `--dir`, absolute.
fn folder(given: &Path) -> Result<PathBuf, Problem> {
    let refuse = |problem: String| Problem::NotAFolder {
        path: given.to_owned(),
        problem,
    };
    let folder = fs::canonicalize(given).map_err(|error| refuse(error.to_string()))?;
    // Not only whether it is a folder, but also whether we may look into it.
    fs::read_dir(&folder).map_err(|error| refuse(error.to_string()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dir_that_is_none_is_a_bad_argument() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (given, why) in [
            (Path::new("/no/such"), "No such file"),
            (file.path(), "Not a directory"),
        ] {
            let problem = folder(given).unwrap_err();
            assert_eq!(problem.exit(), Exit::Usage);
            assert!(problem.to_string().contains(why), "{problem}");
        }
        assert!(folder(Path::new(".")).unwrap().is_absolute());
    }
}
