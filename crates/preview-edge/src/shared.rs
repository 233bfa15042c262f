//! What is shared: by all threads ([`Shared`]), by the connections of one ([`Thread`]), by the requests of one
//! connection ([`Conn`]).

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::cert::{Names, Resolver};
use crate::config::Config;
use crate::control::Daemon;
use crate::deadline::{Patience, Underway};
use crate::limits::{Connections, Permit};
use crate::owner::Check;
use crate::request::{Global, Local, Notes};
use crate::route::Table;

/// What all threads share. Only the table changes, and only as a whole.
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// The last table that the feed gave, or that was kept on disk.
    pub(crate) table: Arc<ArcSwap<Table>>,
    /// Whether a dialled socket is the one that was attached.
    pub(crate) owner: Check,
    /// The daemon's door for edges.
    pub(crate) daemon: Daemon,
    /// How many connections clients have.
    pub(crate) connections: Arc<Connections>,
    /// The certificate in force, where HTTPS is served.
    pub(crate) certificate: Option<Arc<Resolver>>,
    /// What the request path keeps for all threads.
    pub(crate) global: Global,
}

/// What the connections of one thread share.
pub(crate) struct Thread {
    pub(crate) shared: Arc<Shared>,
    table: RefCell<Cache<Arc<ArcSwap<Table>>, Arc<Table>>>,
    /// The cached table again, counted for this thread alone: requests on two cores would else fight for one counter.
    #[expect(clippy::redundant_allocation, reason = "that is the point of it")]
    held: RefCell<Rc<Arc<Table>>>,
    /// What the request path keeps for this thread.
    pub(crate) local: Local,
    /// Fires when the edge is to stop: nothing new is begun, what is under way may end.
    pub(crate) stop: CancellationToken,
    /// The connections of this thread.
    pub(crate) open: TaskTracker,
}

/// A client's connection. Whoever still works for it, a tunnel say, holds it: its permit counts until then.
pub(crate) struct Conn {
    pub(crate) thread: Rc<Thread>,
    /// Who connected.
    pub(crate) peer: SocketAddr,
    /// The names of the certificate that was shown; `None` on plain HTTP.
    pub(crate) certificate: Option<Arc<Names>>,
    /// What the request path remembers of it.
    pub(crate) notes: Notes,
    /// How long it may still take.
    pub(crate) patience: Arc<Patience>,
    _held: Held,
}

/// What a connection takes up until it is dropped.
struct Held {
    /// Its place among the connections that one client, and all clients, may have.
    _permit: Permit,
    /// Its place among those that are waited for when the edge stops.
    _open: TaskTrackerToken,
}

impl Thread {
    pub(crate) fn new(shared: Arc<Shared>, stop: CancellationToken) -> Rc<Self> {
        let held = RefCell::new(Rc::new(shared.table.load_full()));
        let table = RefCell::new(Cache::new(Arc::clone(&shared.table)));
        let local = Local::new(&shared);
        Rc::new(Self { shared, table, held, local, stop, open: TaskTracker::new() })
    }

    /// The table of this moment. A request looks once and keeps what it got.
    #[expect(clippy::redundant_allocation, reason = "see `held`")]
    pub(crate) fn table(&self) -> Rc<Arc<Table>> {
        let mut cache = self.table.borrow_mut();
        let mut held = self.held.borrow_mut();
        let current = cache.load();
        if !Arc::ptr_eq(current, &held) {
            *held = Rc::new(Arc::clone(current));
        }
        Rc::clone(&held)
    }
}

impl Conn {
    pub(crate) fn new(
        thread: &Rc<Thread>,
        peer: SocketAddr,
        certificate: Option<Arc<Names>>,
        permit: Permit,
    ) -> Rc<Self> {
        let times = thread.shared.config.times;
        Rc::new(Self {
            thread: Rc::clone(thread),
            peer,
            certificate,
            notes: Notes::of(peer),
            patience: Patience::new(times.header, times.keep_alive),
            _held: Held { _permit: permit, _open: thread.open.token() },
        })
    }

    /// Whether the client spoke TLS to us.
    pub(crate) fn is_tls(&self) -> bool {
        self.certificate.is_some()
    }

    /// To be held by whatever goes on after a request was answered, a tunnel say: without it the connection would
    /// count as idle.
    pub(crate) fn underway(&self) -> Underway {
        self.patience.begin()
    }
}
