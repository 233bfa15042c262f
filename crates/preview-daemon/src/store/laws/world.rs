//! What the laws are held against: an open store, and steps of a story in small numbers, so that steps meet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use preview_core::attachment::{Attachment, StartPath, Visibility};
use preview_core::block::{Reason, Target};
use preview_core::clock::{Now, Tick, Wall};
use preview_core::command::{Attach, Authority, Command, Context, Entropy};
use preview_core::id::{AttachmentId, Name, NodeId, SessionId, UserId};
use preview_core::limits::Limits;
use preview_core::listener::{Listener, Loopback, Owner};
use preview_core::ports::{Port, PortPolicy};
use preview_core::registry::{Rules, Scope};
use preview_core::share::{Label, Wish};
use preview_core::verdict::{HostHeader, HostPolicy, PolicyReason, Verdict};
use preview_core::wire::events::EventView;
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::store::{Committed, Keeper, Store, Telling, TrailFilter, TrailPart};

pub(super) const TEMPLATES: &[&str] = &[
    "https://preview-{port}.example.com",
    "https://{id}.example.com",
    "https://{name}-{session_id}.example.com",
];

/// A step of a story, in small numbers so that steps meet.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Attach { session: u8, user: u8, name: u8, port: u16 },
    Detach { session: u8, name: u8 },
    End { session: u8 },
    Rotate { nth: usize },
    Revoke { nth: usize },
    Share { nth: usize, mins: u64, read_only: bool },
    Unshare { nth: usize, number: u32 },
    Show { nth: usize, public: bool },
    Down { nth: usize },
    Block { user: u8 },
    Unblock { user: u8 },
}

impl Step {
    pub(super) fn command(&self, scope: &Scope) -> Command {
        let nth = |nth: usize| {
            let ids: Vec<_> = scope.attachments.keys().copied().collect();
            ids.get(nth % ids.len().max(1)).copied().unwrap_or_else(|| AttachmentId::from_entropy([0; 17]))
        };
        match self {
            Self::Attach { session, user, name, port } => attach(*session, *user, *name, *port),
            Self::Detach { session, name } => {
                Command::DetachNamed(self::session(*session), self::name(*name))
            }
            Self::End { session } => Command::EndSession(self::session(*session)),
            Self::Rotate { nth: n } => Command::Rotate(nth(*n)),
            Self::Revoke { nth: n } => Command::Revoke(nth(*n)),
            Self::Share { nth: n, mins, read_only } => Command::Share(nth(*n), wish(*mins, *read_only)),
            Self::Unshare { nth: n, number } => Command::Unshare(nth(*n), *number),
            Self::Show { nth: n, public } => Command::Show(nth(*n), visibility(*public)),
            Self::Down { nth: n } => Command::MarkDown(nth(*n)),
            Self::Block { user } => Command::Block(Target::User(self::user(*user)), Reason::default()),
            Self::Unblock { user } => Command::Unblock(Target::User(self::user(*user))),
        }
    }
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let attach = (0..4_u8, 0..2_u8, 0..7_u8, 3_000..3_030_u16);
    prop_oneof![
        6 => attach.prop_map(|(session, user, name, port)| Step::Attach { session, user, name, port }),
        2 => (0..4_u8, 0..7_u8).prop_map(|(session, name)| Step::Detach { session, name }),
        1 => (0..4_u8).prop_map(|session| Step::End { session }),
        1 => (0..20_usize).prop_map(|nth| Step::Rotate { nth }),
        1 => (0..20_usize).prop_map(|nth| Step::Revoke { nth }),
        2 => (0..20_usize, 1..9_u64, any::<bool>())
            .prop_map(|(nth, mins, read_only)| Step::Share { nth, mins, read_only }),
        1 => (0..20_usize, 0..4_u32).prop_map(|(nth, number)| Step::Unshare { nth, number }),
        1 => (0..20_usize, any::<bool>()).prop_map(|(nth, public)| Step::Show { nth, public }),
        1 => (0..20_usize).prop_map(|nth| Step::Down { nth }),
        1 => (0..2_u8).prop_map(|user| Step::Block { user }),
        1 => (0..2_u8).prop_map(|user| Step::Unblock { user }),
    ]
}

/// An open store in a folder of its own.
pub(super) struct Held {
    pub(super) store: Store,
    keeper: Option<Keeper>,
    pub(super) scratch: Arc<TempDir>,
    pub(super) runtime: Runtime,
}

impl Held {
    pub(super) fn new() -> Self {
        let scratch = Arc::new(tempfile::tempdir().expect("a folder"));
        let (store, keeper) = Store::open(&state(&scratch), 100).expect("opens");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Self { store, keeper: Some(keeper), scratch, runtime }
    }

    pub(super) fn transact(&self, command: Command, context: Context) -> Result<Committed, Failure> {
        self.runtime.block_on(self.store.transact(command, context, Telling::default()))
    }

    pub(super) fn all(&self) -> BTreeMap<AttachmentId, Attachment> {
        self.store.live().all().iter().map(|it| (it.id, (**it).clone())).collect()
    }

    pub(super) fn told(&self, after: u64) -> Vec<EventView> {
        self.runtime.block_on(self.store.told(after, 100)).expect("read")
    }

    pub(super) fn reopen(&mut self) {
        self.keeper.take().expect("open").finish();
        let (store, keeper) = Store::open(&state(&self.scratch), 100).expect("opens again");
        (self.store, self.keeper) = (store, Some(keeper));
    }

    /// All of the audit trail.
    pub(super) fn trail(&self) -> TrailPart {
        let all = TrailFilter { since: Some(0), most: 1_000, ..TrailFilter::default() };
        self.runtime.block_on(self.store.trail(all)).expect("read")
    }

    /// Closes the store, changes its file behind its back, and opens it again.
    pub(super) fn tamper(&mut self, statements: &str) {
        self.keeper.take().expect("open").finish();
        let db = Connection::open(state(&self.scratch).join("preview.db")).expect("opens");
        db.execute_batch(statements).expect("tampered with");
        drop(db);
        let (store, keeper) = Store::open(&state(&self.scratch), 100).expect("opens again");
        (self.store, self.keeper) = (store, Some(keeper));
    }

    pub(super) fn close(mut self) -> Arc<TempDir> {
        self.keeper.take().expect("open").finish();
        Arc::clone(&self.scratch)
    }
}

/// The state folder in a scratch folder.
pub(super) fn state(scratch: &TempDir) -> PathBuf {
    scratch.path().join("state")
}

pub(super) fn context(rules: &Rules, turn: usize) -> Context {
    let turn = u64::try_from(turn).expect("small") + 1;
    let mut entropy = Entropy { id: [0; 17], token: [0; 32] };
    entropy.id[..8].copy_from_slice(&turn.to_be_bytes());
    entropy.token[..8].copy_from_slice(&turn.to_be_bytes());
    let now = Now { wall: Wall::from_secs(turn), tick: Tick::new(Duration::from_secs(turn)) };
    Context { rules: rules.clone(), by: Authority::Admin, asked: "a law".into(), now, entropy }
}

pub(super) fn rules(template: &str) -> Rules {
    Rules {
        enabled: true,
        template: template.parse().unwrap_or_else(|error| panic!("{error}")),
        node: NodeId::new("n").expect("valid"),
        ports: PortPolicy {
            allow: "3000-9999".parse().expect("valid"),
            deny: BTreeSet::new(),
            own: BTreeSet::new(),
            tasks_outside: true,
        },
        limits: Limits { per_session: 4, per_user: 7 },
        most_visible: Visibility::Public,
    }
}

pub(super) fn attach(session: u8, user: u8, name: u8, port: u16) -> Command {
    Command::Attach(Box::new(Attach {
        session: self::session(session),
        user: self::user(user),
        app: None,
        name: self::name(name),
        listener: Listener { address: Loopback::V4, port: Port::new(port).expect("not zero") },
        owner: Owner { uid: 1_000, inode: u64::from(port), cgroup: None, exe: None, task: None },
        task: None,
        path: StartPath::default(),
        visibility: Visibility::Private,
        host_header: HostHeader::Auto,
        verdict: Verdict::pending(HostPolicy::Loopback, PolicyReason::NotAsked),
    }))
}

fn wish(mins: u64, read_only: bool) -> Wish {
    let label = Label::new(&format!("guest {mins}")).expect("short");
    Wish::new(label, read_only, Duration::from_mins(mins)).expect("in bounds")
}

fn visibility(public: bool) -> Visibility {
    if public { Visibility::Public } else { Visibility::Private }
}

pub(super) fn session(n: u8) -> SessionId {
    SessionId::new(&format!("s{n}")).expect("valid")
}

pub(super) fn user(n: u8) -> UserId {
    UserId::new(&format!("u{n}")).expect("valid")
}

pub(super) fn name(n: u8) -> Name {
    Name::new(&format!("n{n}")).expect("valid")
}

pub(super) fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
