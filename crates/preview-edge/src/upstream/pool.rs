//! The connections of one thread to one attachment: those that wait for the next request, and those at work.
//!
//! All end with the attachment's generation: when it is detached, revoked or moved, nothing of it goes on.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Target;
use crate::activity::{Pulse, Way};
use crate::body::Body;
use crate::request::quota::Place;
use crate::route::Live;

/// The pools of one thread.
pub(crate) struct Pools {
    /// The daemon's generation is 0.
    by_generation: RefCell<HashMap<u64, Rc<Pool>>>,
    /// Where this thread counts activity.
    slot: usize,
    /// How long something silent is kept.
    silence: Duration,
    this: Weak<Self>,
}

/// The connections to one attachment.
pub(crate) struct Pool {
    live: Option<Arc<Live>>,
    slot: usize,
    idle: RefCell<Vec<Idle>>,
    /// Everything that ends when the attachment does: connections, idle or not, and tunnels.
    works: RefCell<Vec<(AbortHandle, Rc<Link>)>>,
    has_ended: Cell<bool>,
}

/// A connection or tunnel, as far as others must know of it.
pub(crate) struct Link {
    pool: Weak<Pool>,
    live: Option<Arc<Live>>,
    slot: usize,
    /// Whether anything was sent or received since somebody last looked.
    moved: Cell<bool>,
    is_idle: Cell<bool>,
    /// Whether a client's body is still on its way.
    uploading: Cell<bool>,
    last_upload: Cell<Option<Instant>>,
    _place: Option<Place>,
}

/// A connection in use. Dropped, it is closed as soon as nothing goes over it any more.
pub(crate) struct Lease {
    sender: SendRequest<Body>,
    link: Rc<Link>,
}

struct Idle {
    lease: Lease,
    since: Instant,
}

/// Connections of one attachment that wait for work on one thread while a page loads: hundreds of modules at once.
const MOST_IDLE: usize = 128;

/// How many of them stay when that is over: dev servers are small.
const MOST_KEPT: usize = 32;

/// How long a connection waits for work.
const IDLE: Duration = Duration::from_secs(30);

/// How long a connection may have waited for a request that cannot be repeated. Dev servers close idle connections
/// after some seconds, without a word.
const FRESH: Duration = Duration::from_secs(1);

impl Pools {
    pub(crate) fn new(slot: usize, silence: Duration) -> Rc<Self> {
        Rc::new_cyclic(|this| Self { by_generation: RefCell::default(), slot, silence, this: this.clone() })
    }

    /// The pool of a target.
    pub(crate) fn of(&self, target: Target<'_>) -> Rc<Pool> {
        let (generation, live, ended) = match target {
            Target::DevServer(entry) => {
                (entry.computed.generation, Some(&entry.computed.live), Some(entry.computed.ended()))
            }
            Target::Daemon(_) => (0, None, None),
        };
        let mut pools = self.by_generation.borrow_mut();
        let pool = pools.entry(generation).or_insert_with(|| {
            let pool = Rc::new(Pool::new(live.cloned(), self.slot));
            spawn_local(keep(Rc::downgrade(&pool), self.silence));
            if let Some(ended) = ended {
                spawn_local(end_with(ended.clone(), self.this.clone(), generation));
            }
            pool
        });
        Rc::clone(pool)
    }
}

/// Ends a pool, and everything of it, when its attachment's generation ends.
async fn end_with(ended: CancellationToken, pools: Weak<Pools>, generation: u64) {
    ended.cancelled().await;
    let pool = pools.upgrade().and_then(|pools| pools.by_generation.borrow_mut().remove(&generation));
    if let Some(pool) = pool {
        pool.end();
    }
}

/// Ends what is silent for too long, as long as there is the pool.
async fn keep(pool: Weak<Pool>, silence: Duration) {
    let step = IDLE.min(silence);
    let mut quiet: HashMap<*const Link, Duration> = HashMap::new();
    loop {
        sleep(step).await;
        let Some(pool) = pool.upgrade() else { return };
        pool.trim();
        let mut still = HashMap::new();
        for (work, link) in pool.works.borrow().iter() {
            let key = Rc::as_ptr(link);
            let before = quiet.get(&key).copied().unwrap_or_default();
            let now = if link.moved.take() { Duration::ZERO } else { before + step };
            let most = if link.is_idle.get() { IDLE } else { silence };
            if now >= most {
                work.abort();
            }
            still.insert(key, now);
        }
        quiet = still;
    }
}

impl Pool {
    fn new(live: Option<Arc<Live>>, slot: usize) -> Self {
        Self { live, slot, idle: RefCell::default(), works: RefCell::default(), has_ended: Cell::new(false) }
    }

    /// What is counted of its attachment.
    pub(super) fn live(&self) -> Option<&Arc<Live>> {
        self.live.as_ref()
    }

    /// A kept connection that is open, the last used first. Only one that was just used will do for a request that
    /// cannot be repeated.
    pub(super) async fn take(&self, repeatable: bool) -> Option<Lease> {
        loop {
            let Idle { mut lease, since } = self.idle.borrow_mut().pop()?;
            if !repeatable && since.elapsed() > FRESH {
                // Those below are older still.
                self.idle.borrow_mut().push(Idle { lease, since });
                return None;
            }
            lease.link.is_idle.set(false);
            lease.link.moved.set(true);
            if lease.sender.is_ready() || lease.sender.ready().await.is_ok() {
                return Some(lease);
            }
        }
    }

    /// Records of a connection or tunnel that holds `place`, and runs it until it ends by itself, is silent for too
    /// long, or the attachment ends.
    pub(crate) fn run<F: Future<Output = ()> + 'static>(
        self: &Rc<Self>,
        place: Option<Place>,
        work: impl FnOnce(Rc<Link>) -> F,
    ) -> Rc<Link> {
        let link = Rc::new(Link::new(&Rc::downgrade(self), self.live.clone(), self.slot, place));
        let work = work(Rc::clone(&link));
        let leaves = Leaves(Rc::clone(&link));
        let task = spawn_local(async move {
            let _leaves = leaves;
            work.await;
        });
        // A request that began before the end may have dialled after it.
        if self.has_ended.get() {
            task.abort();
        }
        self.works.borrow_mut().push((task.abort_handle(), Rc::clone(&link)));
        link
    }

    /// Closes the connections that waited longest.
    fn trim(&self) {
        let mut idle = self.idle.borrow_mut();
        let surplus = idle.len().saturating_sub(MOST_KEPT);
        idle.drain(..surplus);
    }

    fn end(&self) {
        self.has_ended.set(true);
        self.idle.borrow_mut().clear();
        for (work, _) in self.works.borrow().iter() {
            work.abort();
        }
    }

    fn forget(&self, link: &Rc<Link>) {
        self.idle.borrow_mut().retain(|idle| !Rc::ptr_eq(&idle.lease.link, link));
        self.works.borrow_mut().retain(|(_, other)| !Rc::ptr_eq(other, link));
    }
}

/// Takes a connection out of its pool when it is over, however it ends.
struct Leaves(Rc<Link>);

impl Drop for Leaves {
    fn drop(&mut self) {
        if let Some(pool) = self.0.pool.upgrade() {
            pool.forget(&self.0);
        }
    }
}

impl Lease {
    pub(super) fn new(sender: SendRequest<Body>, link: Rc<Link>) -> Self {
        Self { sender, link }
    }

    pub(crate) fn link(&self) -> &Rc<Link> {
        &self.link
    }

    /// The pool that it comes from, while that is there.
    pub(crate) fn pool(&self) -> Option<Rc<Pool>> {
        self.link.pool.upgrade()
    }

    pub(super) fn sender(&mut self) -> &mut SendRequest<Body> {
        &mut self.sender
    }

    /// Keeps the connection for the next request, if it is good for one.
    pub(crate) fn give_back(self) {
        let is_over = self.sender.is_closed() || self.link.uploading.get();
        let Some(pool) = self.link.pool.upgrade().filter(|_| !is_over) else { return };
        let mut idle = pool.idle.borrow_mut();
        if idle.len() < MOST_IDLE {
            self.link.is_idle.set(true);
            self.link.moved.set(true);
            idle.push(Idle { lease: self, since: Instant::now() });
        }
    }
}

impl Link {
    /// One of no pool.
    #[cfg(test)]
    pub(crate) fn of_test() -> Rc<Self> {
        Rc::new(Self::new(&Weak::new(), None, 0, None))
    }

    fn new(pool: &Weak<Pool>, live: Option<Arc<Live>>, slot: usize, place: Option<Place>) -> Self {
        Self {
            pool: pool.clone(),
            live,
            slot,
            moved: Cell::new(true),
            is_idle: Cell::new(false),
            uploading: Cell::new(false),
            last_upload: Cell::new(None),
            _place: place,
        }
    }

    /// Something stays open over it from now on.
    pub(crate) fn opened(&self) {
        if let Some(live) = &self.live {
            live.traffic.opened();
        }
    }

    /// And no more.
    pub(crate) fn closed(&self) {
        if let Some(live) = &self.live {
            live.traffic.closed();
        }
    }

    /// Bytes went over it as part of something that stays open.
    pub(crate) fn beat(&self, way: Way, count: usize, pulse: &mut Pulse) {
        self.moved.set(true);
        if let Some(live) = &self.live {
            live.traffic.beat(self.slot, way, count, pulse);
        }
    }

    /// A client's body will go over it.
    pub(crate) fn uploads(&self) {
        self.uploading.set(true);
    }

    /// Bytes of a client's body went over it.
    pub(crate) fn uploaded(&self, count: usize) {
        self.moved.set(true);
        self.last_upload.set(Some(Instant::now()));
        if let Some(live) = &self.live {
            live.traffic.bytes(self.slot, Way::In, count);
        }
    }

    /// The client's body is over.
    pub(crate) fn upload_ended(&self) {
        self.uploading.set(false);
    }

    /// When a client's body last moved.
    pub(super) fn last_upload(&self) -> Option<Instant> {
        self.last_upload.get()
    }
}
