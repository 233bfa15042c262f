//! What clients are told: first what they missed, from the store, then what happens.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt};
use preview_core::attachment::Attachment;
use preview_core::clock::Wall;
use preview_core::command::Authority;
use preview_core::event::Event;
use preview_core::id::{SessionId, UserId};
use preview_core::verdict::ServerState;
use preview_core::wire::Timestamp;
use preview_core::wire::api::VerdictView;
use preview_core::wire::events::{EventView, EventWord, Subject};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::live::Change;
use crate::store::{Store, Telling};

/// Which events to tell.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of this session alone.
    pub session: Option<SessionId>,
    /// Of this user alone.
    pub user: Option<UserId>,
}

/// So many missed events are read from the store at a time.
const PAGE: u32 = 256;

/// Events that `by` may know of and `filter` passes: those after `since` that are kept, if it is given, then those
/// to come. It ends when the store does.
pub(crate) fn follow(
    store: Store,
    by: Authority,
    filter: EventFilter,
    since: Option<u64>,
) -> BoxStream<'static, EventView> {
    let (revision, coming) = store.live().follow();
    // A revision that was never reached is of a store that is gone: then all that is kept is news.
    let last = since.map(|since| if since > revision { 0 } else { since });
    let follower = Follower {
        store,
        by,
        filter,
        last: last.unwrap_or(revision),
        missed: VecDeque::new(),
        is_behind: last.is_some(),
        coming,
    };
    stream::unfold(follower, |mut follower| async {
        let view = follower.next().await?;
        Some((view, follower))
    })
    .boxed()
}

struct Follower {
    store: Store,
    by: Authority,
    filter: EventFilter,
    /// The revision up to which all was told, or passed over.
    last: u64,
    missed: VecDeque<EventView>,
    is_behind: bool,
    coming: Receiver<Arc<Change>>,
}

impl Follower {
    async fn next(&mut self) -> Option<EventView> {
        loop {
            let view = self.any().await?;
            if self.passes(&view) {
                return Some(view);
            }
        }
    }

    /// The next event, whomever it concerns.
    async fn any(&mut self) -> Option<EventView> {
        loop {
            if let Some(view) = self.missed.pop_front() {
                self.last = view.revision;
                return Some(view);
            }
            if self.is_behind {
                self.catch_up().await?;
                continue;
            }
            match self.coming.recv().await {
                Ok(change) if change.revision <= self.last => {}
                Ok(change) => {
                    self.last = change.revision;
                    if let Some(view) = &change.view {
                        return Some(view.clone());
                    }
                }
                Err(RecvError::Lagged(_)) => self.is_behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    async fn catch_up(&mut self) -> Option<()> {
        match self.store.told(self.last, PAGE).await {
            Ok(missed) => {
                self.is_behind = !missed.is_empty();
                self.missed.extend(missed);
                Some(())
            }
            Err(error) => {
                tracing::error!(%error, "a follower of events is let go: the log cannot be read");
                None
            }
        }
    }

    fn passes(&self, view: &EventView) -> bool {
        let (Ok(session), Ok(user)) = (SessionId::new(&view.session_id), UserId::new(&view.user_id)) else {
            return false;
        };
        self.by.covers(&session, &user)
            && self.filter.session.as_ref().is_none_or(|wanted| *wanted == session)
            && self.filter.user.as_ref().is_none_or(|wanted| *wanted == user)
    }
}

/// What clients are told of an event about `attachment`; nothing, if it is none of their business.
pub(crate) fn view(
    revision: u64,
    at: Wall,
    event: &Event,
    attachment: Option<&Attachment>,
    telling: Telling,
) -> Option<EventView> {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let what = match event {
        Event::Bound(..) | Event::Unbound(_) | Event::Blocked(_) | Event::Unblocked(_) => return None,
        // A server that was found anew is ready when it has answered.
        Event::Settled(_, settled) if settled.verdict.state == ServerState::Pending => return None,
        Event::Attached { replaced, .. } => {
            EventWord::Attached { replaced: *replaced, duration_ms: millis(telling.took) }
        }
        Event::Detached { attachment, reason, lifetime } => EventWord::Detached {
            reason: reason.as_str().to_owned(),
            lifetime_seconds: lifetime.as_secs(),
            killed_task: attachment.task.as_ref().filter(|_| telling.ends_task).map(ToString::to_string),
        },
        Event::Withheld(_, true) => EventWord::Blocked,
        Event::Withheld(_, false) => EventWord::Unblocked,
        Event::Rotated(..) => EventWord::Rotated,
        Event::Revoked(..) => EventWord::Revoked,
        Event::Shared(_, share) => EventWord::Shared {
            number: share.number,
            label: share.label.as_str().to_owned(),
            read_only: share.read_only,
            expires_at: Timestamp(share.expires),
        },
        Event::Unshared(_, number) => EventWord::Unshared { number: *number },
        Event::Shown(_, visibility) => EventWord::Visibility { visibility: (*visibility).into() },
        Event::Settled(_, settled) => {
            EventWord::Ready { verdict: VerdictView::of(attachment?, &settled.verdict) }
        }
        Event::WentDown(_) => EventWord::Down,
        Event::Expiring(_, within) => EventWord::Expiring { in_seconds: within.as_secs() },
        Event::LimitHit(_, _, reached) => EventWord::Limit {
            scope: reached.scope.as_str().to_owned(),
            count: reached.count,
            limit: reached.limit,
        },
        Event::TaskExited { task, exit_code, last_lines, .. } => EventWord::TaskExit {
            bash_task_id: task.to_string(),
            exit_code: *exit_code,
            last_lines: last_lines.clone(),
        },
    };
    let (session, user) = match (event, attachment) {
        (Event::LimitHit(session, user, _) | Event::TaskExited { session, user, .. }, _) => (session, user),
        (_, Some(it)) => (&it.session, &it.user),
        (_, None) => return None,
    };
    Some(EventView {
        revision,
        time: Timestamp(at),
        session_id: session.to_string(),
        user_id: user.to_string(),
        subject: attachment.map(subject),
        what,
    })
}

fn subject(it: &Attachment) -> Subject {
    Subject {
        id: it.id.to_string(),
        name: it.name.to_string(),
        kind: it.kind().as_str().to_owned(),
        url: it.page_url(),
        host: it.listener.address.to_string(),
        port: it.listener.port.get(),
        path: it.path.as_str().to_owned(),
    }
}
