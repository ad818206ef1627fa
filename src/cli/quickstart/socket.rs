//! A place for the socket of one run: a new private folder with a path that is short enough.
//!
//! Each run has its own, since a supervisor of the run before may still be clearing up.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::{ffi::OsStrExt, fs::DirBuilderExt},
    path::{Path, PathBuf},
};

use super::{environment::Environment, problem::Problem, state::State, supervise};
use crate::secret::random;

/// The place. Socket and folder are removed at the end.
#[derive(Debug)]
pub(super) struct SocketPlace(PathBuf);

impl SocketPlace {
    /// Within the state folder; where that path is too long, or no folder can be made, in the
    /// session's runtime folder, or else below `temporary`.
    pub(super) fn pick(
        state: &State,
        environment: &Environment,
        temporary: &Path,
    ) -> Result<Self, Problem> {
        clear_stale(&state.folder);
        let of_session = environment.runtime_dir.as_deref();
        for base in [Some(state.folder.as_path()), of_session]
            .into_iter()
            .flatten()
        {
            let place = Self::new(base);
            if place.fits() && place.make().is_ok() {
                return Ok(place);
            }
        }
        let place = Self::new(temporary);
        if !place.fits() {
            return Err(Problem::Folder {
                path: temporary.to_owned(),
                problem: "is too long a path for a socket; set TMPDIR to a shorter one",
            });
        }
        place
            .make()
            .map_err(Problem::file("make a folder in", temporary))?;
        Ok(place)
    }

    /// The socket's path, at most 107 bytes.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    fn new(base: &Path) -> Self {
        let folder = format!("{PREFIX}{:08x}", u32::from_be_bytes(random()));
        Self(base.join(folder).join(SOCKET))
    }

    /// Fails where something of that name is there already, as it may be in a folder of others.
    fn make(&self) -> io::Result<()> {
        let folder = self.0.parent().unwrap_or(&self.0);
        DirBuilder::new().mode(0o700).create(folder)
    }

    fn fits(&self) -> bool {
        self.0.as_os_str().as_bytes().len() <= MAX_PATH
    }
}

impl Drop for SocketPlace {
    fn drop(&mut self) {
        supervise::clear(&self.0);
    }
}

/// Removes what is left when labgate and a supervisor are killed.
fn clear_stale(state: &Path) {
    let Ok(entries) = fs::read_dir(state) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().as_bytes().starts_with(PREFIX.as_bytes()) {
            supervise::clear(&entry.path().join(SOCKET));
        }
    }
}

const PREFIX: &str = "labgate-run-";
const SOCKET: &str = "jupyter.sock";
/// `sun_path` of unix(7), without its NUL.
const MAX_PATH: usize = 107;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn state_in(folder: PathBuf) -> State {
        fs::create_dir_all(&folder).unwrap();
        State { folder }
    }

    fn base_of(place: &SocketPlace) -> &Path {
        place.path().parent().unwrap().parent().unwrap()
    }

    #[test]
    fn it_is_private_in_the_state_folder_where_its_path_fits() {
        let home = tempfile::tempdir().unwrap();
        let state = state_in(home.path().join("state"));
        let (environment, nowhere) = (Environment::default(), Path::new("/nowhere"));
        let place = SocketPlace::pick(&state, &environment, nowhere).unwrap();
        assert_eq!(base_of(&place), state.folder);
        let mode = place.path().parent().unwrap().metadata().unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::write(place.path(), "").unwrap();
        let next = SocketPlace::pick(&state, &environment, nowhere).unwrap();
        assert_ne!(next.path(), place.path());
        drop((place, next));
        assert_eq!(
            fs::read_dir(&state.folder).unwrap().count(),
            0,
            "nothing is left"
        );
    }

    #[test]
    fn what_a_crash_left_is_cleared_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let state = state_in(home.path().join("state"));
        for name in ["labgate-run-1/jupyter.sock", "labgate-state/jupyter.sock"] {
            let file = state.folder.join(name);
            fs::create_dir(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        clear_stale(&state.folder);
        assert!(!state.folder.join("labgate-run-1").exists());
        assert!(state.folder.join("labgate-state/jupyter.sock").exists());
    }

    #[test]
    fn where_paths_are_long_the_runtime_folder_serves_and_then_the_temporary_one() {
        let home = tempfile::tempdir().unwrap();
        let long = home.path().join("long".repeat(30));
        let state = state_in(long.clone());
        let short = tempfile::tempdir().unwrap();
        let mut environment = Environment::default();

        let place = SocketPlace::pick(&state, &environment, short.path()).unwrap();
        assert_eq!(base_of(&place), short.path());
        let problem = SocketPlace::pick(&state, &environment, &long).unwrap_err();
        assert!(problem.to_string().contains("set TMPDIR"), "{problem}");

        environment.runtime_dir = Some(short.path().into());
        let place = SocketPlace::pick(&state, &environment, &long).unwrap();
        assert_eq!(base_of(&place), short.path());
    }
}
