//! A consistent copy of the store, while others read and write.

use std::{fs::File, sync::PoisonError};

use redb::{ReadableDatabase, ReadableTable, TableDefinition, TableHandle, backends::FileBackend};

use super::{Error, Store};

impl Store {
    /// All that one moment holds, as a store of its own, in a file without a name beside the store's.
    /// Blocks for as long as it takes to write that.
    pub fn copy(&self) -> Result<File, Error> {
        let file = self.folder.nameless()?;
        let target = file.try_clone();
        let target = target.map_err(|error| Error::io("copy", &self.path, error))?;
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or(Error::Closed)?;
        copy(database, target).map_err(|error| Error::redb(&self.path, error))?;
        Ok(file)
    }
}

/// Every table, as one read transaction shows it.
fn copy(database: &redb::Database, target: File) -> Result<(), redb::Error> {
    let from = database.begin_read()?;
    let copy = redb::Builder::new().create_with_backend(FileBackend::new(target)?)?;
    let to = copy.begin_write()?;
    for table in from.list_tables()? {
        let definition = TableDefinition::<&str, &[u8]>::new(table.name());
        let mut copied = to.open_table(definition)?;
        for row in from.open_table(definition)?.iter()? {
            let (key, value) = row?;
            copied.insert(key.value(), value.value())?;
        }
    }
    to.commit()?;
    Ok(())
}
