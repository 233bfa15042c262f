//! What can be asked of the daemon, whichever door the asking came through.

mod changes;
mod sharing;
mod reading;
mod visits;
mod errands;
mod blocking;
mod trail;

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use preview_core::attachment::Attachment;
use preview_core::command::{Authority, Command, Context, Entropy};
use preview_core::event::Event;
use preview_core::id::{AttachmentId, SessionId, UserId};
use preview_core::refusal::Refusal;
use preview_core::wire::api::{AttachRequest, AttachmentView};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use crate::events::EventFilter;
pub use reading::ListFilter;
pub use trail::AuditFilter;
pub use visits::{VisitAnswer, VisitAsked};

use crate::activity::Activity;
use crate::attach;
use crate::audit::{ITSELF, Note};
use crate::clock;
use crate::config::Config;
use crate::failure::{Failure, StartError};
use crate::keys::Keys;
use crate::live::Live;
use crate::probe::Probe;
use crate::refusals::{self, Refusals};
use crate::sockets::Sockets;
use crate::store::{Committed, Keeper, Store, Telling};
use crate::tasks::{TaskExit, Tasks};

/// The daemon; cheap to clone.
#[derive(Clone)]
pub struct Daemon {
    inner: Arc<Inner>,
    /// Who asks through this handle, for the audit trail.
    asked: Arc<str>,
}

struct Inner {
    config: Config,
    store: Store,
    keys: Keys,
    activity: Activity,
    refusals: Refusals,
    sockets: Sockets,
    tasks: Tasks,
    probe: Probe,
    /// Attachments, and the inodes of their servers that are being asked in the background.
    asking: Mutex<HashSet<(AttachmentId, u64)>>,
    background: TaskTracker,
    stop: CancellationToken,
}

/// What a daemon leaves to whoever runs it.
pub(crate) struct Opened {
    /// The daemon.
    pub daemon: Daemon,
    /// Its store's keeper.
    pub keeper: Keeper,
    /// Tasks that end by themselves.
    pub exits: mpsc::UnboundedReceiver<TaskExit>,
}

/// The answer to an attach.
#[derive(Clone, Debug)]
pub struct Attached {
    /// The attachment, with its token.
    pub view: AttachmentView,
    /// Whether its name was in use before: 200 instead of 201.
    pub replaced: bool,
}

impl Daemon {
    /// Opens its state and finds its tasks again. Nobody is served and nothing is reaped yet.
    pub(crate) async fn open(config: Config) -> Result<Opened, StartError> {
        let unusable = |source| StartError::Store { folder: config.state_dir.clone(), source };
        let (store, keeper) = Store::open(&config.state_dir, config.audit.keep).map_err(unusable)?;
        let keys = Keys::load(&store, config.access.grant_life).await.map_err(StartError::Keys)?;
        let sockets = Sockets::open().map_err(StartError::Sockets)?;
        let (told, exits) = mpsc::unbounded_channel();
        let folder = config.state_dir.join("tasks");
        let tasks = Tasks::open(config.tasks.clone(), folder, store.clone(), sockets.clone(), told);
        let tasks = tasks.await.map_err(unusable)?;
        let probe = Probe::new(sockets.clone(), tasks.clone());
        let inner = Inner {
            config,
            store,
            keys,
            activity: Activity::default(),
            refusals: Refusals::default(),
            sockets,
            tasks,
            probe,
            asking: Mutex::default(),
            background: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        Ok(Opened { daemon: Self { inner: Arc::new(inner), asked: ITSELF.into() }, keeper, exits })
    }

    /// The same daemon, asked by this door and as that caller: what is changed through it is audited as theirs.
    #[must_use]
    pub fn asked_by(&self, asked: impl Into<Arc<str>>) -> Self {
        Self { inner: Arc::clone(&self.inner), asked: asked.into() }
    }

    /// How it is configured.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Whether the caller may act in this session and for this user; a session that is not bound yet is anybody's
    /// who may act for its user. `Forbidden` if not: what headers, queries and paths name is held against it.
    pub fn check_scope(
        &self,
        by: &Authority,
        session: Option<&SessionId>,
        user: Option<&UserId>,
    ) -> Result<(), Failure> {
        let bound = session.and_then(|session| self.live().user_of(session));
        let refused = match by {
            Authority::User(own) if user.is_some_and(|user| user != own) => Some("user_id"),
            Authority::User(own) if bound.is_some_and(|bound| bound != *own) => Some("session_id"),
            Authority::Admin | Authority::User(_) => None,
            Authority::Session(own) if session.is_some_and(|session| session != own) => Some("session_id"),
            Authority::Session(own) => {
                let bound = self.live().user_of(own);
                user.zip(bound).is_some_and(|(user, bound)| *user != bound).then_some("user_id")
            }
        };
        refused.map_or(Ok(()), |field| Err(Refusal::OutOfScope(field).into()))
    }

    /// Makes a listener public, or moves a name to it.
    pub async fn attach(&self, by: &Authority, request: AttachRequest) -> Result<Attached, Failure> {
        attach::attach(self, by, request).await
    }

    /// Stops what goes on in the background, and waits for it. Tasks go on, to be found again.
    pub(crate) async fn stop(&self) {
        self.inner.stop.cancel();
        self.inner.background.close();
        self.inner.background.wait().await;
        refusals::store(self, self.inner.refusals.passed(clock::tick(), true)).await;
        self.inner.tasks.let_go();
    }

    /// What a decision by this caller depends on, now.
    pub(crate) fn context(&self, by: &Authority, entropy: Entropy) -> Context {
        let (by, asked) = (by.clone(), Arc::clone(&self.asked));
        Context { rules: self.config().rules.clone(), by, asked, now: clock::now(), entropy }
    }

    /// Decides a command of the daemon's own, if `still` says so, and carries it out.
    pub(crate) async fn carry_out(
        &self,
        command: Command,
        telling: Telling,
        still: impl FnOnce(&preview_core::registry::Scope) -> bool + Send + 'static,
    ) -> Result<Committed, Failure> {
        let context = self.context(&Authority::Admin, clock::entropy()?);
        self.store().transact_if(command, context, telling, still).await
    }

    /// Tells what changes nothing.
    pub(crate) async fn tell(&self, event: Event) {
        if let Err(error) = self.store().tell(event, clock::wall()).await {
            tracing::warn!(%error, "an event is lost");
        }
    }

    /// Keeps in the audit trail that somebody was refused. Nobody waits for it.
    pub(crate) fn keep_refusal(&self, note: Note) {
        if let Some(note) = self.inner.refusals.take(note, clock::tick()) {
            let daemon = self.clone();
            self.inner.background.spawn(async move { refusals::store(&daemon, vec![note]).await });
        }
    }

    /// Does something in the background until it is done or the daemon stops.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.inner.stop.clone();
        self.inner.background.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
    }

    /// Does something to its end, also if the caller goes away meanwhile.
    pub(crate) async fn see_through<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        self.inner.background.spawn(work).await.unwrap_or(Err(Failure::Stopping))
    }

    /// Claims the asking of an attachment's server, so that it is asked once at a time.
    pub(crate) fn claim_asking(&self, it: &Attachment) -> Option<Asking> {
        let server = (it.id, it.owner.inode);
        let mut asking = self.inner.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.insert(server).then(|| Asking { daemon: self.clone(), server })
    }

    pub(crate) fn asked(&self) -> &Arc<str> {
        &self.asked
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn live(&self) -> &Arc<Live> {
        self.inner.store.live()
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    pub(crate) fn refusals(&self) -> &Refusals {
        &self.inner.refusals
    }

    pub(crate) fn activity(&self) -> &Activity {
        &self.inner.activity
    }

    pub(crate) fn sockets(&self) -> &Sockets {
        &self.inner.sockets
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.inner.tasks
    }

    pub(crate) fn probe(&self) -> &Probe {
        &self.inner.probe
    }
}

/// The claim to ask an attachment's server; given back when dropped.
pub(crate) struct Asking {
    daemon: Daemon,
    server: (AttachmentId, u64),
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut asking = self.daemon.inner.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.remove(&self.server);
    }
}
