//! Reading and writing the tables, one statement each.

use std::collections::HashMap;

use preview_core::attachment::Attachment;
use preview_core::block::{Block, Blocks, Reason, Target};
use preview_core::clock::Wall;
use preview_core::command::Reads;
use preview_core::grant::GrantKey;
use preview_core::id::{AttachmentId, SessionId, TaskId, UserId};
use preview_core::registry::Scope;
use preview_core::wire::events::EventView;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::rows::{self, AttachmentRow, TaskRow, damaged};
use super::{StoreError, TaskRecord};
use crate::keys::KeyRecord;

/// A number as the database keeps it; ours stay far below `2^63`.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number as it was before [`integer`].
pub(super) fn natural(integer: i64) -> u64 {
    u64::try_from(integer).unwrap_or_default()
}

/// The last revision.
pub(super) fn revision(db: &Connection) -> Result<u64, StoreError> {
    let last = db.prepare_cached("SELECT last FROM revision")?.query_row([], |row| row.get(0))?;
    Ok(natural(last))
}

pub(super) fn set_revision(db: &Connection, revision: u64) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE revision SET last = ?1")?.execute([integer(revision)])?;
    Ok(())
}

/// All attachments, in the order of their ids.
pub(super) fn attachments(db: &Connection) -> Result<Vec<Attachment>, StoreError> {
    select(db, "", &[])
}

/// All sessions with their users.
pub(super) fn sessions(db: &Connection) -> Result<HashMap<SessionId, UserId>, StoreError> {
    let mut statement = db.prepare_cached("SELECT session, user FROM sessions")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (session, user) = row?;
        Ok((SessionId::new(&session).map_err(damaged)?, UserId::new(&user).map_err(damaged)?))
    })
    .collect()
}

/// What a command must see.
pub(super) fn scope(db: &Connection, reads: &Reads) -> Result<Scope, StoreError> {
    let mut scope = Scope::default();
    for session in &reads.sessions {
        let mut statement = db.prepare_cached("SELECT user FROM sessions WHERE session = ?1")?;
        let user: Option<String> = statement.query_row([session.as_str()], |row| row.get(0)).optional()?;
        if let Some(user) = user {
            scope.sessions.insert(session.clone(), UserId::new(&user).map_err(damaged)?);
        }
    }
    let ids = reads.ids.iter().map(|it| ("WHERE id = ?1", it.to_string()));
    let sessions = reads.sessions.iter().map(|it| ("WHERE session = ?1", it.to_string()));
    let users = reads.users.iter().map(|it| ("WHERE user = ?1", it.to_string()));
    let hosts = reads.hosts.iter().map(|it| ("WHERE host = ?1", it.clone()));
    let listeners = reads.listeners.iter().map(|it| ("WHERE listener = ?1", it.to_string()));
    for target in &reads.blocks {
        let found = blocks_where(db, "WHERE kind = ?1 AND value = ?2", &[&target.kind(), &target.value()])?;
        for block in found {
            scope.blocks.add(block);
        }
    }
    if reads.all_blocks {
        scope.blocks = blocks(db)?;
    }
    for (condition, value) in ids.chain(sessions).chain(users).chain(hosts).chain(listeners) {
        for attachment in select(db, condition, &[&value])? {
            scope.attachments.insert(attachment.id, attachment);
        }
    }
    Ok(scope)
}

/// The attachment with this id.
pub(super) fn attachment(db: &Connection, id: AttachmentId) -> Result<Option<Attachment>, StoreError> {
    Ok(select(db, "WHERE id = ?1", &[&id.as_str()])?.pop())
}

fn select(db: &Connection, condition: &str, values: &[&dyn ToSql]) -> Result<Vec<Attachment>, StoreError> {
    let mut statement =
        db.prepare_cached(&format!("SELECT body, sum FROM attachments {condition} ORDER BY id"))?;
    let rows = statement.query_map(values, body)?;
    rows.map(|row| {
        let (body, sum) = row?;
        rows::read::<AttachmentRow>(&body, sum)?.try_into()
    })
    .collect()
}

pub(super) fn put_attachment(db: &Connection, it: &Attachment) -> Result<(), StoreError> {
    let (body, sum) = rows::write(&AttachmentRow::from(it))?;
    let mut statement = db.prepare_cached(
        "INSERT INTO attachments (id, session, name, user, host, listener, body, sum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET user = ?4, host = ?5, listener = ?6, body = ?7, sum = ?8",
    )?;
    statement.execute(params![
        it.id.as_str(),
        it.session.as_str(),
        it.name.as_str(),
        it.user.as_str(),
        it.url.host,
        it.listener.to_string(),
        body,
        sum
    ])?;
    Ok(())
}

pub(super) fn drop_attachment(db: &Connection, id: AttachmentId) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM attachments WHERE id = ?1")?.execute([id.as_str()])?;
    Ok(())
}

pub(super) fn bind(db: &Connection, session: &SessionId, user: &UserId) -> Result<(), StoreError> {
    db.prepare_cached("INSERT OR REPLACE INTO sessions (session, user) VALUES (?1, ?2)")?
        .execute([session.as_str(), user.as_str()])?;
    Ok(())
}

pub(super) fn unbind(db: &Connection, session: &SessionId) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM sessions WHERE session = ?1")?.execute([session.as_str()])?;
    Ok(())
}

/// Who is shut out.
pub(super) fn blocks(db: &Connection) -> Result<Blocks, StoreError> {
    Ok(blocks_where(db, "", &[])?.into_iter().collect())
}

fn blocks_where(db: &Connection, condition: &str, values: &[&dyn ToSql]) -> Result<Vec<Block>, StoreError> {
    let mut statement =
        db.prepare_cached(&format!("SELECT kind, value, reason, since FROM blocks {condition}"))?;
    let rows = statement.query_map(values, |row| {
        let texts = (row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?);
        Ok((texts, row.get::<_, i64>(3)?))
    })?;
    rows.map(|row| {
        let ((kind, value, reason), since) = row?;
        let target = Target::new(&kind, &value).map_err(damaged)?;
        let reason = Reason::new(&reason).map_err(damaged)?;
        Ok(Block { target, reason, since: Wall::from_millis(natural(since)) })
    })
    .collect()
}

pub(super) fn put_block(db: &Connection, it: &Block) -> Result<(), StoreError> {
    db.prepare_cached("INSERT OR REPLACE INTO blocks (kind, value, reason, since) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            it.target.kind(),
            it.target.value(),
            it.reason.as_str(),
            integer(it.since.as_millis())
        ])?;
    Ok(())
}

pub(super) fn drop_block(db: &Connection, target: &Target) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM blocks WHERE kind = ?1 AND value = ?2")?
        .execute([target.kind(), target.value()])?;
    Ok(())
}

/// What was told after a revision. The log keeps views word for word: a replay says what was said.
pub(super) fn told(db: &Connection, after: u64, most: u32) -> Result<Vec<EventView>, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT view FROM told WHERE revision > ?1 ORDER BY revision LIMIT ?2")?;
    let rows = statement.query_map(params![integer(after), most], |row| row.get::<_, String>(0))?;
    rows.map(|view| serde_json::from_str(&view?).map_err(damaged)).collect()
}

pub(super) fn log(db: &Connection, view: &EventView) -> Result<(), StoreError> {
    let text = serde_json::to_string(view).map_err(damaged)?;
    db.prepare_cached("INSERT INTO told (revision, time, view) VALUES (?1, ?2, ?3)")?.execute(params![
        integer(view.revision),
        integer(view.time.0.as_millis()),
        text
    ])?;
    Ok(())
}

/// Forgets what was told up to a revision.
pub(super) fn forget_through(db: &Connection, revision: u64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM told WHERE revision <= ?1")?.execute([integer(revision)])?;
    Ok(())
}

/// Forgets what was told before a moment.
pub(super) fn forget_before(db: &Connection, before: Wall) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM told WHERE time < ?1")?.execute([integer(before.as_millis())])?;
    Ok(())
}

/// All tasks.
pub(super) fn tasks(db: &Connection) -> Result<Vec<TaskRecord>, StoreError> {
    let mut statement = db.prepare_cached("SELECT body, sum FROM tasks ORDER BY id")?;
    let rows = statement.query_map([], body)?;
    rows.map(|row| {
        let (body, sum) = row?;
        rows::read::<TaskRow>(&body, sum)?.try_into()
    })
    .collect()
}

pub(super) fn put_task(db: &Connection, it: &TaskRecord) -> Result<(), StoreError> {
    let (body, sum) = rows::write(&TaskRow::from(it))?;
    db.prepare_cached("INSERT OR REPLACE INTO tasks (id, body, sum) VALUES (?1, ?2, ?3)")?
        .execute(params![it.id.as_str(), body, sum])?;
    Ok(())
}

pub(super) fn drop_task(db: &Connection, id: &TaskId) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM tasks WHERE id = ?1")?.execute([id.as_str()])?;
    Ok(())
}

/// The grant keys, newest first.
pub(super) fn keys(db: &Connection) -> Result<Vec<KeyRecord>, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT number, secret, made FROM grant_keys ORDER BY number DESC")?;
    let rows = statement.query_map([], |row| {
        let made = Wall::from_millis(natural(row.get(2)?));
        Ok(KeyRecord { key: GrantKey::new(row.get(0)?, row.get(1)?), made })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn put_keys(db: &Connection, keys: &[KeyRecord]) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM grant_keys")?.execute([])?;
    for it in keys {
        db.prepare_cached("INSERT INTO grant_keys (number, secret, made) VALUES (?1, ?2, ?3)")?
            .execute(params![it.key.number, it.key.reveal(), integer(it.made.as_millis())])?;
    }
    Ok(())
}

fn body(row: &Row<'_>) -> rusqlite::Result<(String, i64)> {
    Ok((row.get(0)?, row.get(1)?))
}
