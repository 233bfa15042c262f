//! The last table on disk, so that an edge that starts without a daemon serves what it served before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use preview_core::grant::{GrantKey, GrantKeys};
use preview_core::route::{Route, RouteTable};
use preview_core::wire::watch::{KeyRow, RouteRow};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::watch::Receiver;

use super::Progress;
use crate::route::{Computed, Table};
use crate::shared::Shared;
use crate::state::{self, StateError};

/// The least time between two writes.
const REST: Duration = Duration::from_secs(1);
/// What a file begins with; the digest of the rest and a line's end follow.
const MAGIC: &str = "preview-edge table 1 sha256 ";

/// A table as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    revision: u64,
    routes: Vec<RouteRow>,
    keys: Vec<KeyRow>,
}

/// The table kept in `dir`, stale; an empty one if there is none, or if it is damaged, which is told of and put
/// aside.
pub(crate) fn load(dir: &Path) -> Result<Table, StateError> {
    let path = file(dir);
    let Some(content) = state::read(&path)? else { return Ok(Table { stale: true, ..Table::default() }) };
    if let Some(table) = parse(&content) {
        return Ok(table);
    }
    let aside = path.with_extension("corrupt");
    tracing::error!(file = %path.display(), "the last table is damaged; it is put aside, and the edge starts empty");
    if let Err(error) = std::fs::rename(&path, &aside) {
        tracing::error!(%error, file = %path.display(), "the damaged table cannot be put aside");
    }
    Ok(Table { stale: true, ..Table::default() })
}

/// Writes each new table, at most one a [`REST`], for ever.
pub(crate) async fn keep(shared: Arc<Shared>, mut progress: Receiver<Progress>) {
    let path = file(&shared.config.state_dir);
    let mut written = progress.borrow().tables;
    loop {
        if progress.wait_for(|it| it.tables != written).await.is_err() {
            return;
        }
        written = progress.borrow().tables;
        let (table, path) = (shared.table.load_full(), path.clone());
        // A disk that is slow or full stops nothing but this.
        let kept = tokio::task::spawn_blocking(move || state::write(&path, &render(&table))).await;
        if let Ok(Err(error)) = kept {
            tracing::error!(%error, "the last table cannot be kept");
        }
        tokio::time::sleep(REST).await;
    }
}

fn file(dir: &Path) -> PathBuf {
    dir.join("table.json")
}

fn render(table: &Table) -> Vec<u8> {
    let kept = Kept {
        revision: table.revision,
        routes: table.routes.iter().map(|entry| (&entry.route).into()).collect(),
        keys: table.keys.as_slice().iter().map(Into::into).collect(),
    };
    let json = serde_json::to_vec(&kept).expect("numbers, texts and lists always make JSON");
    let mut content = format!("{MAGIC}{}\n", HEXLOWER.encode(&Sha256::digest(&json))).into_bytes();
    content.extend(json);
    content
}

fn parse(content: &[u8]) -> Option<Table> {
    let rest = content.strip_prefix(MAGIC.as_bytes())?;
    let (digest, json) = rest.split_at_checked(64)?;
    let json = json.strip_prefix(b"\n")?;
    if HEXLOWER.decode(digest).ok()? != Sha256::digest(json).as_slice() {
        return None;
    }
    let kept: Kept = serde_json::from_slice(json).ok()?;
    let keys: Option<Vec<GrantKey>> = kept.keys.iter().map(|row| row.try_into().ok()).collect();
    let mut routes = RouteTable::default();
    for row in &kept.routes {
        let route = Route::try_from(row).ok()?;
        let computed = Computed::of(&route, None);
        routes.put(route, computed);
    }
    Some(Table { routes, keys: GrantKeys::new(keys?), revision: kept.revision, stale: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::sample;

    #[test]
    fn a_table_reads_back_and_is_stale() {
        let dir = tempfile::tempdir().expect("a folder");
        let empty = load(dir.path()).expect("nothing there is no error");
        assert!(empty.stale && empty.routes.is_empty());
        let table = table();
        state::write(&file(dir.path()), &render(&table)).expect("written");
        let read = load(dir.path()).expect("read");
        assert!(read.stale);
        assert_eq!((read.revision, read.keys), (table.revision, table.keys));
        assert_eq!(
            read.routes.find("a.example").expect("there").route,
            sample::route("https://a.example", 3001)
        );
    }

    #[test]
    fn a_damaged_file_is_put_aside_and_nothing_of_it_is_served() {
        let whole = render(&table());
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        for damaged in [&whole[..whole.len() - 1], &whole[..10], b"", flipped.as_slice()] {
            let dir = tempfile::tempdir().expect("a folder");
            state::write(&file(dir.path()), damaged).expect("written");
            assert!(load(dir.path()).expect("starts").routes.is_empty());
            assert!(dir.path().join("table.corrupt").exists() && !file(dir.path()).exists());
        }
    }

    fn table() -> Table {
        let mut table = Table { revision: 7, ..Table::default() };
        let route = sample::route("https://a.example", 3001);
        let computed = Computed::of(&route, None);
        table.routes.put(route, computed);
        table.keys = GrantKeys::new(vec![GrantKey::new(1, [5; 32])]);
        table
    }
}
