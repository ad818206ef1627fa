//! The embedded store: users, sessions, one-time links and our own secrets, in one redb file.
//!
//! In: changes, each a closure that runs inside a transaction. Out: an answer once the change is on
//! disk. One writer thread takes what has queued up and commits it together, so that a hundred
//! sign-ins at once cost one fsync. Reads are synchronous and short; the data path never reads.
//! Values are JSON ([`Record`]): small next to an fsync, readable when something went wrong, and a
//! field can be added without a migration.
//! Not here: what the records mean; `session` and `identity` own their shapes.

mod backup;
mod error;
mod folder;
mod record;
mod writer;

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use redb::{Database, ReadableDatabase, backends::FileBackend};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub use self::{
    error::Error,
    folder::StateDir,
    record::{Changes, Record},
    writer::Durability,
};
use self::{
    record::View,
    writer::{Pending, Queue, Writer},
};
use crate::secret::{Secret, random};

/// The open store. At most one per state folder, over all processes.
pub struct Store {
    path: PathBuf,
    folder: StateDir,
    database: Shared,
    failures: Arc<AtomicU64>,
    queue: Queue,
    writer: Mutex<Option<JoinHandle<()>>>,
    lock: Mutex<Option<File>>,
}

/// `None` while a failed database waits to be opened again.
type Shared = Arc<RwLock<Option<Database>>>;

/// Opens the database, again after each failure, since redb refuses to go on after one.
type Opener = Box<dyn Fn() -> Result<Database, Error> + Send>;

impl Store {
    /// Opens the store of a state folder, or makes it. Takes the folder's lock, repairs what a
    /// crash left behind, and checks the file. Blocks.
    pub fn open(dir: &StateDir) -> Result<Arc<Self>, Error> {
        let lock = lock(dir)?;
        let (folder, held) = (dir.try_clone()?, dir.try_clone()?);
        let opener = Box::new(move || {
            let path = folder.path().join(FILE);
            redb::Builder::new()
                .set_cache_size(CACHE_BYTES)
                .set_check_integrity_on_open(true)
                .create_with_backend(backend(folder.file(FILE)?, &path)?)
                .map_err(|error| Error::redb(&path, error))
        });
        let store = Self::start(held, Some(lock), opener)?;
        dir.sync()?;
        Ok(store)
    }

    /// Whether there is one below `state_dir`, without making anything.
    pub fn is_there(state_dir: &Path) -> bool {
        state_dir.join(StateDir::NAME).join(FILE).exists()
    }

    fn start(folder: StateDir, lock: Option<File>, opener: Opener) -> Result<Arc<Self>, Error> {
        let path = folder.path().join(FILE);
        let database = opener()?;
        let shared: Shared = Arc::new(RwLock::new(Some(database)));
        let failures = Arc::<AtomicU64>::default();
        let told = Arc::clone(&failures);
        let (queue, writer) = Writer::new(path.clone(), shared.clone(), opener, told);
        let thread = std::thread::Builder::new()
            .name("labgate-store".into())
            .spawn(move || writer.run())
            .map_err(|error| Error::io("start the store's thread for", &path, error))?;
        let store = Arc::new(Self {
            path,
            folder,
            database: shared,
            failures,
            queue,
            writer: Mutex::new(Some(thread)),
            lock: Mutex::new(lock),
        });
        store.check_format()?;
        Ok(store)
    }

    /// The folder that it is in.
    pub const fn folder(&self) -> &StateDir {
        &self.folder
    }

    /// Runs `change` in a transaction and returns what it returned, once that is on disk. Other
    /// changes may share the transaction; each sees those before it, and the order is that of the
    /// calls. `change` looks first and writes then: an error that it returns does not undo what it
    /// wrote. Dropping the future does not take the change back.
    pub async fn write<T, F>(&self, change: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Changes<'_>) -> Result<T, Error> + Send + 'static,
    {
        let (done, answer) = oneshot::channel();
        self.submit(Durability::Synced, change, move |result| {
            drop(done.send(result)); // the caller may have gone
        })?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// [`Store::write`] for a thread that may block.
    pub fn write_blocking<T, F>(&self, change: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Changes<'_>) -> Result<T, Error> + Send + 'static,
    {
        let (done, answer) = mpsc::sync_channel(1);
        self.submit(Durability::Synced, change, move |result| {
            drop(done.send(result)); // the caller waits below
        })?;
        answer.recv().unwrap_or(Err(Error::Closed))
    }

    /// Queues a change and returns at once; `done` is called on the writer's thread and must not
    /// block. [`Error::Busy`] when too many changes wait.
    pub fn submit<T, F, D>(&self, durability: Durability, change: F, done: D) -> Result<(), Error>
    where
        T: Send + 'static,
        F: FnOnce(&Changes<'_>) -> Result<T, Error> + Send + 'static,
        D: FnOnce(Result<T, Error>) + Send + 'static,
    {
        self.queue
            .push(durability, Box::new(Pending::new(change, done)))
    }

    /// One record. Blocks for a page or two of the file.
    pub fn get<R: Record>(&self, key: &str) -> Result<Option<R>, Error> {
        self.read(|view| view.get(key))
    }

    /// All records of a kind, in the order of their keys.
    pub fn list<R: Record>(&self) -> Result<Vec<(String, R)>, Error> {
        self.read(|view| view.list())
    }

    /// A key of our own for the purpose `name`: made at its first use, then always the same.
    /// Blocks for an fsync the first time.
    pub fn secret(&self, name: &'static str) -> Result<Secret<[u8; 32]>, Error> {
        let key = format!("secret/{name}");
        let text = if let Some(Meta::Secret(text)) = self.get(&key)? {
            text
        } else {
            let fresh = BASE64_URL_SAFE_NO_PAD.encode(random::<32>());
            self.write_blocking(move |changes| {
                if let Some(Meta::Secret(text)) = changes.get(&key)? {
                    return Ok(text);
                }
                changes.put(&key, &Meta::Secret(fresh.clone()))?;
                Ok(fresh)
            })?
        };
        BASE64_URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Secret::new)
            .ok_or_else(|| Error::corrupt(&self.path, "a secret has the wrong length"))
    }

    /// Commits that failed since it was opened; the changes in each were answered with an error.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Writes what is queued, closes the file and gives the folder's lock back. Blocks. Calls after
    /// it fail with [`Error::Closed`].
    pub fn close(&self) {
        self.queue.close();
        let thread = unpoisoned(&self.writer).take();
        if let Some(thread) = thread {
            // A panic there was reported there.
            drop(thread.join());
        }
        drop(unpoisoned(&self.lock).take());
    }

    fn read<T>(&self, read: impl FnOnce(View<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = database.as_ref() else {
            return Err(Error::Closed);
        };
        let transaction = database
            .begin_read()
            .map_err(|error| Error::redb(&self.path, error))?;
        read(View::new(transaction, &self.path))
    }

    fn check_format(&self) -> Result<(), Error> {
        let found = match self.get(FORMAT_KEY)? {
            Some(Meta::Format(found)) => found,
            _ => self.write_blocking(|changes| {
                changes.put(FORMAT_KEY, &Meta::Format(FORMAT))?;
                Ok(FORMAT)
            })?,
        };
        if found == FORMAT {
            return Ok(());
        }
        Err(Error::Format {
            path: self.path.clone(),
            found,
            known: FORMAT,
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// What the store knows about itself.
#[derive(Deserialize, Serialize)]
enum Meta {
    /// Version of the records' shapes.
    Format(u32),
    /// A key of our own, base64url.
    Secret(String),
}

impl Record for Meta {
    const TABLE: &'static str = "meta";
}

fn backend(file: File, path: &Path) -> Result<FileBackend, Error> {
    FileBackend::new(file).map_err(|error| Error::redb(path, error))
}

/// Takes the folder's lock for as long as the file is open. redb has a lock of its own, but gives it
/// up when it reopens, and cannot say who holds it.
fn lock(dir: &StateDir) -> Result<File, Error> {
    let path = dir.path().join(LOCK);
    let mut file = dir.file(LOCK)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let read = file.take(16).read_to_string(&mut text);
            let holder = read.ok().and_then(|_| text.trim().parse().ok());
            return Err(Error::Locked {
                path: dir.path().to_owned(),
                holder,
            });
        }
        Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path, error)),
    }
    // The number helps a person, nothing depends on it: a full disk must not keep us from starting.
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    drop(written);
    Ok(file)
}

/// Every critical section here leaves the value whole, so a panic elsewhere does not matter.
fn unpoisoned<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of the file within our folder.
pub const FILE: &str = "store.redb";
const LOCK: &str = "lock";
/// redb's default is 1 GiB; all our tables fit into much less.
const CACHE_BYTES: usize = 16 << 20;
/// Version of the records' shapes, raised when an old program could misread a new record.
const FORMAT: u32 = 1;
const FORMAT_KEY: &str = "format";

#[cfg(test)]
mod tests;
