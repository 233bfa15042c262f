//! What is attached now, in memory: the state that the last commit left, and the changes as they come.
//!
//! The store's writer applies each commit before it answers, so that whoever was answered sees what he did.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use preview_core::attachment::Attachment;
use preview_core::block::Blocks;
use preview_core::command::Reads;
use preview_core::event::Event;
use preview_core::id::{AttachmentId, Name, SessionId, UserId};
use preview_core::registry::Scope;
use preview_core::route::{Route, RouteChange};
use preview_core::wire::events::EventView;
use tokio::sync::broadcast;

/// A change that is on disk.
#[derive(Debug)]
pub(crate) struct Change {
    /// Its place in the order of all changes.
    pub revision: u64,
    /// What happened.
    pub event: Event,
    /// The attachment it is about: as it is after it, or as it was before it ended.
    pub attachment: Option<Attachment>,
    /// What clients are told of it.
    pub view: Option<EventView>,
}

/// The present state.
#[derive(Debug)]
pub(crate) struct Live {
    state: RwLock<State>,
    changes: broadcast::Sender<Arc<Change>>,
}

#[derive(Debug, Default)]
struct State {
    revision: u64,
    attachments: BTreeMap<AttachmentId, Arc<Attachment>>,
    by_host: HashMap<String, AttachmentId>,
    sessions: HashMap<SessionId, UserId>,
    blocks: Blocks,
    /// The last route changes; every one after `forgotten` is there.
    recent: VecDeque<(u64, RouteChange)>,
    forgotten: u64,
}

/// Where a route feed starts.
#[derive(Debug)]
pub(crate) enum Start {
    /// With the changes after the revision asked for.
    Resume(Vec<(u64, RouteChange)>),
    /// With all routes there are.
    Snapshot(Vec<Arc<Attachment>>),
}

/// So many changes a follower may be behind before he must catch up from the store or a snapshot.
const BACKLOG: usize = 1_024;

/// So many route changes are kept for edges that come back (`docs/contract.md` §3).
const RECENT: usize = 10_000;

impl Change {
    /// What it does to the route table.
    pub(crate) fn route(&self) -> Option<RouteChange> {
        let attachment = self.attachment.as_ref()?;
        match self.event {
            Event::Detached { .. } => Some(RouteChange::Remove(attachment.id)),
            // For edges, what is shut out is not there.
            _ if attachment.blocked => Some(RouteChange::Remove(attachment.id)),
            Event::Attached { .. }
            | Event::Rotated(..)
            | Event::Revoked(..)
            | Event::Shared(..)
            | Event::Unshared(..)
            | Event::Shown(..)
            | Event::Withheld(..)
            | Event::Settled(..)
            | Event::WentDown(_) => Some(RouteChange::Put(Box::new(Route::to(attachment)))),
            Event::Bound(..)
            | Event::Unbound(_)
            | Event::Blocked(_)
            | Event::Unblocked(_)
            | Event::Expiring(..)
            | Event::LimitHit(..)
            | Event::TaskExited { .. } => None,
        }
    }
}

impl Live {
    /// The state that was found in the store.
    pub(crate) fn new(
        revision: u64,
        attachments: Vec<Attachment>,
        sessions: HashMap<SessionId, UserId>,
        blocks: Blocks,
    ) -> Self {
        let by_host = attachments.iter().map(|it| (it.url.host.clone(), it.id)).collect();
        let attachments = attachments.into_iter().map(|it| (it.id, Arc::new(it))).collect();
        let (recent, forgotten) = (VecDeque::new(), revision);
        let state = State { revision, attachments, by_host, sessions, blocks, recent, forgotten };
        Self { state: RwLock::new(state), changes: broadcast::Sender::new(BACKLOG) }
    }

    /// Takes what was committed, in order. Only the store's writer calls it.
    pub(crate) fn apply(&self, changes: &[Arc<Change>]) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            state.apply(change);
            // An error means that nobody follows.
            let _ = self.changes.send(Arc::clone(change));
        }
    }

    /// The last revision.
    pub(crate) fn revision(&self) -> u64 {
        self.read().revision
    }

    /// One attachment.
    pub(crate) fn get(&self, id: AttachmentId) -> Option<Arc<Attachment>> {
        self.read().attachments.get(&id).cloned()
    }

    /// What a session calls by this name.
    pub(crate) fn named(&self, session: &SessionId, name: &Name) -> Option<Arc<Attachment>> {
        self.read().attachments.values().find(|it| it.session == *session && it.name == *name).cloned()
    }

    /// The attachment with this host name, unless it is shut out.
    pub(crate) fn at_host(&self, host: &str) -> Option<Arc<Attachment>> {
        let state = self.read();
        state.attachments.get(state.by_host.get(host)?).filter(|it| !it.blocked).cloned()
    }

    /// Who is shut out.
    pub(crate) fn blocks(&self) -> Blocks {
        self.read().blocks.clone()
    }

    /// The user a session is bound to.
    pub(crate) fn user_of(&self, session: &SessionId) -> Option<UserId> {
        self.read().sessions.get(session).cloned()
    }

    /// At most so many of those after an id that pass, in the order of their ids.
    pub(crate) fn page(
        &self,
        after: Option<AttachmentId>,
        most: usize,
        passes: impl Fn(&Attachment) -> bool,
    ) -> Vec<Arc<Attachment>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.read();
        let from = state.attachments.range((start, Bound::Unbounded));
        from.map(|(_, it)| it).filter(|it| passes(it)).take(most).cloned().collect()
    }

    /// All attachments, in the order of their ids.
    pub(crate) fn all(&self) -> Vec<Arc<Attachment>> {
        self.read().attachments.values().cloned().collect()
    }

    /// What a command would see if it were decided now.
    pub(crate) fn scope(&self, reads: &Reads) -> Scope {
        let state = self.read();
        let wanted = |it: &Attachment| {
            reads.ids.contains(&it.id)
                || reads.sessions.contains(&it.session)
                || reads.users.contains(&it.user)
                || reads.hosts.contains(&it.url.host)
                || reads.listeners.contains(&it.listener)
        };
        let attachments = state.attachments.values().filter(|it| wanted(it));
        let blocks = state.blocks.iter();
        let blocks = blocks.filter(|it| reads.all_blocks || reads.blocks.contains(&it.target));
        let sessions = reads.sessions.iter().filter_map(|id| state.sessions.get_key_value(id));
        Scope {
            attachments: attachments.map(|it| (it.id, (**it).clone())).collect(),
            sessions: sessions.map(|(id, user)| (id.clone(), user.clone())).collect(),
            blocks: blocks.cloned().collect(),
        }
    }

    /// All changes after the revision it names.
    pub(crate) fn follow(&self) -> (u64, broadcast::Receiver<Arc<Change>>) {
        let state = self.read();
        (state.revision, self.changes.subscribe())
    }

    /// The routes as they are at the revision it names, or what has changed since `since`, and all changes after
    /// that revision.
    pub(crate) fn follow_routes(&self, since: Option<u64>) -> (u64, Start, broadcast::Receiver<Arc<Change>>) {
        let state = self.read();
        let start = match since.filter(|since| (state.forgotten..=state.revision).contains(since)) {
            Some(since) => {
                Start::Resume(state.recent.iter().filter(|(at, _)| *at > since).cloned().collect())
            }
            None => Start::Snapshot(state.attachments.values().filter(|it| !it.blocked).cloned().collect()),
        };
        (state.revision, start, self.changes.subscribe())
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn apply(&mut self, change: &Change) {
        self.revision = change.revision;
        match (&change.event, change.route()) {
            (Event::Bound(session, user), _) => {
                self.sessions.insert(session.clone(), user.clone());
            }
            (Event::Unbound(session), _) => {
                self.sessions.remove(session);
            }
            (Event::Blocked(block), _) => self.blocks.add((**block).clone()),
            (Event::Unblocked(target), _) => {
                self.blocks.remove(target);
            }
            (Event::Detached { attachment, .. }, _) => self.remove(attachment.id),
            (_, Some(_)) => {
                if let Some(attachment) = &change.attachment {
                    self.remove(attachment.id);
                    self.by_host.insert(attachment.url.host.clone(), attachment.id);
                    self.attachments.insert(attachment.id, Arc::new(attachment.clone()));
                }
            }
            (_, None) => {}
        }
        if let Some(route) = change.route() {
            self.recent.push_back((change.revision, route));
            if self.recent.len() > RECENT
                && let Some((revision, _)) = self.recent.pop_front()
            {
                self.forgotten = revision;
            }
        }
    }

    fn remove(&mut self, id: AttachmentId) {
        if let Some(attachment) = self.attachments.remove(&id) {
            self.by_host.remove(&attachment.url.host);
        }
    }
}
