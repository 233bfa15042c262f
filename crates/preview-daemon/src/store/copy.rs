//! A copy of the database beside it, for the day on which it is found damaged.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use rusqlite::Connection;

use super::StoreError;
use super::folder::{open_private, sync};

const COPY: &str = "preview.db.good";
const UNFINISHED: &str = "preview.db.good.new";

/// Copies what `db` shows into `folder`. The old copy stays until the new one is whole and on disk.
pub(super) fn keep(db: &Connection, folder: &Path) -> Result<(), StoreError> {
    let (unfinished, copy) = (folder.join(UNFINISHED), folder.join(COPY));
    if fs::exists(&unfinished)? {
        fs::remove_file(&unfinished)?;
    }
    let file = open_private(&unfinished)?;
    db.execute("VACUUM INTO ?1", [unfinished.to_string_lossy()])?;
    file.sync_all()?;
    fs::rename(&unfinished, &copy)?;
    sync(folder)
}

/// Puts the copy in the place of `database`, and says when it was made.
pub(super) fn restore(folder: &Path, database: &Path) -> Result<SystemTime, StoreError> {
    let (unfinished, copy) = (folder.join(UNFINISHED), folder.join(COPY));
    let made = fs::metadata(&copy)?.modified()?;
    fs::copy(&copy, &unfinished)?;
    open_private(&unfinished)?.sync_all()?;
    fs::rename(&unfinished, database)?;
    Ok(made)
}
