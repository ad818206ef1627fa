//! Records and the tables that hold them.
//!
//! A table maps a text to the JSON of one record type. [`Changes`] is the view from inside a write
//! transaction, [`View`] the one of a reader.

use std::path::Path;

use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};

use super::Error;

/// Something the store keeps. Adding an optional field keeps old files readable; anything else
/// needs a new format version.
pub trait Record: Serialize + DeserializeOwned {
    /// The table's name; one record type each.
    const TABLE: &'static str;
}

/// The store from inside a change: sees what the change and those before it wrote.
pub struct Changes<'t> {
    transaction: &'t WriteTransaction,
    path: &'t Path,
}

impl<'t> Changes<'t> {
    pub(super) const fn new(transaction: &'t WriteTransaction, path: &'t Path) -> Self {
        Self { transaction, path }
    }

    /// The record under `key`.
    pub fn get<R: Record>(&self, key: &str) -> Result<Option<R>, Error> {
        let table = self.table::<R>()?;
        let found = table.get(key).map_err(|error| self.error(error))?;
        found
            .map(|bytes| decode(self.path, key, bytes.value()))
            .transpose()
    }

    /// Whether there is a record under `key`, without reading it.
    pub fn contains<R: Record>(&self, key: &str) -> Result<bool, Error> {
        let found = self.table::<R>()?.get(key).map(|found| found.is_some());
        found.map_err(|error| self.error(error))
    }

    /// All records, in the order of their keys.
    pub fn list<R: Record>(&self) -> Result<Vec<(String, R)>, Error> {
        collect(self.path, &self.table::<R>()?)
    }

    /// Writes a record over whatever was there.
    pub fn put<R: Record>(&self, key: &str, record: &R) -> Result<(), Error> {
        let bytes = serde_json::to_vec(record).map_err(|error| Error::corrupt(self.path, error))?;
        let inserted = self.table::<R>()?.insert(key, bytes.as_slice()).map(drop);
        inserted.map_err(|error| self.error(error))
    }

    /// Removes a record; says whether there was one.
    pub fn remove<R: Record>(&self, key: &str) -> Result<bool, Error> {
        let removed = self.table::<R>()?.remove(key).map(|old| old.is_some());
        removed.map_err(|error| self.error(error))
    }

    fn table<R: Record>(&self) -> Result<redb::Table<'t, &'static str, &'static [u8]>, Error> {
        self.transaction
            .open_table(definition::<R>())
            .map_err(|error| self.error(error))
    }

    fn error(&self, error: impl Into<redb::Error>) -> Error {
        Error::redb(self.path, error)
    }
}

/// One consistent state of the store.
pub(super) struct View<'s> {
    transaction: ReadTransaction,
    path: &'s Path,
}

impl<'s> View<'s> {
    pub(super) const fn new(transaction: ReadTransaction, path: &'s Path) -> Self {
        Self { transaction, path }
    }

    pub(super) fn get<R: Record>(&self, key: &str) -> Result<Option<R>, Error> {
        let Some(table) = self.table::<R>()? else {
            return Ok(None);
        };
        let found = table
            .get(key)
            .map_err(|error| Error::redb(self.path, error))?;
        found
            .map(|bytes| decode(self.path, key, bytes.value()))
            .transpose()
    }

    pub(super) fn list<R: Record>(&self) -> Result<Vec<(String, R)>, Error> {
        self.table::<R>()?
            .map_or_else(|| Ok(Vec::new()), |table| collect(self.path, &table))
    }

    /// `None` before the first record was written.
    fn table<R: Record>(&self) -> Result<Option<ReadTable>, Error> {
        match self.transaction.open_table(definition::<R>()) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(Error::redb(self.path, error)),
        }
    }
}

type ReadTable = redb::ReadOnlyTable<&'static str, &'static [u8]>;

const fn definition<R: Record>() -> TableDefinition<'static, &'static str, &'static [u8]> {
    TableDefinition::new(R::TABLE)
}

fn collect<R: Record>(
    path: &Path,
    table: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Vec<(String, R)>, Error> {
    let rows = table.iter().map_err(|error| Error::redb(path, error))?;
    rows.map(|row| {
        let (key, bytes) = row.map_err(|error| Error::redb(path, error))?;
        let record = decode(path, key.value(), bytes.value())?;
        Ok((key.value().to_owned(), record))
    })
    .collect()
}

fn decode<R: Record>(path: &Path, key: &str, bytes: &[u8]) -> Result<R, Error> {
    serde_json::from_slice(bytes).map_err(|error| {
        // Not the value: it may hold a secret. serde names fields and types, and quotes scalars
        // only from enumerations, of which ours are not secret.
        let at = error.column();
        Error::corrupt(path, format!("{} {key:?}, at byte {at}", R::TABLE))
    })
}
