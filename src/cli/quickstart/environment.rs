//! What quickstart takes from the environment, read in one place.

use std::{
    ffi::OsString,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// The variables that matter here; empty ones count as absent.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    /// `BROWSER`
    pub(super) browser: Option<OsString>,
    /// `CONDA_PREFIX`: an active conda environment.
    pub(super) conda_prefix: Option<PathBuf>,
    /// Whether a browser would have a screen: `DISPLAY`, `WAYLAND_DISPLAY`, or Windows' (WSL).
    pub(super) has_display: bool,
    /// `HOME`, absolute.
    pub(super) home: Option<PathBuf>,
    /// `PATH`
    pub(super) path: Option<OsString>,
    /// `XDG_RUNTIME_DIR`, absolute.
    pub(super) runtime_dir: Option<PathBuf>,
    /// `XDG_STATE_HOME`, absolute.
    pub(super) state_home: Option<PathBuf>,
    /// `USER` or `LOGNAME`
    pub(super) user: Option<String>,
    /// `VIRTUAL_ENV`: an active virtual environment.
    pub(super) virtual_env: Option<PathBuf>,
}

impl Environment {
    /// As this process has it.
    pub(super) fn of_this_process() -> Self {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// From any source of variables.
    pub(super) fn from_lookup(look_up: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name| look_up(name).filter(|value| !value.is_empty());
        // The XDG specification says to ignore relative ones; no use is known for the others.
        let folder = |name| {
            text(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let user = text("USER").or_else(|| text("LOGNAME"));
        Self {
            browser: text("BROWSER"),
            conda_prefix: folder("CONDA_PREFIX"),
            has_display: ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"]
                .into_iter()
                .any(|name| text(name).is_some()),
            home: folder("HOME"),
            path: text("PATH"),
            runtime_dir: folder("XDG_RUNTIME_DIR"),
            state_home: folder("XDG_STATE_HOME"),
            user: user.and_then(|user| user.into_string().ok()),
            virtual_env: folder("VIRTUAL_ENV"),
        }
    }

    /// All programs of a name on `PATH`, in its order. Relative entries are passed over: what they
    /// name depends on where one stands.
    pub(super) fn programs(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        let folders: Vec<_> = self
            .path
            .iter()
            .flat_map(|path| std::env::split_paths(path))
            .collect();
        let programs = folders.into_iter().filter(|folder| folder.is_absolute());
        programs
            .map(move |folder| folder.join(name))
            .filter(|file| is_executable(file))
    }
}

/// Whether it is a file that somebody may execute.
pub(super) fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_relative_values_count_as_absent() {
        let environment = Environment::from_lookup(|name| match name {
            "HOME" => Some("/home/ana".into()),
            "XDG_STATE_HOME" => Some("state".into()),
            "DISPLAY" | "USER" => Some(OsString::new()),
            "LOGNAME" => Some("ana".into()),
            _ => None,
        });
        assert_eq!(environment.home.as_deref(), Some(Path::new("/home/ana")));
        assert_eq!(environment.state_home, None);
        assert!(!environment.has_display);
        assert_eq!(environment.user.as_deref(), Some("ana"));
    }

    #[test]
    fn programs_come_in_the_order_of_path_and_only_where_they_can_run() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (folder, mode) in [(&first, 0o644), (&second, 0o755)] {
            let file = folder.path().join("tool");
            std::fs::write(&file, "").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = std::env::join_paths([Path::new("."), first.path(), second.path()]).unwrap();
        let environment = Environment {
            path: Some(path),
            ..Environment::default()
        };
        let found: Vec<_> = environment.programs("tool").collect();
        assert_eq!(found, [second.path().join("tool")]);
    }
}
