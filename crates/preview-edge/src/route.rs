//! The route table as the request path sees it: core's, and what was computed of each route when it changed.

use preview_core::grant::GrantKeys;
use preview_core::listener::Listener;
use preview_core::route::{Route, RouteTable};
use tokio_util::sync::CancellationToken;

/// Everything the request path looks things up in; published as a whole, never changed.
#[derive(Debug, Default)]
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
    ended: CancellationToken,
}

impl Computed {
    /// Computed of `route`; what may outlive the change is taken over from the same attachment's `previous` one.
    pub(crate) fn of(route: &Route, previous: Option<&Self>) -> Self {
        let same = previous.filter(|it| it.epoch == route.epoch && it.listener == route.listener);
        let ended = same.map_or_else(CancellationToken::new, |it| it.ended.clone());
        Self { listener: route.listener, epoch: route.epoch, ended }
    }

    /// Whether tunnels and streams of `previous` may go on under this.
    pub(crate) fn continues(&self, previous: &Self) -> bool {
        self.epoch == previous.epoch && self.listener == previous.listener
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
