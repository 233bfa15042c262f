//! The route feed: the daemon says which host leads where, and the request path gets it as one table after another.
//!
//! The daemon may go away at any time; then the last table stays, marked stale, until it is back.

mod apply;
mod last;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use preview_core::wire::watch::FeedLine;
use thiserror::Error;
use tokio::sync::watch::Sender;
use tokio::time::timeout;

pub(crate) use last::{keep, load};

use crate::control::DaemonError;
use crate::route::Table;
use crate::shared::Shared;
use apply::{Applier, FeedError};

/// The first pause after the feed broke off, and the longest.
const PAUSE: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];
/// A feed that is silent for longer is dead: the daemon sends a heartbeat every 10 s.
const SILENCE: Duration = Duration::from_secs(25);
/// Bytes that one line of the feed may have.
const LINE: usize = 1 << 20;

/// What the control thread's parts tell one another about the feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The first attempt is over: the table is as fresh as it will be for now.
    pub(crate) tried: bool,
    /// The daemon's node, once it was heard of.
    pub(crate) node: Option<String>,
    /// Counts the tables that were published.
    pub(crate) tables: u64,
}

/// Why the feed broke off.
#[derive(Debug, Error)]
enum Ended {
    /// It could not be opened.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// It broke off.
    #[error("the route feed broke off")]
    Broken(#[from] hyper::Error),
    /// The daemon ended it.
    #[error("the daemon ended the route feed")]
    Closed,
    /// Nothing came, not even heartbeats.
    #[error("the route feed was silent for {SILENCE:?}")]
    Silent,
    /// It makes no sense.
    #[error("the route feed makes no sense")]
    Feed(#[from] FeedError),
}

/// Follows the feed for ever.
pub(crate) async fn follow(shared: Arc<Shared>, progress: Sender<Progress>) {
    let mut applier = Applier::default();
    let mut pause = PAUSE[0];
    loop {
        let before = progress.borrow().tables;
        let Err(ended) = once(&shared, &mut applier, &progress).await;
        if progress.borrow().tables == before {
            tracing::debug!(error = %chain(&ended), "the daemon is still away");
        } else {
            pause = PAUSE[0];
            tracing::warn!(error = %chain(&ended), "the daemon is away: its last routes stay in force");
        }
        mark_stale(&shared);
        progress.send_modify(|it| it.tried = true);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE[1]);
    }
}

/// Follows one feed to its end.
async fn once(
    shared: &Shared,
    applier: &mut Applier,
    progress: &Sender<Progress>,
) -> Result<std::convert::Infallible, Ended> {
    let mut feed = shared.daemon.feed(applier.resume()).await?;
    let mut buffer = BytesMut::new();
    // The table that is being made; nobody else publishes any.
    let mut next = None;
    loop {
        let lines = lines(&mut feed, &mut buffer).await?;
        let table = next.get_or_insert_with(|| Table::clone(&shared.table.load()));
        let mut whole = false;
        for line in lines {
            if let FeedLine::Hello { node, .. } = &line {
                progress.send_modify(|it| it.node = Some(node.clone()));
            }
            whole |= applier.apply(line, table)?;
        }
        if let Some(table) = next.take_if(|_| whole) {
            publish(shared, Table { stale: false, ..table }, applier.take_ended());
            progress.send_modify(|it| {
                it.tables += 1;
                it.tried = true;
            });
        }
    }
}

/// The next lines, as many as have come; at least one.
async fn lines(feed: &mut Incoming, buffer: &mut BytesMut) -> Result<Vec<FeedLine>, Ended> {
    loop {
        let frame =
            timeout(SILENCE, feed.frame()).await.map_err(|_| Ended::Silent)?.ok_or(Ended::Closed)??;
        let Ok(data) = frame.into_data() else { continue };
        buffer.extend_from_slice(&data);
        let mut lines = Vec::new();
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            lines.push(serde_json::from_slice(&buffer[..end]).map_err(FeedError::Line)?);
            buffer.advance(end + 1);
        }
        if buffer.len() > LINE {
            return Err(FeedError::Long.into());
        }
        if !lines.is_empty() {
            return Ok(lines);
        }
    }
}

/// Publishes a table, then ends what it ends: a client that comes back at once finds the new one.
fn publish(shared: &Shared, table: Table, ended: Vec<apply::Ended>) {
    shared.table.store(Arc::new(table));
    for it in ended {
        it.computed.end();
        if it.gone {
            shared.owner.forget(it.id);
        }
    }
}

fn mark_stale(shared: &Shared) {
    let table = shared.table.load();
    if !table.stale {
        shared.table.store(Arc::new(Table { stale: true, ..(**table).clone() }));
    }
}

/// An error and its sources, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
