//! The one thread that writes: takes what has queued up, commits it together, answers everybody.
//!
//! After a failed commit the memory of the database no longer tells what the disk holds, so it is
//! dropped and opened again (redb asks for that). The changes of that commit are answered with the
//! error; whoever needs them written asks again.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redb::{Database, WriteTransaction};
use tokio::sync::mpsc;

use super::{Changes, Error, Opener, Shared, unpoisoned};

/// When a change counts as written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// Soon: with the next synced commit, at the latest a minute later while others follow. For
    /// what a crash may take back, like a last-seen time.
    Eventual,
    /// On disk before it is answered.
    Synced,
}

/// The longest that an eventual change stays unsynced while others follow it. It also bounds the
/// file: redb reuses pages only after a synced commit.
const UNSYNCED: Duration = Duration::from_secs(60);

/// Changes that wait at most; more are refused.
const QUEUE: usize = 4096;

/// Changes in one commit, at most.
const BATCH: usize = 512;

/// The way to the writer.
pub(super) struct Queue(Mutex<Option<mpsc::Sender<Message>>>);

struct Message {
    durability: Durability,
    change: Box<dyn Change>,
}

impl Queue {
    pub(super) fn push(
        &self,
        durability: Durability,
        change: Box<dyn Change>,
    ) -> Result<(), Error> {
        let sender = unpoisoned(&self.0);
        let sender = sender.as_ref().ok_or(Error::Closed)?;
        sender
            .try_send(Message { durability, change })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Closed(_) => Error::Closed,
                mpsc::error::TrySendError::Full(_) => Error::Busy,
            })
    }

    /// The writer ends once it has written what is queued.
    pub(super) fn close(&self) {
        drop(unpoisoned(&self.0).take());
    }
}

/// A change in three steps: it is applied, the transaction is committed, it is answered.
pub(super) trait Change: Send {
    fn apply(&mut self, changes: &Changes<'_>) -> Result<(), Error>;
    /// Called exactly once, with the outcome of the commit.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

pub(super) struct Pending<T, F, D> {
    change: Option<F>,
    value: Option<Result<T, Error>>,
    done: D,
}

impl<T, F, D> Pending<T, F, D> {
    pub(super) const fn new(change: F, done: D) -> Self {
        Self {
            change: Some(change),
            value: None,
            done,
        }
    }
}

impl<T, F, D> Change for Pending<T, F, D>
where
    T: Send,
    F: FnOnce(&Changes<'_>) -> Result<T, Error> + Send,
    D: FnOnce(Result<T, Error>) + Send,
{
    fn apply(&mut self, changes: &Changes<'_>) -> Result<(), Error> {
        let Some(change) = self.change.take() else {
            return Ok(());
        };
        match change(changes) {
            Err(error) if error.ends_transaction() => Err(error),
            value => {
                self.value = Some(value);
                Ok(())
            }
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        let value = self.value.unwrap_or(Err(Error::Closed));
        (self.done)(committed.and(value));
    }
}

/// What runs on the thread.
pub(super) struct Writer {
    path: PathBuf,
    database: Shared,
    open: Opener,
    messages: mpsc::Receiver<Message>,
    synced: Instant,
    /// Commits that failed.
    failures: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn new(
        path: PathBuf,
        database: Shared,
        open: Opener,
        failures: Arc<AtomicU64>,
    ) -> (Queue, Self) {
        let (sender, messages) = mpsc::channel(QUEUE);
        let writer = Self {
            path,
            database,
            open,
            messages,
            synced: Instant::now(),
            failures,
        };
        (Queue(Mutex::new(Some(sender))), writer)
    }

    /// Until the queue is closed and empty. Then syncs and closes the file.
    pub(super) fn run(mut self) {
        let mut batch = Vec::new();
        while self.messages.blocking_recv_many(&mut batch, BATCH) > 0 {
            let result = self.commit(&mut batch);
            if result.is_err() {
                self.failures.fetch_add(1, Ordering::Relaxed);
                self.reopen();
            }
            for message in batch.drain(..) {
                message.change.answer(result.clone());
            }
        }
        // An empty synced commit takes the eventual ones before it along.
        if let Err(error) = self.commit(&mut Vec::new()) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "store: last commit failed"
            );
        }
        self.replace(None);
    }

    fn commit(&mut self, batch: &mut [Message]) -> Result<(), Error> {
        if self.is_closed() {
            self.replace(Some((self.open)()?));
        }
        let wanted = |message: &Message| message.durability == Durability::Synced;
        let sync =
            batch.is_empty() || batch.iter().any(wanted) || self.synced.elapsed() >= UNSYNCED;
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or(Error::Closed)?;
        let transaction = self.begin(database, sync)?;
        for message in batch {
            let changes = Changes::new(&transaction, &self.path);
            message.change.apply(&changes)?;
        }
        transaction
            .commit()
            .map_err(|error| Error::redb(&self.path, error))?;
        if sync {
            self.synced = Instant::now();
        }
        Ok(())
    }

    fn begin(&self, database: &Database, sync: bool) -> Result<WriteTransaction, Error> {
        let mut transaction = database
            .begin_write()
            .map_err(|error| Error::redb(&self.path, error))?;
        if !sync {
            transaction
                .set_durability(redb::Durability::None)
                .map_err(|error| Error::redb(&self.path, error))?;
        }
        Ok(transaction)
    }

    /// Drops the failed database and tries to open it; if that fails too, the next commit tries.
    fn reopen(&self) {
        self.replace(None);
        match (self.open)() {
            Ok(database) => self.replace(Some(database)),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "store: cannot reopen"
                );
            }
        }
    }

    fn is_closed(&self) -> bool {
        let database = self.database.read();
        database.unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn replace(&self, with: Option<Database>) {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *database = with;
    }
}
