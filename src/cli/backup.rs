//! `labgate backup FILE`: a copy of the store, while a server runs or not.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

use super::{
    door::Door,
    exit::Exit,
    terminal::{Stop, Terminal},
};
use crate::{
    config::Config,
    secret::random,
    store::{self, StateDir},
};

/// Writes the copy and says how to restore it.
pub(super) fn run(config: &Config, file: &Path, terminal: &mut Terminal<'_>) -> Exit {
    let done = backup(config, file, terminal);
    terminal.finish(done)
}

fn backup(config: &Config, file: &Path, terminal: &mut Terminal<'_>) -> Result<String, Stop> {
    let store = config
        .server
        .state_dir
        .join(StateDir::NAME)
        .join(store::FILE);
    let shown = file.display();
    if fs::symlink_metadata(file).is_ok() {
        return Err(taken(file));
    }
    let door = match Door::to_server(config)? {
        Some(door) => door,
        // Nobody wants a copy of a store that would be made for it.
        None if !store.exists() => {
            let store = store.display();
            return Err(Stop::Failed(format!("there is no store at {store}")));
        }
        None => Door::open(config, terminal)?,
    };
    let mut copy = Unfinished::beside(file).map_err(|error| unwritable(file, &error))?;
    door.fetch("/api/v1/backup", |piece| {
        let written = copy.file.write_all(piece);
        written.map_err(|error| unwritable(file, &error))
    })?;
    copy.keep_as(file).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(file),
        _ => unwritable(file, &error),
    })?;
    let store = store.display();
    Ok(format!(
        "the store is copied to {shown}; it holds secrets\n\
         to restore: stop labgate, copy it to {store}, start labgate\n"
    ))
}

fn taken(file: &Path) -> Stop {
    let file = file.display();
    Stop::Failed(format!("{file} is there already; take another name"))
}

fn unwritable(file: &Path, error: &io::Error) -> Stop {
    Stop::Failed(format!("cannot write {}: {error}", file.display()))
}

/// A file under a name of its own until it is whole; removed when dropped before that.
struct Unfinished {
    file: File,
    path: PathBuf,
}

impl Unfinished {
    /// In the folder of `target`, for our user alone.
    fn beside(target: &Path) -> io::Result<Self> {
        let name = format!(".labgate-backup-{:016x}", u64::from_be_bytes(random()));
        let path = folder_of(target).join(name);
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Self { file, path })
    }

    /// Gives it its name, on disk, unless something has that.
    fn keep_as(self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        match renameat_with(CWD, &self.path, CWD, target, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            // Network file systems cannot do that, but will not link over a file either.
            Err(Errno::INVAL | Errno::NOSYS) => fs::hard_link(&self.path, target)?,
            Err(error) => return Err(error.into()),
        }
        File::open(folder_of(target))?.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Renamed, it is no longer there.
        fs::remove_file(&self.path).unwrap_or_default();
    }
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_whole_file_gets_its_name_and_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("copy");
        let mut copy = Unfinished::beside(&target).unwrap();
        copy.file.write_all(b"all").unwrap();
        assert!(!target.exists());
        copy.keep_as(&target).unwrap();
        let mode = fs::metadata(&target).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let other = Unfinished::beside(&target).unwrap();
        let error = other.keep_as(&target).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&target).unwrap(), b"all");
        drop(Unfinished::beside(&target).unwrap());
        assert_eq!(names(folder.path()), ["copy"]);
    }
}
