//! The audit trail's tables: entries in a chain, its anchor and its head (`preview_core::audit`).

use preview_core::audit::{Digest, Entry, Link, Sealed};
use preview_core::clock::Wall;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

use super::StoreError;
use super::tables::{integer, natural};

/// Which entries to read.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrailFilter {
    /// After this number, the oldest first; absent: the newest.
    pub since: Option<u64>,
    /// Of this session alone.
    pub session: Option<String>,
    /// Of this user alone.
    pub user: Option<String>,
    /// Of this action alone.
    pub action: Option<String>,
    /// At most so many.
    pub most: u32,
}

/// A part of the trail.
#[derive(Clone, Debug)]
pub(crate) struct TrailPart {
    /// The last entry that was pruned.
    pub anchor: Link,
    /// The entry that the trail ends with.
    pub head: Link,
    /// Entries in the order of their numbers.
    pub entries: Vec<Sealed>,
}

/// The last entry there is, as it was when it was written.
pub(super) fn head(db: &Connection) -> Result<Link, StoreError> {
    link(db, "SELECT head, head_digest FROM trail_ends")
}

/// The last entry that was pruned.
pub(super) fn anchor(db: &Connection) -> Result<Link, StoreError> {
    link(db, "SELECT anchor, anchor_digest FROM trail_ends")
}

pub(super) fn set_head(db: &Connection, head: Link) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE trail_ends SET head = ?1, head_digest = ?2")?
        .execute(params![integer(head.number), head.digest.as_bytes()])?;
    Ok(())
}

/// Appends an entry.
pub(super) fn append(db: &Connection, it: &Sealed) -> Result<(), StoreError> {
    let entry = &it.entry;
    db.prepare_cached(
        "INSERT INTO trail (number, time, asked, action, session, user, subject, code, detail, count, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        integer(entry.number),
        integer(entry.at.as_millis()),
        entry.by,
        entry.action,
        entry.session,
        entry.user,
        entry.subject,
        entry.code,
        entry.detail,
        integer(entry.count),
        it.digest.as_bytes()
    ])?;
    Ok(())
}

/// Prunes all up to an entry; its digest becomes the anchor of what is left.
pub(super) fn prune_through(db: &Connection, number: u64) -> Result<(), StoreError> {
    let digest: Option<[u8; 32]> = db
        .prepare_cached("SELECT digest FROM trail WHERE number = ?1")?
        .query_row([integer(number)], |row| row.get(0))
        .optional()?;
    // An entry that somebody took out is no anchor: what follows it stays, for `verify` to find.
    let Some(digest) = digest else { return Ok(()) };
    db.prepare_cached("UPDATE trail_ends SET anchor = ?1, anchor_digest = ?2")?
        .execute(params![integer(number), digest])?;
    db.prepare_cached("DELETE FROM trail WHERE number <= ?1")?.execute([integer(number)])?;
    Ok(())
}

/// Prunes the oldest beyond so many.
pub(super) fn keep_at_most(db: &Connection, head: Link, keeps: u64) -> Result<(), StoreError> {
    let last = head.number.saturating_sub(keeps);
    if last > anchor(db)?.number { prune_through(db, last) } else { Ok(()) }
}

/// Prunes what is older than a moment, up to the first entry that is not.
pub(super) fn prune_before(db: &Connection, before: Wall) -> Result<(), StoreError> {
    let first_kept: Option<i64> = db
        .prepare_cached("SELECT min(number) FROM trail WHERE time >= ?1")?
        .query_row([integer(before.as_millis())], |row| row.get(0))?;
    let last = match first_kept {
        Some(number) => natural(number).saturating_sub(1),
        None => head(db)?.number,
    };
    if last > anchor(db)?.number { prune_through(db, last) } else { Ok(()) }
}

/// Reads a part of the trail, as it lies there: whether it fits is not asked.
pub(super) fn part(db: &Connection, filter: &TrailFilter) -> Result<TrailPart, StoreError> {
    // One state of the tables for all three.
    let tx = db.unchecked_transaction()?;
    let order = if filter.since.is_some() { "ASC" } else { "DESC" };
    let mut statement = tx.prepare_cached(&format!(
        "SELECT number, time, asked, action, session, user, subject, code, detail, count, digest FROM trail
         WHERE number > ?1 AND (?2 IS NULL OR session = ?2) AND (?3 IS NULL OR user = ?3)
         AND (?4 IS NULL OR action = ?4) ORDER BY number {order} LIMIT ?5"
    ))?;
    let since = filter.since.map_or(-1, integer);
    let values: [&dyn ToSql; 5] = [&since, &filter.session, &filter.user, &filter.action, &filter.most];
    let mut entries: Vec<Sealed> = statement.query_map(values, sealed)?.collect::<Result<_, _>>()?;
    if filter.since.is_none() {
        entries.reverse();
    }
    Ok(TrailPart { anchor: anchor(&tx)?, head: head(&tx)?, entries })
}

fn sealed(row: &Row<'_>) -> rusqlite::Result<Sealed> {
    let entry = Entry {
        number: natural(row.get(0)?),
        at: Wall::from_millis(natural(row.get(1)?)),
        by: row.get(2)?,
        action: row.get(3)?,
        session: row.get(4)?,
        user: row.get(5)?,
        subject: row.get(6)?,
        code: row.get(7)?,
        detail: row.get(8)?,
        count: natural(row.get(9)?),
    };
    Ok(Sealed { entry, digest: digest(row, 10)? })
}

fn link(db: &Connection, query: &str) -> Result<Link, StoreError> {
    let read = |row: &Row<'_>| Ok(Link { number: natural(row.get(0)?), digest: digest(row, 1)? });
    Ok(db.prepare_cached(query)?.query_row([], read)?)
}

/// One of another length fits nothing, and is found by whoever verifies.
fn digest(row: &Row<'_>, at: usize) -> rusqlite::Result<Digest> {
    let bytes: Vec<u8> = row.get(at)?;
    Ok(Digest::from_bytes(bytes.try_into().unwrap_or([0; 32])))
}
