//! The file: one table of records by key, in a redb database.
//!
//! redb writes copies and switches to them with one fsync, so the file is whole after `kill -9` at any moment, and after
//! a power cut where the disk keeps what it has synced.

use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use jiff::Timestamp;

use super::{
    OpenError,
    record::{self, FORMAT, Received},
};
use crate::store::{Removal, Write};

const VALUES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("values");
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const NAME: &str = "written-values.redb";

/// An open journal file. There is one in the process.
pub struct JournalFile {
    path: PathBuf,
    /// `None` after an error of the disk, until the file is opened again: redb refuses to go on after one.
    database: Option<Database>,
}

/// A change of the table.
pub(super) enum Change<'a> {
    /// These values, which were received then.
    Put(&'a [Write], Timestamp),
    /// Of these series.
    Remove(&'a Removal),
}

impl JournalFile {
    /// Opens the file in `folder`, and makes both where there is none.
    ///
    /// # Errors
    /// When it cannot be used; see [`OpenError`].
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let no_folder = |source| OpenError::Folder { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(no_folder)?;
        let path = folder.join(NAME);
        refuse_empty(&path)?;
        let database = Database::create(&path).map_err(|error| OpenError::of(path.clone(), error))?;
        let known = begin(&database).map_err(|error| OpenError::of(path.clone(), error))?;
        if known != FORMAT {
            return Err(OpenError::Format { path, found: known, known: FORMAT });
        }
        Ok(Self { path, database: Some(database) })
    }

    /// Its size on the disk, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map(|file| file.len()).unwrap_or_default()
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes all changes, in their order, or none.
    ///
    /// # Errors
    /// redb's. After one of the disk the next call opens the file again.
    pub(super) fn change(&mut self, changes: &[Change<'_>]) -> Result<(), redb::Error> {
        let done = self.database().and_then(|database| transact(database, changes));
        if done.is_err() {
            self.database = None;
        }
        done
    }

    /// Every record, and how many could not be read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn read(&mut self, mut each: impl FnMut(Received)) -> Result<usize, OpenError> {
        let mut unreadable = 0;
        self.each_record(|_, bytes| match record::decode(bytes) {
            Ok(received) => each(received),
            Err(_) => unreadable += 1,
        })
        .map_err(|error| OpenError::of(self.path.clone(), error))?;
        Ok(unreadable)
    }

    /// Drops the records of series that `is_held` does not know; how many that were.
    ///
    /// # Errors
    /// redb's.
    pub(super) fn collect(&mut self, is_held: impl Fn(&Write) -> bool) -> Result<usize, redb::Error> {
        let mut gone = Vec::new();
        self.each_record(|key, bytes| {
            if !record::decode(bytes).is_ok_and(|received| is_held(&received.write)) {
                gone.push(key.to_vec());
            }
        })?;
        if gone.is_empty() {
            return Ok(0);
        }
        let transaction = self.database()?.begin_write()?;
        {
            let mut values = transaction.open_table(VALUES)?;
            for key in &gone {
                values.remove(key.as_slice())?;
            }
        }
        transaction.commit()?;
        Ok(gone.len())
    }

    fn each_record(&mut self, mut each: impl FnMut(&[u8], &[u8])) -> Result<(), redb::Error> {
        let values = self.database()?.begin_read()?.open_table(VALUES)?;
        for entry in values.iter()? {
            let (key, bytes) = entry?;
            each(key.value(), bytes.value());
        }
        Ok(())
    }

    fn database(&mut self) -> Result<&Database, redb::Error> {
        if self.database.is_none() {
            self.database = Some(Database::open(&self.path)?);
        }
        self.database.as_ref().ok_or(redb::Error::DatabaseAlreadyOpen)
    }
}

/// redb takes an empty file for a new database. One that was cut off to nothing is none.
fn refuse_empty(path: &Path) -> Result<(), OpenError> {
    let is_empty = std::fs::metadata(path).is_ok_and(|file| file.len() == 0);
    let cut_off = || std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file is empty");
    if is_empty { Err(OpenError::of(path.to_owned(), redb::Error::Io(cut_off()))) } else { Ok(()) }
}

/// Makes the tables where there are none; the format that the file has.
fn begin(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(VALUES)?;
    let found = {
        let mut about = transaction.open_table(ABOUT)?;
        let found = about.get("format")?.map(|format| format.value());
        if found.is_none() {
            about.insert("format", FORMAT)?;
        }
        found
    };
    transaction.commit()?;
    Ok(found.unwrap_or(FORMAT))
}

fn transact(database: &Database, changes: &[Change<'_>]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for change in changes {
        match change {
            Change::Put(writes, received) => put(&transaction, writes, *received)?,
            Change::Remove(removal) => remove(&transaction, removal)?,
        }
    }
    Ok(transaction.commit()?)
}

fn put(transaction: &WriteTransaction, writes: &[Write], received: Timestamp) -> Result<(), redb::Error> {
    let mut values = transaction.open_table(VALUES)?;
    for write in writes {
        values.insert(record::key(write).as_slice(), record::encode(write, received).as_slice())?;
    }
    Ok(())
}

fn remove(transaction: &WriteTransaction, removal: &Removal) -> Result<(), redb::Error> {
    let mut values = transaction.open_table(VALUES)?;
    let (key, is_prefix) = record::removed(removal);
    if !is_prefix {
        values.remove(key.as_slice())?;
        return Ok(());
    }
    // Every key of the metric begins with this one, and no other key does.
    values.retain_in(key.as_slice()..after(&key).as_slice(), |_, _| false)?;
    Ok(())
}

/// The first key behind all that begin with `prefix`, whose last byte is the NUL that ends the metric's name.
fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last = 1;
    }
    end
}
