//! Finds a `JupyterLab` that is installed and runs.
//!
//! In: the environment. Out: the first of `jupyter-lab` on `PATH`, in the active virtual or conda
//! environment, or as a module of their Python or of `python3`, that says its version in time.
//! Those that do not are told, and passed over.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{
    environment::{Environment, is_executable},
    supervised::{Failure, output},
};

/// A `JupyterLab` that runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Lab {
    /// Where it is.
    pub(super) place: Place,
    /// As it says itself: `4.6.6`.
    pub(super) version: String,
}

/// How a `JupyterLab` is called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// `PYTHON -m jupyterlab`
    Module(PathBuf),
    /// The program `jupyter-lab`.
    Program(PathBuf),
}

/// Why a `JupyterLab` is passed over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    /// It does not run.
    #[error("does not run: {0}")]
    Broken(#[from] Failure),
    /// It says no version.
    #[error("does not say its version")]
    Mute,
    /// It has no unix sockets.
    #[error("is too old: version {0}, and 3 is needed")]
    Old(String),
}

impl Place {
    /// A command that calls it from a neutral folder: a module of the current one could otherwise
    /// stand in for one of Python's.
    pub(super) fn command(&self) -> Command {
        let mut command = match self {
            Self::Module(python) => {
                let mut command = Command::new(python);
                command.args(["-m", "jupyterlab"]);
                command
            }
            Self::Program(program) => Command::new(program),
        };
        command.current_dir("/");
        command
    }

    /// Runs it to hear its version.
    pub(super) async fn check(self, limit: Duration) -> Result<Lab, Unfit> {
        let mut command = self.command();
        command.arg("--version");
        let said = output(&command, limit).await?;
        let version = said
            .lines()
            .rev()
            .map(str::trim)
            .find(|line| is_version(line));
        let version = version.ok_or(Unfit::Mute)?.to_owned();
        let major = version
            .split('.')
            .next()
            .and_then(|major| major.parse().ok());
        if major.is_none_or(|major: u32| major < OLDEST) {
            return Err(Unfit::Old(version));
        }
        Ok(Lab {
            place: self,
            version,
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module(python) => write!(f, "{} -m jupyterlab", python.display()),
            Self::Program(program) => write!(f, "{}", program.display()),
        }
    }
}

/// The first `JupyterLab` that runs. `passed_over` hears of each that should and does not.
pub(super) async fn find(
    environment: &Environment,
    limit: Duration,
    mut passed_over: impl FnMut(&Place, &Unfit),
) -> Option<Lab> {
    for place in candidates(environment) {
        match place.clone().check(limit).await {
            Ok(lab) => return Some(lab),
            Err(unfit) if is_absent(&place, &unfit) => {}
            Err(unfit) => passed_over(&place, &unfit),
        }
    }
    None
}

/// Where one may be, each once.
fn candidates(environment: &Environment) -> Vec<Place> {
    let active = || {
        [&environment.virtual_env, &environment.conda_prefix]
            .into_iter()
            .flatten()
    };
    let in_active = |name: &'static str| {
        active()
            .map(move |prefix| prefix.join("bin").join(name))
            .filter(|file| is_executable(file))
    };
    let programs = environment
        .programs("jupyter-lab")
        .chain(in_active("jupyter-lab"));
    let pythons = in_active("python").chain(environment.programs("python3"));
    let mut places = Vec::new();
    for place in programs
        .map(Place::Program)
        .chain(pythons.map(Place::Module))
    {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// Whether a Python just has no `JupyterLab`, which is nothing to tell.
fn is_absent(place: &Place, unfit: &Unfit) -> bool {
    let Unfit::Broken(Failure::Ended(said)) = unfit else {
        return false;
    };
    matches!(place, Place::Module(_)) && said.ends_with("No module named jupyterlab")
}

fn is_version(line: &str) -> bool {
    let mut parts = line.splitn(2, '.');
    let number = |part: Option<&str>| {
        part.is_some_and(|part| part.starts_with(|c: char| c.is_ascii_digit()))
    };
    number(parts.next()) && number(parts.next()) && !line.contains(char::is_whitespace)
}

/// The first with unix sockets (Jupyter Server 1).
const OLDEST: u32 = 3;

/// Starting Python from a cold disk takes seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Where a program of a Python environment is.
pub(super) fn in_folder(environment: &Path, name: impl Into<OsString>) -> PathBuf {
    environment.join("bin").join(name.into())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    /// A folder with a `bin` of small shell scripts.
    struct Prefix(tempfile::TempDir);

    impl Prefix {
        fn new(scripts: &[(&str, &str)]) -> Self {
            let prefix = Self(tempfile::tempdir().unwrap());
            fs::create_dir(prefix.bin()).unwrap();
            for (name, body) in scripts {
                let file = prefix.bin().join(name);
                fs::write(&file, body).unwrap();
                fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
            }
            prefix
        }

        fn bin(&self) -> PathBuf {
            self.0.path().join("bin")
        }
    }

    fn path_of(prefixes: &[&Prefix]) -> Environment {
        let path = std::env::join_paths(prefixes.iter().map(|prefix| prefix.bin())).unwrap();
        Environment {
            path: Some(path),
            ..Environment::default()
        }
    }

    async fn find_in(environment: &Environment) -> (Option<Lab>, Vec<String>) {
        let mut told = Vec::new();
        let limit = Duration::from_secs(20);
        let lab = find(environment, limit, |place, why| {
            told.push(format!("{place} {why}"));
        })
        .await;
        (lab, told)
    }

    #[tokio::test]
    async fn the_first_on_path_that_runs_is_taken() {
        let good = Prefix::new(&[("jupyter-lab", "#!/bin/sh\necho 4.6.6\n")]);
        let other = Prefix::new(&[("jupyter-lab", "#!/bin/sh\necho 4.0.1\n")]);
        let (lab, told) = find_in(&path_of(&[&good, &other])).await;
        let lab = lab.unwrap();
        assert_eq!(lab.version, "4.6.6");
        assert_eq!(lab.place, Place::Program(good.bin().join("jupyter-lab")));
        assert!(told.is_empty(), "{told:?}");
    }

    #[tokio::test]
    async fn what_is_broken_old_or_mute_is_told_and_passed_over() {
        let broken = Prefix::new(&[(
            "jupyter-lab",
            "#!/bin/sh\necho 'Traceback' >&2\necho 'ImportError: no tornado' >&2\nexit 1\n",
        )]);
        let dangling = Prefix::new(&[("jupyter-lab", "#!/no/such/python\n")]);
        let old = Prefix::new(&[("jupyter-lab", "#!/bin/sh\necho 2.3.1\n")]);
        let mute = Prefix::new(&[("jupyter-lab", "#!/bin/sh\necho hello there\n")]);
        let good = Prefix::new(&[("jupyter-lab", "#!/bin/sh\necho a warning\necho 4.6.6\n")]);
        let environment = path_of(&[&broken, &dangling, &old, &mute, &good]);
        let (lab, told) = find_in(&environment).await;
        assert_eq!(
            lab.unwrap().place,
            Place::Program(good.bin().join("jupyter-lab"))
        );
        let [broken, dangling, old, mute] = &told[..] else {
            panic!("{told:?}")
        };
        assert!(
            broken.ends_with("does not run: ImportError: no tornado"),
            "{broken}"
        );
        assert!(dangling.contains("No such file"), "{dangling}");
        assert!(
            old.ends_with("is too old: version 2.3.1, and 3 is needed"),
            "{old}"
        );
        assert!(mute.ends_with("does not say its version"), "{mute}");
    }

    #[tokio::test]
    async fn one_that_hangs_is_ended_and_passed_over() {
        let hanging = Prefix::new(&[("jupyter-lab", "#!/bin/sh\nsleep 1000\n")]);
        let place = Place::Program(hanging.bin().join("jupyter-lab"));
        let unfit = place.check(Duration::from_millis(300)).await.unwrap_err();
        assert!(
            matches!(unfit, Unfit::Broken(Failure::TooSlow(_))),
            "{unfit}"
        );
    }

    #[tokio::test]
    async fn an_active_environment_and_a_module_are_found_without_path() {
        let active = Prefix::new(&[("jupyter-lab", "#!/bin/sh\necho 4.1.0\n")]);
        let environment = Environment {
            virtual_env: Some(active.0.path().into()),
            ..Environment::default()
        };
        assert_eq!(find_in(&environment).await.0.unwrap().version, "4.1.0");

        let python = "#!/bin/sh\n[ \"$1 $2 $3\" = '-m jupyterlab --version' ] && echo 4.2.0\n";
        let module = Prefix::new(&[("python3", python)]);
        let lab = find_in(&path_of(&[&module])).await.0.unwrap();
        assert_eq!(lab.place, Place::Module(module.bin().join("python3")));
    }

    #[tokio::test]
    async fn a_python_without_jupyterlab_is_nothing_to_tell() {
        let python = "#!/bin/sh\necho \"$0: No module named jupyterlab\" >&2\nexit 1\n";
        let without = Prefix::new(&[("python3", python)]);
        assert_eq!(find_in(&path_of(&[&without])).await, (None, Vec::new()));
        assert_eq!(find_in(&Environment::default()).await, (None, Vec::new()));
    }

    #[test]
    fn versions_are_told_from_words() {
        for good in ["4.6.6", "3.0", "4.5.0a1"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "4", "v4.1", "4.", "4.1 beta", "hello.there", ".1"] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
