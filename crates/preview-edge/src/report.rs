//! What the daemon is told of visits: every few seconds, changed attachments only.

use std::collections::HashMap;
use std::sync::Arc;

use preview_core::wire::watch::{ActivityEntry, ActivityReport};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use crate::activity;
use crate::control::DaemonError;
use crate::shared::Shared;
use crate::watch::Progress;

/// Reports for ever. What cannot be delivered is kept and told later: a daemon that is away must not take a
/// preview for unvisited.
pub(crate) async fn run(shared: Arc<Shared>, progress: Receiver<Progress>) {
    let mut unsent = Unsent::default();
    loop {
        tokio::time::sleep(shared.config.times.report).await;
        unsent.add(activity::drain(&shared), Instant::now());
        let Some(node) = progress.borrow().node.clone() else { continue };
        if unsent.entries.is_empty() {
            continue;
        }
        let report = ActivityReport { node, entries: unsent.entries.values().cloned().collect() };
        let sent: Result<serde::de::IgnoredAny, DaemonError> =
            shared.daemon.post("/v1/activity", &report).await;
        match sent {
            Ok(_) => unsent.entries.clear(),
            Err(error) => tracing::debug!(%error, "activity could not be reported, it is kept"),
        }
    }
}

/// What was not delivered yet, as of a moment.
#[derive(Debug, Default)]
struct Unsent {
    as_of: Option<Instant>,
    entries: HashMap<String, ActivityEntry>,
}

impl Unsent {
    /// Adds what was seen until `now`, and lets what was there before grow older.
    fn add(&mut self, fresh: Vec<ActivityEntry>, now: Instant) {
        let passed = self.as_of.replace(now).map_or(0, |before| millis(now - before));
        for old in self.entries.values_mut() {
            old.visit_ago_ms = old.visit_ago_ms.map(|ago| ago.saturating_add(passed));
            old.presence_ago_ms = old.presence_ago_ms.map(|ago| ago.saturating_add(passed));
        }
        for new in fresh {
            match self.entries.get_mut(&new.id) {
                Some(old) => merge(old, &new),
                None => {
                    self.entries.insert(new.id.clone(), new);
                }
            }
        }
    }
}

fn merge(old: &mut ActivityEntry, new: &ActivityEntry) {
    let latest = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
    old.visit_ago_ms = latest(old.visit_ago_ms, new.visit_ago_ms);
    old.presence_ago_ms = latest(old.presence_ago_ms, new.presence_ago_ms);
    old.open = new.open;
    old.requests += new.requests;
    old.bytes_in += new.bytes_in;
    old.bytes_out += new.bytes_out;
    for (code, count) in &new.refused {
        *old.refused.entry(code.clone()).or_default() += count;
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_not_delivered_grows_older_and_keeps_its_sums() {
        let start = Instant::now();
        let mut unsent = Unsent::default();
        unsent.add(vec![entry("a", Some(100), 2), entry("b", Some(0), 1)], start);
        unsent.add(vec![entry("a", Some(50), 3)], start + Duration::from_secs(5));
        assert_eq!(unsent.entries["a"], entry("a", Some(50), 5));
        assert_eq!(unsent.entries["b"], entry("b", Some(5_000), 1));
        unsent.add(vec![entry("a", None, 0)], start + Duration::from_secs(10));
        assert_eq!(unsent.entries["a"], entry("a", Some(5_050), 5));
    }

    #[test]
    fn refusals_that_were_not_delivered_are_added_up() {
        let refused = |count| ActivityEntry {
            refused: [("unauthorized".to_owned(), count)].into(),
            ..entry("a", None, 0)
        };
        let mut unsent = Unsent::default();
        unsent.add(vec![refused(2)], Instant::now());
        unsent.add(vec![refused(3)], Instant::now());
        assert_eq!(unsent.entries["a"], refused(5));
    }

    fn entry(id: &str, visit_ago_ms: Option<u64>, requests: u64) -> ActivityEntry {
        ActivityEntry { id: id.to_owned(), visit_ago_ms, requests, ..ActivityEntry::default() }
    }
}
