//! How things lie in the store: private forms, apart from domain and wire, each with a check sum.

use preview_core::attachment::{Attachment, StartPath};
use preview_core::clock::Wall;
use preview_core::id::{AppId, Name, SessionId, TaskId, UserId};
use preview_core::listener::{Listener, Owner, OwningTask};
use preview_core::ports::Port;
use preview_core::share::{Label, Share, Shares};
use preview_core::template::Rendered;
use preview_core::token::{TokenDigest, Tokens};
use preview_core::verdict::Verdict;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::words::{AddressRow, HostHeaderRow, PolicyRow, ReasonRow, StateRow, VisibilityRow};
use super::{StoreError, TaskEnd, TaskRecord};

/// An attachment as it lies in the store.
#[derive(Serialize, Deserialize)]
pub(super) struct AttachmentRow {
    id: String,
    name: String,
    session: String,
    user: String,
    app: Option<String>,
    address: AddressRow,
    port: u16,
    owner: OwnerRow,
    task: Option<String>,
    path: String,
    visibility: VisibilityRow,
    host_header: HostHeaderRow,
    verdict: VerdictRow,
    origin: String,
    host: String,
    token: [u8; 32],
    previous_token: Option<([u8; 32], u64)>,
    /// The last number given to a link, and the links. Rows of the release before have none.
    #[serde(default)]
    shares: (u32, Vec<ShareRow>),
    epoch: u64,
    #[serde(default)]
    blocked: bool,
    created: u64,
}

#[derive(Serialize, Deserialize)]
struct ShareRow {
    number: u32,
    token: [u8; 32],
    label: String,
    read_only: bool,
    created: u64,
    expires: u64,
}

#[derive(Serialize, Deserialize)]
struct OwnerRow {
    uid: u32,
    inode: u64,
    cgroup: Option<u64>,
    exe: Option<String>,
    task: Option<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct VerdictRow {
    state: StateRow,
    policy: PolicyRow,
    reason: ReasonRow,
    status: Option<u16>,
    not_http: bool,
    framing: Vec<String>,
    live_update: Option<u16>,
    server: Option<String>,
}

/// A task as it lies in the store.
#[derive(Serialize, Deserialize)]
pub(super) struct TaskRow {
    id: String,
    session: String,
    user: String,
    name: Option<String>,
    command: Vec<String>,
    cwd: String,
    started: u64,
    pid: u32,
    start_time: u64,
    boot: String,
    ended: Option<(Option<i32>, u64)>,
}

/// Writes a row as text, with its check sum.
pub(super) fn write<R: Serialize>(row: &R) -> Result<(String, i64), StoreError> {
    let text = serde_json::to_string(row).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let sum = sum(&text);
    Ok((text, sum))
}

/// Reads a row from text whose check sum is this.
pub(super) fn read<R: DeserializeOwned>(text: &str, expected: i64) -> Result<R, StoreError> {
    if sum(text) != expected {
        return Err(StoreError::Corrupt("a row does not match its check sum".into()));
    }
    serde_json::from_str(text).map_err(damaged)
}

/// The first 8 bytes of the SHA-256: it is to find flipped bits, not forgers.
fn sum(text: &str) -> i64 {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    digest.iter().take(8).fold(0, |sum, byte| (sum << 8) | i64::from(*byte))
}

/// A row that passes its check sum and yet makes no sense.
pub(super) fn damaged(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

impl From<&Attachment> for AttachmentRow {
    fn from(it: &Attachment) -> Self {
        let text = |it: &dyn std::fmt::Display| it.to_string();
        Self {
            id: text(&it.id),
            name: text(&it.name),
            session: text(&it.session),
            user: text(&it.user),
            app: it.app.as_ref().map(ToString::to_string),
            address: it.listener.address.into(),
            port: it.listener.port.get(),
            owner: (&it.owner).into(),
            task: it.task.as_ref().map(ToString::to_string),
            path: it.path.as_str().to_owned(),
            visibility: it.visibility.into(),
            host_header: it.host_header.into(),
            verdict: (&it.verdict).into(),
            origin: it.url.origin.clone(),
            host: it.url.host.clone(),
            token: *it.tokens.current.as_bytes(),
            previous_token: it.tokens.previous.map(|(digest, until)| (*digest.as_bytes(), until.as_millis())),
            shares: (it.shares.last(), it.shares.as_slice().iter().map(ShareRow::from).collect()),
            epoch: it.epoch,
            blocked: it.blocked,
            created: it.created.as_millis(),
        }
    }
}

impl TryFrom<AttachmentRow> for Attachment {
    type Error = StoreError;
    fn try_from(row: AttachmentRow) -> Result<Self, StoreError> {
        let previous = row
            .previous_token
            .map(|(digest, until)| (TokenDigest::from_bytes(digest), Wall::from_millis(until)));
        let (last, shares) = row.shares;
        let shares = shares.into_iter().map(Share::try_from).collect::<Result<_, _>>()?;
        Ok(Self {
            id: row.id.parse().map_err(damaged)?,
            name: Name::new(&row.name).map_err(damaged)?,
            session: SessionId::new(&row.session).map_err(damaged)?,
            user: UserId::new(&row.user).map_err(damaged)?,
            app: row.app.as_deref().map(AppId::new).transpose().map_err(damaged)?,
            listener: Listener { address: row.address.into(), port: Port::new(row.port).map_err(damaged)? },
            owner: row.owner.try_into()?,
            task: row.task.as_deref().map(TaskId::new).transpose().map_err(damaged)?,
            path: StartPath::new(&row.path).map_err(damaged)?,
            visibility: row.visibility.into(),
            host_header: row.host_header.into(),
            verdict: row.verdict.into(),
            url: Rendered { origin: row.origin, host: row.host },
            tokens: Tokens { current: TokenDigest::from_bytes(row.token), previous },
            shares: Shares::restore(last, shares),
            epoch: row.epoch,
            blocked: row.blocked,
            created: Wall::from_millis(row.created),
        })
    }
}

impl From<&Share> for ShareRow {
    fn from(it: &Share) -> Self {
        Self {
            number: it.number,
            token: *it.digest.as_bytes(),
            label: it.label.as_str().to_owned(),
            read_only: it.read_only,
            created: it.created.as_millis(),
            expires: it.expires.as_millis(),
        }
    }
}

impl TryFrom<ShareRow> for Share {
    type Error = StoreError;
    fn try_from(row: ShareRow) -> Result<Self, StoreError> {
        Ok(Self {
            number: row.number,
            digest: TokenDigest::from_bytes(row.token),
            label: Label::new(&row.label).map_err(damaged)?,
            read_only: row.read_only,
            created: Wall::from_millis(row.created),
            expires: Wall::from_millis(row.expires),
        })
    }
}

impl From<&Owner> for OwnerRow {
    fn from(it: &Owner) -> Self {
        Self {
            uid: it.uid,
            inode: it.inode,
            cgroup: it.cgroup,
            exe: it.exe.clone(),
            task: it.task.as_ref().map(|task| (task.id.to_string(), task.session.to_string())),
        }
    }
}

impl TryFrom<OwnerRow> for Owner {
    type Error = StoreError;
    fn try_from(row: OwnerRow) -> Result<Self, StoreError> {
        let task = |(id, session): (String, String)| {
            let id = TaskId::new(&id).map_err(damaged)?;
            Ok::<_, StoreError>(OwningTask { id, session: SessionId::new(&session).map_err(damaged)? })
        };
        Ok(Self {
            uid: row.uid,
            inode: row.inode,
            cgroup: row.cgroup,
            exe: row.exe,
            task: row.task.map(task).transpose()?,
        })
    }
}

impl From<&Verdict> for VerdictRow {
    fn from(it: &Verdict) -> Self {
        Self {
            state: it.state.into(),
            policy: it.policy.into(),
            reason: it.reason.into(),
            status: it.status,
            not_http: it.not_http,
            framing: it.framing.clone(),
            live_update: it.live_update,
            server: it.server.clone(),
        }
    }
}

impl From<VerdictRow> for Verdict {
    fn from(row: VerdictRow) -> Self {
        Self {
            state: row.state.into(),
            policy: row.policy.into(),
            reason: row.reason.into(),
            status: row.status,
            not_http: row.not_http,
            framing: row.framing,
            live_update: row.live_update,
            server: row.server,
        }
    }
}

impl From<&TaskRecord> for TaskRow {
    fn from(it: &TaskRecord) -> Self {
        Self {
            id: it.id.to_string(),
            session: it.session.to_string(),
            user: it.user.to_string(),
            name: it.name.clone(),
            command: it.command.clone(),
            cwd: it.cwd.clone(),
            started: it.started.as_millis(),
            pid: it.pid,
            start_time: it.start_time,
            boot: it.boot.clone(),
            ended: it.ended.map(|end| (end.exit_code, end.at.as_millis())),
        }
    }
}

impl TryFrom<TaskRow> for TaskRecord {
    type Error = StoreError;
    fn try_from(row: TaskRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: TaskId::new(&row.id).map_err(damaged)?,
            session: SessionId::new(&row.session).map_err(damaged)?,
            user: UserId::new(&row.user).map_err(damaged)?,
            name: row.name,
            command: row.command,
            cwd: row.cwd,
            started: Wall::from_millis(row.started),
            pid: row.pid,
            start_time: row.start_time,
            boot: row.boot,
            ended: row.ended.map(|(exit_code, at)| TaskEnd { exit_code, at: Wall::from_millis(at) }),
        })
    }
}
