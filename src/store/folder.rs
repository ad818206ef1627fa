//! The state folder: a 0700 folder of ours inside the configured `state_dir`.
//!
//! `state_dir` may be shared (a mount, `/var/lib`); what we keep must not be. The folder is opened
//! once without following links, checked through that handle, and files are opened relative to it,
//! so nobody can swap it in between.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags},
    process::geteuid,
};

use super::Error;
use crate::secret::random;

/// The open, checked folder.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    handle: File,
    warnings: Vec<String>,
}

impl StateDir {
    /// The name of our folder inside `state_dir`.
    pub const NAME: &str = "labgate-state";

    /// Makes `state_dir` with its parents and our folder in it, where they are missing, and checks
    /// both. Refuses a `state_dir` that everybody can write to (unless it is sticky),
    /// and a folder of ours that is a link, belongs to somebody else or does not keep others out.
    pub fn open(state_dir: &Path) -> Result<Self, Error> {
        let warnings = check_mount(state_dir)?;
        let path = state_dir.join(Self::NAME);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("make", &path, error)),
        }
        let handle = open_own(&path)?;
        Ok(Self {
            path,
            handle,
            warnings,
        })
    }

    /// Our folder, where files and the admin socket go.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the operator should know: sentences for the log at start.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// A file of ours, made empty with mode 0600 where it is missing. Refuses links and what
    /// belongs to somebody else.
    pub fn file(&self, name: &str) -> Result<File, Error> {
        let path = self.path.join(name);
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR);
        let file = File::from(opened.map_err(|error| Error::io("open", &path, error.into()))?);
        let found = file
            .metadata()
            .map_err(|error| Error::io("inspect", &path, error))?;
        if !found.is_file() {
            return Err(refuse(&path, "is not a regular file"));
        }
        keep_private(&path, &file, &found, 0o600)?;
        Ok(file)
    }

    /// A new file of ours that has no name, and is gone with its last handle.
    pub(super) fn nameless(&self) -> Result<File, Error> {
        let name = format!("scratch-{:016x}", u64::from_be_bytes(random()));
        let file = self.file(&name)?;
        rustix::fs::unlinkat(&self.handle, &name, AtFlags::empty())
            .map_err(|error| Error::io("remove", &self.path.join(name), error.into()))?;
        Ok(file)
    }

    /// The same folder once more, without warnings.
    pub fn try_clone(&self) -> Result<Self, Error> {
        let handle = self.handle.try_clone();
        Ok(Self {
            path: self.path.clone(),
            handle: handle.map_err(|error| Error::io("open", &self.path, error))?,
            warnings: Vec::new(),
        })
    }

    /// Makes the names of new files durable.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.handle
            .sync_all()
            .map_err(|error| Error::io("sync", &self.path, error))
    }
}

impl AsFd for StateDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// Makes `state_dir`, and looks at who else may rename what is in it.
fn check_mount(state_dir: &Path) -> Result<Vec<String>, Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(state_dir)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                refuse(state_dir, "is not a folder; set state_dir to one")
            }
            _ => Error::io("make", state_dir, error),
        })?;
    let found = fs::metadata(state_dir).map_err(|error| Error::io("inspect", state_dir, error))?;
    let mode = found.mode();
    if mode & STICKY != 0 {
        return Ok(Vec::new());
    }
    if mode & 0o002 != 0 {
        let problem = "everybody may write to it, so anybody could replace our state; \
                       take that away (chmod o-w)";
        return Err(refuse(state_dir, problem));
    }
    if mode & 0o020 != 0 {
        let path = state_dir.display();
        return Ok(vec![format!(
            "{path}: its group may write to it, so members could replace our state folder; \
             better take that away (chmod g-w)"
        )]);
    }
    Ok(Vec::new())
}

fn open_own(path: &Path) -> Result<File, Error> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
        Ok(handle) => File::from(handle),
        // Linux says ENOTDIR for a link when both a folder and no link are asked for.
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => {
            return Err(refuse(
                path,
                "is a link or a file where our own folder should be; move it away",
            ));
        }
        Err(error) => return Err(Error::io("open", path, error.into())),
    };
    let found = handle
        .metadata()
        .map_err(|error| Error::io("inspect", path, error))?;
    keep_private(path, &handle, &found, 0o700)?;
    Ok(handle)
}

/// Ours alone, with exactly this mode; repairs the mode.
fn keep_private(path: &Path, file: &File, found: &fs::Metadata, mode: u32) -> Result<(), Error> {
    let (owner, us) = (found.uid(), geteuid().as_raw());
    if owner != us {
        let problem = format!(
            "belongs to user {owner}, and we are user {us}; \
                       run this as that user, or give it to us"
        );
        return Err(refuse(path, &problem));
    }
    if found.mode() & 0o7777 == mode {
        return Ok(());
    }
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode))
        .map_err(|error| Error::io("protect", path, error.into()))?;
    let now = file
        .metadata()
        .map_err(|error| Error::io("inspect", path, error))?;
    if now.mode() & 0o777 != mode {
        let problem = "does not keep others out, and its mode cannot be changed; \
                       use a file system with permissions";
        return Err(refuse(path, problem));
    }
    Ok(())
}

fn refuse(path: &Path, problem: &str) -> Error {
    Error::Folder {
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}

const STICKY: u32 = 0o1000;
