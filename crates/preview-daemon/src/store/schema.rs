//! Opening the database: its shape, its version, and whether it is whole.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use preview_core::attachment::Attachment;
use preview_core::audit::Link;
use preview_core::block::Blocks;
use preview_core::id::{SessionId, UserId};
use rusqlite::{Connection, OpenFlags};

use super::folder::{self, Folder, open_private};
use super::{StoreError, copy, tables};
use crate::clock;

/// The schema that this release writes, in `PRAGMA user_version`.
const VERSION: i64 = 2;

/// Beyond `UNIQUE (host)` the rules see to it that no two attachments share a host name; this is the belt to
/// their braces. Columns beside `body` are there to be looked up.
const SCHEMA: &str = "
    CREATE TABLE revision (only INTEGER PRIMARY KEY CHECK (only = 0), last INTEGER NOT NULL) STRICT;
    CREATE TABLE sessions (session TEXT PRIMARY KEY, user TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE attachments (
        id TEXT PRIMARY KEY, session TEXT NOT NULL, name TEXT NOT NULL, user TEXT NOT NULL,
        host TEXT NOT NULL UNIQUE, listener TEXT NOT NULL, body TEXT NOT NULL, sum INTEGER NOT NULL,
        UNIQUE (session, name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX attachments_user ON attachments (user);
    CREATE INDEX attachments_listener ON attachments (listener);
    CREATE TABLE told (revision INTEGER PRIMARY KEY, time INTEGER NOT NULL, view TEXT NOT NULL) STRICT;
    CREATE TABLE tasks (
        id TEXT PRIMARY KEY, body TEXT NOT NULL, sum INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE grant_keys (
        number INTEGER PRIMARY KEY, secret BLOB NOT NULL, made INTEGER NOT NULL
    ) STRICT;
";

/// What the second version has besides. `asked` is who, [`preview_core::audit::Entry::by`].
const SECOND: &str = "
    CREATE TABLE blocks (
        kind TEXT NOT NULL, value TEXT NOT NULL, reason TEXT NOT NULL, since INTEGER NOT NULL,
        PRIMARY KEY (kind, value)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE trail (
        number INTEGER PRIMARY KEY, time INTEGER NOT NULL, asked TEXT NOT NULL, action TEXT NOT NULL,
        session TEXT, user TEXT, subject TEXT, code TEXT, detail TEXT, count INTEGER NOT NULL,
        digest BLOB NOT NULL
    ) STRICT;
    CREATE TABLE trail_ends (
        only INTEGER PRIMARY KEY CHECK (only = 0), anchor INTEGER NOT NULL, anchor_digest BLOB NOT NULL,
        head INTEGER NOT NULL, head_digest BLOB NOT NULL
    ) STRICT;
";

const DATABASE: &str = "preview.db";
const DAMAGED: &str = "preview.db.corrupt";

/// An open database and what is in it.
pub(super) struct Opened {
    /// The connection that writes.
    pub writer: Connection,
    /// One that only reads.
    pub reader: Connection,
    /// The last revision.
    pub revision: u64,
    /// All attachments.
    pub attachments: Vec<Attachment>,
    /// All bound sessions.
    pub sessions: HashMap<SessionId, UserId>,
    /// Who is shut out.
    pub blocks: Blocks,
}

/// Opens the database in `folder`, or makes an empty one. A damaged one is moved aside, and the copy taken in its
/// place if there is a good one.
pub(super) fn open(folder: &Folder) -> Result<Opened, StoreError> {
    let path = folder.file(DATABASE);
    let is_there = fs::exists(&path)?;
    if !is_there && fs::exists(folder.file(DAMAGED))? {
        return Err(StoreError::Corrupt(format!(
            "a damaged copy lies in {}: restore {DATABASE} from a backup, or move the damaged copy away to start empty",
            folder.file(DAMAGED).display()
        )));
    }
    open_private(&path)?;
    let opened = match read(&path, is_there) {
        Err(StoreError::Corrupt(damage)) => {
            keep_damaged(folder)?;
            copy::restore(folder.path(), &path)
                .and_then(|made| Ok((read(&path, true)?, made)))
                .map(|(opened, made)| {
                    tracing::error!(
                        damage,
                        ?made,
                        kept = DAMAGED,
                        "the state was damaged: an older copy is used"
                    );
                    opened
                })
                .map_err(|_| StoreError::Corrupt(damage))
        }
        opened => opened,
    };
    folder::sync(folder.path())?;
    opened
}

fn read(path: &Path, expect_some: bool) -> Result<Opened, StoreError> {
    let writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let version: i64 = writer.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match version {
        0 if expect_some && fs::metadata(path)?.len() > 0 => {
            return Err(StoreError::Corrupt("it has no schema".into()));
        }
        0 => {}
        known if known <= VERSION => check(&writer)?,
        found => return Err(StoreError::Newer { found, known: VERSION }),
    }
    writer.pragma_update(None, "journal_mode", "WAL")?;
    // A commit returns when it is on disk, power loss included.
    writer.pragma_update(None, "synchronous", "FULL")?;
    writer.set_prepared_statement_cache_capacity(64);
    if version == 0 {
        create(&writer)?;
    }
    if version < 2 {
        add_second(&writer)?;
    }
    let reader = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok(Opened {
        revision: tables::revision(&writer)?,
        attachments: tables::attachments(&writer)?,
        sessions: tables::sessions(&writer)?,
        blocks: tables::blocks(&writer)?,
        writer,
        reader,
    })
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    Ok(Connection::open_with_flags(path, flags)?)
}

/// Makes the tables. The first revision is the time: an edge that resumes with a revision of a store that is gone
/// must not find it valid in the one made after it.
fn create(writer: &Connection) -> Result<(), StoreError> {
    let first = tables::integer(clock::wall().as_millis());
    tracing::info!("a new store: nothing is attached");
    writer.execute_batch(&format!(
        "BEGIN IMMEDIATE; {SCHEMA} INSERT INTO revision VALUES (0, {first}); PRAGMA user_version = 1; COMMIT;"
    ))?;
    Ok(())
}

/// Brings a store of the first version to the second.
fn add_second(writer: &Connection) -> Result<(), StoreError> {
    let start = HEXLOWER.encode(Link::start().digest.as_bytes());
    writer.execute_batch(&format!(
        "BEGIN IMMEDIATE; {SECOND} INSERT INTO trail_ends VALUES (0, 0, x'{start}', 0, x'{start}');
         PRAGMA user_version = {VERSION}; COMMIT;"
    ))?;
    Ok(())
}

fn check(writer: &Connection) -> Result<(), StoreError> {
    let found: String = writer.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt(found)) }
}

/// Moves the damaged files aside, as they are, for whoever wants to look or restore.
fn keep_damaged(folder: &Folder) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm"] {
        let from = folder.file(&format!("{DATABASE}{suffix}"));
        if fs::exists(&from)? {
            fs::rename(from, folder.file(&format!("{DAMAGED}{suffix}")))?;
        }
    }
    folder::sync(folder.path())
}
