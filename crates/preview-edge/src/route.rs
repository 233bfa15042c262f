//! The route table as the request path sees it: core's, and what was computed of each route when it changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use preview_core::access::AccessMode;
use preview_core::attachment::Visibility;
use preview_core::grant::GrantKeys;
use preview_core::id::{AttachmentId, Name, NodeId, SessionId, UserId};
use preview_core::listener::{Listener, Loopback};
use preview_core::ports::Port;
use preview_core::route::{Route, RouteOwner, RouteTable};
use preview_core::share::Shares;
use preview_core::template::Facts;
use preview_core::token::{TokenDigest, Tokens};
use preview_core::verdict::{HostPolicy, ServerState};
use tokio_util::sync::CancellationToken;

use crate::activity::Traffic;
use crate::config::Config;
use crate::headers::origin::Origins;
use crate::request::quota::Quota;

/// A route with what was computed of it.
pub(crate) type Entry = preview_core::route::Entry<Computed>;

/// Everything the request path looks things up in; published as a whole, never changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) routes: RouteTable<Computed>,
    pub(crate) keys: GrantKeys,
    /// The feed's revision that it shows.
    pub(crate) revision: u64,
    /// Whether the daemon is away, so that changes may be missing.
    pub(crate) stale: bool,
}

/// What is computed of a route when it changes, and not again for each request.
#[derive(Clone, Debug)]
pub(crate) struct Computed {
    listener: Listener,
    epoch: u64,
    /// The links for others that were there.
    shares: Vec<u32>,
    visibility: Visibility,
    ended: CancellationToken,
    /// Differs wherever `ended` does: connections of another generation are not used.
    pub(crate) generation: u64,
    /// The public and the local name of the place.
    pub(crate) origins: Origins,
    /// Whether it is known whose the listener must be.
    pub(crate) has_owner: bool,
    /// What is counted as long as the attachment lives.
    pub(crate) live: Arc<Live>,
}

/// What is counted of one attachment, by all threads.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) traffic: Traffic,
    pub(crate) quota: Quota,
}

impl Table {
    /// The table of `static` mode: every port that may be dialled, for everybody, as the seed's nginx does it.
    pub(crate) fn of_ports(config: &Config) -> Self {
        let mut table = Self::default();
        for port in config.ports.allow.iter().filter(|port| config.ports.check(*port, false).is_ok()) {
            if let Some(route) = route_to_port(config, port) {
                let computed = Computed { has_owner: false, ..Computed::of(&route, None) };
                table.routes.put(route, computed);
            }
        }
        table
    }
}

impl Computed {
    /// Computed of `route`; what may outlive the change is taken over from the same attachment's `previous` one.
    pub(crate) fn of(route: &Route, previous: Option<&Self>) -> Self {
        let shares: Vec<u32> = route.shares.as_slice().iter().map(|share| share.number).collect();
        // Where fewer may come in than before, everybody's tunnels end: pages open theirs anew, if they still may.
        let same = previous.filter(|it| {
            it.epoch == route.epoch
                && it.listener == route.listener
                && it.visibility <= route.visibility
                && it.shares.iter().all(|number| shares.contains(number))
        });
        let (ended, generation) = match same {
            Some(it) => (it.ended.clone(), it.generation),
            None => (CancellationToken::new(), GENERATIONS.fetch_add(1, Ordering::Relaxed)),
        };
        Self {
            listener: route.listener,
            epoch: route.epoch,
            shares,
            visibility: route.visibility,
            ended,
            generation,
            origins: Origins::of(route),
            has_owner: true,
            live: previous.map_or_else(Arc::default, |it| Arc::clone(&it.live)),
        }
    }

    /// Whether tunnels and streams of `previous` may go on under this.
    pub(crate) fn continues(&self, previous: &Self) -> bool {
        self.generation == previous.generation
    }

    /// Ends all tunnels and streams of this route; called once its successor, or its absence, is published.
    pub(crate) fn end(&self) {
        self.ended.cancel();
    }

    /// Fires when tunnels and streams of this route must end.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}

static GENERATIONS: AtomicU64 = AtomicU64::new(1);

/// `None` for a template that does not tell ports apart.
fn route_to_port(config: &Config, port: Port) -> Option<Route> {
    let mut entropy = [0; 17];
    entropy[..2].copy_from_slice(&port.get().to_be_bytes());
    let id = AttachmentId::from_entropy(entropy);
    let session = SessionId::new("static").ok()?;
    let node = NodeId::new("static").ok()?;
    let name = Name::unnamed();
    let facts = Facts { id, name: &name, session: &session, app: None, port, node: &node };
    let url = config.template.render(&facts).ok()?;
    config.template.port_of(&url.host).filter(|named| *named == port)?;
    Some(Route {
        id,
        session,
        user: UserId::new("static").ok()?,
        url,
        listener: Listener { address: Loopback::V4, port },
        owner: RouteOwner { uid: 0, inode: 0, cgroup: None },
        policy: HostPolicy::Preserve,
        state: ServerState::Live,
        // Whoever is to be asked by an endpoint is, of every port.
        visibility: match config.access.mode {
            AccessMode::Forward => Visibility::Private,
            AccessMode::Open | AccessMode::Token => Visibility::Public,
        },
        shares: Shares::default(),
        tokens: Tokens::new(TokenDigest::from_bytes([0; 32])),
        epoch: 0,
    })
}

/// Routes for tests.
#[cfg(test)]
pub(crate) mod sample {
    use super::*;
    use preview_core::template::Rendered;
    use preview_core::token::Token;

    /// A private route of `origin` to `port`, under `loopback`, whose token is [`token`].
    pub(crate) fn route(origin: &str, port: u16) -> Route {
        let authority = origin.split_once("://").expect("a scheme").1;
        let host = authority.split_once(':').map_or(authority, |(host, _)| host).to_owned();
        let mut entropy = [7; 17];
        for (at, byte) in host.bytes().enumerate() {
            entropy[at % 17] ^= byte;
        }
        Route {
            id: AttachmentId::from_entropy(entropy),
            session: SessionId::new("s").expect("valid"),
            user: UserId::new("u").expect("valid"),
            url: Rendered { origin: origin.to_owned(), host },
            listener: Listener { address: Loopback::V4, port: Port::new(port).expect("not zero") },
            owner: RouteOwner { uid: 0, inode: 0, cgroup: None },
            policy: HostPolicy::Loopback,
            state: ServerState::Live,
            visibility: Visibility::Private,
            tokens: Tokens::new(token().digest()),
            shares: Shares::default(),
            epoch: 0,
        }
    }

    pub(crate) fn token() -> Token {
        Token::from_entropy([3; 32])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use preview_core::clock::Wall;
    use preview_core::share::{Label, Wish};
    use std::time::Duration;

    #[test]
    fn streams_outlive_a_new_token_but_no_new_epoch_and_no_new_listener() {
        let route = sample::route("https://a.example", 3000);
        let first = Computed::of(&route, None);
        let rotated = Computed::of(&route, Some(&first));
        assert!(rotated.continues(&first));
        let revoked = Computed::of(&Route { epoch: 1, ..route.clone() }, Some(&first));
        assert!(!revoked.continues(&first));
        let moved = Computed::of(&sample::route("https://a.example", 3001), Some(&first));
        assert!(!moved.continues(&first));
        assert!(Arc::ptr_eq(&moved.live, &first.live), "counts go on");
        first.end();
        assert!(rotated.ended().is_cancelled());
        assert!(!revoked.ended().is_cancelled());
    }

    #[test]
    fn streams_outlive_a_further_link_but_not_that_fewer_may_come_in() {
        let route = sample::route("https://a.example", 3000);
        let mut shared = route.clone();
        let wish = Wish::new(Label::default(), true, Duration::from_hours(1)).expect("in bounds");
        let share = shared.shares.make(&wish, TokenDigest::of("t"), Wall::from_secs(1)).expect("room");
        shared.shares.add(share);
        let (before, with_link) = (Computed::of(&route, None), Computed::of(&shared, None));
        assert!(Computed::of(&shared, Some(&before)).continues(&before));
        assert!(!Computed::of(&route, Some(&with_link)).continues(&with_link), "withdrawn");
        let public = Route { visibility: Visibility::Public, ..route.clone() };
        let shown = Computed::of(&public, Some(&before));
        assert!(shown.continues(&before));
        assert!(!Computed::of(&route, Some(&shown)).continues(&shown), "private again");
    }
}
