//! The route feed: how edges know what there is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use preview_core::grant::GrantKeys;
use preview_core::id::NodeId;
use preview_core::route::{Route, RouteChange};
use preview_core::wire::watch::{FEED_VERSION, FeedLine, KeyRow, RouteRow};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::keys::Keys;
use crate::live::{Change, Live, Start};

/// After so long without a line comes a heartbeat (`docs/contract.md` §4).
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The feed for an edge that knows all up to `since`. It ends when the daemon does.
pub(crate) fn follow(
    live: Arc<Live>,
    keys: &Keys,
    node: &NodeId,
    since: Option<u64>,
) -> BoxStream<'static, FeedLine> {
    let mut keys = keys.follow();
    let hello = FeedLine::Hello { version: FEED_VERSION, node: node.to_string() };
    let mut lines = VecDeque::from([hello, key_line(&keys.borrow_and_update())]);
    let (last, changes) = begin(&live, since, &mut lines);
    let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let feed = Feed { live, keys, changes, last, lines, heartbeat };
    stream::unfold(feed, |mut feed| async {
        let next = feed.next().await?;
        Some((next, feed))
    })
    .boxed()
}

struct Feed {
    live: Arc<Live>,
    keys: watch::Receiver<GrantKeys>,
    changes: Receiver<Arc<Change>>,
    /// The revision up to which all is in `lines` or was told.
    last: u64,
    lines: VecDeque<FeedLine>,
    heartbeat: Interval,
}

impl Feed {
    async fn next(&mut self) -> Option<FeedLine> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                self.heartbeat.reset();
                return Some(line);
            }
            tokio::select! {
                change = self.changes.recv() => match change {
                    Ok(change) => self.take(&change),
                    Err(RecvError::Lagged(_)) => {
                        (self.last, self.changes) = begin(&self.live, Some(self.last), &mut self.lines);
                    }
                    Err(RecvError::Closed) => return None,
                },
                changed = self.keys.changed() => {
                    changed.ok()?;
                    self.lines.push_back(key_line(&self.keys.borrow_and_update()));
                }
                _ = self.heartbeat.tick() => {
                    self.lines.push_back(FeedLine::Heartbeat { revision: self.last });
                }
            }
        }
    }

    fn take(&mut self, change: &Change) {
        if change.revision > self.last {
            self.last = change.revision;
            self.lines.extend(change.route().map(|route| change_line(change.revision, &route)));
        }
    }
}

/// Queues what an edge that knows all up to `since` has missed; gives the revision it knows then, and what follows.
fn begin(live: &Live, since: Option<u64>, lines: &mut VecDeque<FeedLine>) -> (u64, Receiver<Arc<Change>>) {
    let (revision, start, changes) = live.follow_routes(since);
    match start {
        Start::Resume(missed) => lines.extend(missed.iter().map(|(at, route)| change_line(*at, route))),
        Start::Snapshot(all) => {
            lines.push_back(FeedLine::Snapshot { revision, count: all.len() });
            lines.extend(all.iter().map(|it| put_line(revision, &Route::to(it))));
            lines.push_back(FeedLine::SnapshotEnd { revision });
        }
    }
    (revision, changes)
}

fn change_line(revision: u64, change: &RouteChange) -> FeedLine {
    match change {
        RouteChange::Put(route) => put_line(revision, route),
        RouteChange::Remove(id) => FeedLine::Remove { revision, id: id.to_string() },
    }
}

fn put_line(revision: u64, route: &Route) -> FeedLine {
    FeedLine::Put { revision, route: Box::new(RouteRow::from(route)) }
}

fn key_line(keys: &GrantKeys) -> FeedLine {
    FeedLine::Keys { keys: keys.as_slice().iter().map(KeyRow::from).collect() }
}
