//! The route table: which host name leads to which listener.
//!
//! Routing is a look-up of the exact host name, never a parse. A table is built by changes in the order of their
//! revisions; an edge publishes each state of it as a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use crate::attachment::{Attachment, Visibility};
use crate::clock::Wall;
use crate::id::{AttachmentId, SessionId, UserId};
use crate::listener::Listener;
use crate::share::Shares;
use crate::template::Rendered;
use crate::token::{TokenDigest, Tokens};
use crate::verdict::{HostPolicy, ServerState};

/// What an edge knows of one attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The attachment.
    pub id: AttachmentId,
    /// Its session.
    pub session: SessionId,
    /// Its user.
    pub user: UserId,
    /// Its public origin and host name.
    pub url: Rendered,
    /// What is dialled.
    pub listener: Listener,
    /// Whose it must be.
    pub owner: RouteOwner,
    /// How requests present themselves.
    pub policy: HostPolicy,
    /// Whether it was found up.
    pub state: ServerState,
    /// Who may see it.
    pub visibility: Visibility,
    /// The digests of its tokens.
    pub tokens: Tokens,
    /// Links that were handed out to others.
    pub shares: Shares,
    /// Grants of another epoch are refused.
    pub epoch: u64,
}

/// What an edge can compare of a listener's owner by itself; anything new it asks the daemon about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteOwner {
    /// The socket's uid.
    pub uid: u32,
    /// The socket's inode.
    pub inode: u64,
    /// The socket's cgroup id, where the kernel says it.
    pub cgroup: Option<u64>,
}

/// A change of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteChange {
    /// A route is new or different.
    Put(Box<Route>),
    /// A route is gone.
    Remove(AttachmentId),
}

/// Routes by host name and by id, each with what its edge has computed from it.
#[derive(Clone, Debug)]
pub struct RouteTable<X = ()> {
    by_host: HashMap<Arc<str>, Arc<Entry<X>>>,
    by_id: HashMap<AttachmentId, Arc<Entry<X>>>,
}

/// A route, and what its edge has computed from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<X = ()> {
    /// The route.
    pub route: Route,
    /// What only changes with it.
    pub computed: X,
}

impl Route {
    /// The route to an attachment.
    #[must_use]
    pub fn to(it: &Attachment) -> Self {
        Self {
            id: it.id,
            session: it.session.clone(),
            user: it.user.clone(),
            url: it.url.clone(),
            listener: it.listener,
            owner: RouteOwner { uid: it.owner.uid, inode: it.owner.inode, cgroup: it.owner.cgroup },
            policy: it.verdict.policy,
            state: it.verdict.state,
            visibility: it.visibility,
            tokens: it.tokens,
            shares: it.shares.clone(),
            epoch: it.epoch,
        }
    }
}

impl Route {
    /// Whether this token is one of the attachment's or of a link for others.
    #[must_use]
    pub fn is_opened_by(&self, token: &str, now: Wall) -> bool {
        let given = TokenDigest::of(token);
        self.tokens.admit_digest(&given, now) | self.shares.find(&given, now).is_some()
    }
}

impl<X> Default for RouteTable<X> {
    fn default() -> Self {
        Self { by_host: HashMap::new(), by_id: HashMap::new() }
    }
}

impl<X> RouteTable<X> {
    /// The route of a host name (lower case, without port).
    #[must_use]
    pub fn find(&self, host: &str) -> Option<&Arc<Entry<X>>> {
        self.by_host.get(host)
    }

    /// The route of an attachment.
    #[must_use]
    pub fn get(&self, id: AttachmentId) -> Option<&Arc<Entry<X>>> {
        self.by_id.get(&id)
    }

    /// All routes, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Entry<X>>> {
        self.by_id.values()
    }

    /// How many routes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Puts a route in, in place of the same attachment's former one and of its former host name.
    pub fn put(&mut self, route: Route, computed: X) {
        self.remove(route.id);
        let entry = Arc::new(Entry { route, computed });
        if let Some(displaced) = self.by_host.insert(entry.route.url.host.as_str().into(), Arc::clone(&entry))
        {
            self.by_id.remove(&displaced.route.id);
        }
        self.by_id.insert(entry.route.id, entry);
    }

    /// Takes a route out.
    pub fn remove(&mut self, id: AttachmentId) -> Option<Arc<Entry<X>>> {
        let entry = self.by_id.remove(&id)?;
        self.by_host.remove(entry.route.url.host.as_str());
        Some(entry)
    }
}
