//! Why the store does not do what it was asked, in words for the operator.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Cheap to clone, since one failed commit answers every change that it carried.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// More changes wait than we keep.
    #[error("the store is busy: too many changes wait to be written")]
    Busy,
    /// Closed, or not opened again yet after a failure.
    #[error("the store is not open")]
    Closed,
    /// The file is no store, or not the one we wrote.
    #[error("{}: the store is damaged ({what}); restore it from a backup, or move it away to start afresh", path.display())]
    Corrupt {
        /// The store's file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The state folder cannot be trusted or used.
    #[error("{}: {problem}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong and what helps.
        problem: String,
    },
    /// A newer labgate wrote it.
    #[error("{}: the store has format {found}, this labgate knows {known}; use the labgate that wrote it, or a newer one", path.display())]
    Format {
        /// The store's file.
        path: PathBuf,
        /// In the file.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// No space, or over quota.
    #[error("{}: the disk is full", path.display())]
    Full {
        /// What was written.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Anything else the system said.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Another process has it open.
    #[error("another labgate{} uses this state folder ({}); stop it first, or give this one another state_dir", process(*holder), path.display())]
    Locked {
        /// The state folder.
        path: PathBuf,
        /// Its process id, where it could be read.
        holder: Option<u32>,
    },
    /// The file system is mounted read-only, or the folder's mode says so.
    #[error("{}: the state folder is not writable", path.display())]
    ReadOnly {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

impl Error {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let path = path.to_owned();
        let kind = source.kind();
        let source = Arc::new(source);
        match kind {
            QuotaExceeded | StorageFull => Self::Full { path, source },
            PermissionDenied | ReadOnlyFilesystem => Self::ReadOnly { path, source },
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }

    pub(super) fn redb(path: &Path, error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::Locked {
                path: path.parent().unwrap_or(path).to_owned(),
                holder: None,
            },
            redb::Error::Io(source) => match source.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                    Self::corrupt(path, source)
                }
                _ => Self::io("use", path, source),
            },
            redb::Error::DatabaseClosed | redb::Error::PreviousIo => Self::Closed,
            other => Self::corrupt(path, other),
        }
    }

    pub(super) fn corrupt(path: &Path, what: impl std::fmt::Display) -> Self {
        Self::Corrupt {
            path: path.to_owned(),
            what: what.to_string(),
        }
    }

    /// Whether the transaction in which it happened is lost. A record that cannot be read concerns
    /// only whoever asked for it.
    pub(super) const fn ends_transaction(&self) -> bool {
        !matches!(self, Self::Corrupt { .. })
    }
}

fn process(holder: Option<u32>) -> String {
    holder.map_or_else(String::new, |id| format!(" (process {id})"))
}
