//! What one line of the feed does to a table.

use std::sync::Arc;

use preview_core::grant::{GrantKey, GrantKeys};
use preview_core::id::AttachmentId;
use preview_core::route::{Entry, Route, RouteTable};
use preview_core::wire::watch::{FEED_VERSION, FeedLine, InvalidRow, KeyRow, RouteRow};
use thiserror::Error;

use crate::route::{Computed, Table};

/// Where in the feed we are.
#[derive(Debug, Default)]
pub(super) struct Applier {
    /// The last revision that this process has heard of; a table kept on disk may be another daemon's.
    revision: Option<u64>,
    /// A snapshot that is not whole yet.
    snapshot: Option<RouteTable<Computed>>,
    /// Keys that came before a table worth publishing.
    keys: Option<GrantKeys>,
    ended: Vec<Ended>,
}

/// A route whose tunnels and streams must end.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) id: AttachmentId,
    pub(super) computed: Computed,
    /// The attachment itself is gone.
    pub(super) gone: bool,
}

/// A feed that cannot be followed.
#[derive(Debug, Error)]
pub(super) enum FeedError {
    /// It is too new, or too old.
    #[error(
        "it is of version {0}, this edge reads {FEED_VERSION} and its neighbours: upgrade the older of the two"
    )]
    Version(u32),
    /// A line is not what it should be.
    #[error("a line cannot be read")]
    Line(#[source] serde_json::Error),
    /// A line has no end.
    #[error("a line is too long")]
    Long,
    /// A key is not what it should be.
    #[error("a grant key cannot be read")]
    Key(#[source] InvalidRow),
    /// A snapshot ended that had not begun.
    #[error("a snapshot ends that has not begun")]
    End,
}

impl Applier {
    /// From where on the feed is to be resumed; `None` asks for a snapshot.
    pub(super) fn resume(&mut self) -> Option<u64> {
        self.snapshot = None;
        self.revision
    }

    /// What has ended since this was last asked.
    pub(super) fn take_ended(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.ended)
    }

    /// Applies a line; says whether the table is worth publishing after it.
    pub(super) fn apply(&mut self, line: FeedLine, table: &mut Table) -> Result<bool, FeedError> {
        match line {
            FeedLine::Hello { version, .. } if version.abs_diff(FEED_VERSION) > 1 => {
                Err(FeedError::Version(version))
            }
            // A feed that resumes may have nothing more to say: the table is fresh again.
            FeedLine::Hello { .. } => Ok(self.revision.is_some()),
            FeedLine::Snapshot { .. } => {
                self.snapshot = Some(RouteTable::default());
                Ok(false)
            }
            FeedLine::SnapshotEnd { revision } => {
                let routes = self.snapshot.take().ok_or(FeedError::End)?;
                self.replace(table, routes);
                Ok(self.reached(revision, table))
            }
            FeedLine::Put { revision, route } => {
                match &mut self.snapshot {
                    Some(snapshot) => {
                        let before = route.id.parse().ok().and_then(|id| table.routes.get(id));
                        put(&route, snapshot, before.map(|old| &old.computed));
                        return Ok(false);
                    }
                    None => self.change(&route, table),
                }
                Ok(self.reached(revision, table))
            }
            FeedLine::Remove { revision, id } => {
                if let Ok(id) = id.parse() {
                    self.remove(id, table);
                }
                Ok(self.reached(revision, table))
            }
            FeedLine::Keys { keys } => {
                let keys: Result<Vec<GrantKey>, _> = keys.iter().map(|row: &KeyRow| row.try_into()).collect();
                self.keys = Some(GrantKeys::new(keys.map_err(FeedError::Key)?));
                let is_whole = self.snapshot.is_none() && self.revision.is_some();
                Ok(is_whole && self.settle(table))
            }
            FeedLine::Heartbeat { .. } | FeedLine::Unknown => Ok(false),
        }
    }

    fn reached(&mut self, revision: u64, table: &mut Table) -> bool {
        self.revision = Some(revision);
        table.revision = revision;
        self.settle(table)
    }

    fn settle(&mut self, table: &mut Table) -> bool {
        if let Some(keys) = self.keys.take() {
            table.keys = keys;
        }
        true
    }

    /// Puts `routes` in the place of all there were.
    fn replace(&mut self, table: &mut Table, routes: RouteTable<Computed>) {
        let before = std::mem::replace(&mut table.routes, routes);
        for old in before.iter() {
            self.compare(old, table);
        }
    }

    fn change(&mut self, row: &RouteRow, table: &mut Table) {
        let before = row.id.parse().ok().and_then(|id| table.routes.get(id)).cloned();
        let displaced = table.routes.find(&row.host_name).cloned();
        put(row, &mut table.routes, before.as_ref().map(|old| &old.computed));
        for old in before.iter().chain(displaced.iter().filter(|it| it.route.id.as_str() != row.id)) {
            self.compare(old, table);
        }
    }

    fn remove(&mut self, id: AttachmentId, table: &mut Table) {
        if let Some(old) = table.routes.remove(id) {
            self.compare(&old, table);
        }
    }

    /// Notes that `old` has ended, unless its tunnels may go on in the table there is now.
    fn compare(&mut self, old: &Arc<Entry<Computed>>, table: &Table) {
        let new = table.routes.get(old.route.id);
        if new.is_some_and(|new| new.computed.continues(&old.computed)) {
            return;
        }
        self.ended.push(Ended { id: old.route.id, computed: old.computed.clone(), gone: new.is_none() });
    }
}

/// Puts a row into `routes`, with what may be taken over from what was computed before. A row that cannot be read
/// leads nowhere: an old form of it could lead to the wrong place.
fn put(row: &RouteRow, routes: &mut RouteTable<Computed>, before: Option<&Computed>) {
    match Route::try_from(row) {
        Ok(route) => {
            let computed = Computed::of(&route, before);
            routes.put(route, computed);
        }
        Err(error) => {
            tracing::error!(%error, id = row.id, "a route of the feed cannot be read, it leads nowhere");
            if let Ok(id) = row.id.parse() {
                routes.remove(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::sample;

    #[test]
    fn a_snapshot_takes_the_place_of_all_there_was_once_it_is_whole() {
        let (mut applier, mut table) = (Applier::default(), Table { stale: true, ..Table::default() });
        assert_eq!(applier.resume(), None);
        feed(&mut applier, &mut table, &[hello(), keys(1), snapshot(3), put(3, "a", 3001)]);
        assert!(table.routes.is_empty() && table.keys.as_slice().is_empty(), "not whole yet");
        assert!(feed(&mut applier, &mut table, &[end(3)]));
        assert_eq!((table.routes.len(), table.revision, table.keys.as_slice().len()), (1, 3, 1));
        assert_eq!(applier.resume(), Some(3));

        feed(&mut applier, &mut table, &[hello(), snapshot(9), put(9, "b", 3002), end(9)]);
        assert!(table.routes.find("a.example").is_none() && table.routes.find("b.example").is_some());
        assert_eq!(ended(&mut applier), [("a", true)]);
    }

    #[test]
    fn a_snapshot_that_says_the_same_ends_no_tunnel() {
        let (mut applier, mut table) = (Applier::default(), Table::default());
        let lines = [hello(), snapshot(1), put(1, "a", 3001), end(1)];
        feed(&mut applier, &mut table, &lines);
        feed(&mut applier, &mut table, &lines);
        assert_eq!(ended(&mut applier), []);
    }

    #[test]
    fn tunnels_end_with_their_route_their_listener_or_their_epoch() {
        let (mut applier, mut table) = (Applier::default(), Table::default());
        feed(&mut applier, &mut table, &[hello(), snapshot(1), end(1)]);
        feed(&mut applier, &mut table, &[put(2, "a", 3001), put(3, "b", 3002), put(4, "a", 3001)]);
        assert_eq!(ended(&mut applier), []);
        feed(&mut applier, &mut table, &[put(5, "a", 3009)]);
        assert_eq!(ended(&mut applier), [("a", false)]);
        let FeedLine::Put { route, .. } = put(6, "a", 3009) else { unreachable!("it is a put") };
        let revoked = FeedLine::Put { revision: 6, route: Box::new(RouteRow { epoch: 1, ..*route }) };
        feed(&mut applier, &mut table, &[revoked]);
        assert_eq!(ended(&mut applier), [("a", false)]);
        let id = sample::route("https://b.example", 3002).id;
        feed(&mut applier, &mut table, &[FeedLine::Remove { revision: 7, id: id.to_string() }]);
        assert_eq!(ended(&mut applier), [("b", true)]);
        assert_eq!((table.revision, applier.resume()), (7, Some(7)));
    }

    #[test]
    fn an_attachment_that_takes_a_host_ends_the_one_that_had_it() {
        let (mut applier, mut table) = (Applier::default(), Table::default());
        feed(&mut applier, &mut table, &[hello(), snapshot(1), put(1, "a", 3001), end(1)]);
        let FeedLine::Put { route, .. } = put(2, "b", 3002) else { unreachable!("it is a put") };
        let taken = RouteRow { host_name: "a.example".to_owned(), ..*route };
        feed(&mut applier, &mut table, &[FeedLine::Put { revision: 2, route: Box::new(taken) }]);
        assert_eq!(ended(&mut applier), [("a", true)]);
        assert_eq!(table.routes.len(), 1);
    }

    #[test]
    fn a_row_that_makes_no_sense_leads_nowhere() {
        let (mut applier, mut table) = (Applier::default(), Table::default());
        feed(&mut applier, &mut table, &[hello(), snapshot(1), put(1, "a", 3001), end(1)]);
        let FeedLine::Put { route, .. } = put(2, "a", 3001) else { unreachable!("it is a put") };
        let bad = RouteRow { address: "192.0.2.1".to_owned(), ..*route };
        feed(&mut applier, &mut table, &[FeedLine::Put { revision: 2, route: Box::new(bad) }]);
        assert!(table.routes.is_empty());
        assert_eq!(ended(&mut applier), [("a", true)]);
    }

    #[test]
    fn the_neighbouring_versions_are_read_and_no_other() {
        let apply = |version| {
            let hello = FeedLine::Hello { version, node: "n".to_owned() };
            Applier::default().apply(hello, &mut Table::default())
        };
        assert!(apply(FEED_VERSION + 1).is_ok() && apply(FEED_VERSION - 1).is_ok());
        assert!(matches!(apply(FEED_VERSION + 2), Err(FeedError::Version(_))));
    }

    fn feed(applier: &mut Applier, table: &mut Table, lines: &[FeedLine]) -> bool {
        lines.iter().fold(false, |_, line| applier.apply(line.clone(), table).expect("a good line"))
    }

    /// Who has ended, by the first letter of its host, and whether it is gone.
    fn ended(applier: &mut Applier) -> Vec<(&'static str, bool)> {
        let name = |id| ["a", "b"].into_iter().find(|name| sample::route(&origin(name), 1).id == id);
        applier.take_ended().iter().map(|it| (name(it.id).expect("one of them"), it.gone)).collect()
    }

    fn put(revision: u64, name: &str, port: u16) -> FeedLine {
        let route = RouteRow::from(&sample::route(&origin(name), port));
        FeedLine::Put { revision, route: Box::new(route) }
    }

    fn origin(name: &str) -> String {
        format!("https://{name}.example")
    }

    fn hello() -> FeedLine {
        FeedLine::Hello { version: FEED_VERSION, node: "n".to_owned() }
    }

    fn keys(number: u32) -> FeedLine {
        FeedLine::Keys { keys: vec![KeyRow::from(&GrantKey::new(number, [1; 32]))] }
    }

    fn snapshot(revision: u64) -> FeedLine {
        FeedLine::Snapshot { revision, count: 0 }
    }

    fn end(revision: u64) -> FeedLine {
        FeedLine::SnapshotEnd { revision }
    }
}
