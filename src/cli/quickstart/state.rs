//! Where quickstart keeps its things: one private folder.
//!
//! `$XDG_STATE_HOME/labgate/quickstart` (or `~/.local/state/labgate/quickstart`) holds the store,
//! the virtual environment, the logs. What runs out of it is code, so others must not write there.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

use super::{environment::Environment, problem::Problem};

/// The folder.
#[derive(Debug)]
pub(super) struct State {
    /// Absolute.
    pub(super) folder: PathBuf,
}

impl State {
    /// Makes it, with mode 0700, or takes the one that is there.
    pub(super) fn open(environment: &Environment) -> Result<Self, Problem> {
        let in_home = || {
            environment
                .home
                .as_ref()
                .map(|home| home.join(".local/state"))
        };
        let states = environment
            .state_home
            .clone()
            .or_else(in_home)
            .ok_or(Problem::NoHome)?;
        let folder = states.join("labgate/quickstart");
        let parent = folder.parent().unwrap_or(&states);
        let mut parents = DirBuilder::new();
        parents.recursive(true).mode(0o700);
        parents
            .create(parent)
            .map_err(Problem::file("make", parent))?;
        make_private(&folder)?;
        Ok(Self { folder })
    }

    /// The private virtual environment.
    pub(super) fn venv(&self) -> PathBuf {
        self.folder.join("venv")
    }

    /// What `JupyterLab` says.
    pub(super) fn jupyter_log(&self) -> PathBuf {
        self.folder.join("jupyter.log")
    }

    /// What `venv` and `pip` say.
    pub(super) fn setup_log(&self) -> PathBuf {
        self.folder.join("setup.log")
    }

    /// A line per request.
    pub(super) fn access_log(&self) -> PathBuf {
        self.folder.join("requests.log")
    }

    /// The page that sends the browser on to the sign-in link.
    pub(super) fn opening_page(&self) -> PathBuf {
        self.folder.join("open.html")
    }
}

/// An empty file with mode 0600, instead of the one that was there.
pub(super) fn fresh_file(path: &Path) -> Result<File, Problem> {
    let failed = || Problem::file("write", path);
    let mut options = OpenOptions::new();
    // Appending, since several programs may share it.
    let file = options
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(failed())?;
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(failed())?;
    file.set_len(0).map_err(failed())?;
    Ok(file)
}

fn make_private(folder: &Path) -> Result<(), Problem> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(Problem::file("make", folder)(error));
        }
        _ => {}
    }
    let found = fs::symlink_metadata(folder).map_err(Problem::file("inspect", folder))?;
    let refuse = |problem| {
        Err(Problem::Folder {
            path: folder.to_owned(),
            problem,
        })
    };
    if !found.is_dir() {
        return refuse("is not a folder; move it away");
    }
    if found.uid() != geteuid().as_raw() {
        return refuse("belongs to another user; move it away, or set XDG_STATE_HOME");
    }
    if found.mode() & 0o777 != 0o700 {
        let private = fs::set_permissions(folder, Permissions::from_mode(0o700));
        private.map_err(Problem::file("protect", folder))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o777
    }

    fn with_state_home(home: &Path) -> Environment {
        Environment {
            state_home: Some(home.into()),
            ..Environment::default()
        }
    }

    #[test]
    fn the_folder_is_private_also_when_it_was_not() {
        let home = tempfile::tempdir().unwrap();
        let environment = with_state_home(home.path());
        let state = State::open(&environment).unwrap();
        assert_eq!(state.folder, home.path().join("labgate/quickstart"));
        assert_eq!(mode(&state.folder), 0o700);
        fs::set_permissions(&state.folder, Permissions::from_mode(0o777)).unwrap();
        State::open(&environment).unwrap();
        assert_eq!(mode(&state.folder), 0o700);
        let log = state.jupyter_log();
        fs::write(&log, "old").unwrap();
        fresh_file(&log).unwrap();
        assert_eq!((mode(&log), fs::read(&log).unwrap().len()), (0o600, 0));
    }

    #[test]
    fn without_xdg_it_is_below_home_and_without_home_that_is_said() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment {
            home: Some(home.path().into()),
            ..Environment::default()
        };
        let state = State::open(&environment).unwrap();
        assert_eq!(
            state.folder,
            home.path().join(".local/state/labgate/quickstart")
        );
        let problem = State::open(&Environment::default()).unwrap_err();
        assert!(matches!(problem, Problem::NoHome));
    }

    #[test]
    fn a_link_or_a_file_in_its_place_is_refused() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("labgate")).unwrap();
        std::os::unix::fs::symlink("/tmp", home.path().join("labgate/quickstart")).unwrap();
        let problem = State::open(&with_state_home(home.path())).unwrap_err();
        assert!(problem.to_string().contains("is not a folder"), "{problem}");
    }
}
