//! What clients of the daemon send and get (`docs/contract.md` §4).

mod block;
mod health;
mod redacted;
mod share;
mod task;

use serde::{Deserialize, Serialize};

pub use block::{BlockList, BlockRequest, BlockView, Unblocked};
pub use health::{Health, ModuleHealth, ModuleLimits, Ready};
pub use share::{ShareList, ShareRequest, ShareView, Unshared, VisibilityRequest};
pub use task::{TaskRequest, TaskView};

use super::{HostHeaderWord, PolicyWord, StateWord, Timestamp, VisibilityWord};
use crate::attachment::Attachment;
use crate::verdict::Verdict;

/// `POST /v1/attachments`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachRequest {
    /// The session.
    pub session_id: String,
    /// Its user.
    pub user_id: String,
    /// Its app, where the template has `{app_id}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// The port, 1–65535.
    pub port: u32,
    /// What the session calls it.
    #[serde(default = "default_name")]
    pub name: String,
    /// Where a viewer starts: empty, or at most 512 characters from a `/`.
    #[serde(default)]
    pub path: String,
    /// `127.0.0.1`, `::1` or `localhost`.
    #[serde(default = "default_host")]
    pub host: String,
    /// The task to tie it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bash_task_id: Option<String>,
    /// How long to wait for the port to be bound, seconds; 0 means the default.
    #[serde(default)]
    pub wait_seconds: u64,
    /// Whether to ask the server how it answers.
    #[serde(default = "yes")]
    pub health_check: bool,
    /// The host policy wished for.
    #[serde(default = "default_host_header")]
    pub host_header: HostHeaderWord,
    /// Who may see it; the operator's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<VisibilityWord>,
}

/// An attachment, as attach, show and list answer it. `token` and the token in `iframe_url` are there only in the
/// answer that hands them out, and `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `devserver` or `published`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its session.
    pub session_id: String,
    /// Its user.
    pub user_id: String,
    /// Its app.
    pub app_id: Option<String>,
    /// The address that is dialled.
    pub host: String,
    /// The port that is dialled.
    pub port: u16,
    /// Where a viewer starts.
    pub path: String,
    /// The task it is tied to.
    pub bash_task_id: Option<String>,
    /// When it was first attached.
    pub created_at: Timestamp,
    /// When somebody last visited it, since the daemon started.
    pub last_hit_at: Option<Timestamp>,
    /// Seconds until it is reaped without a visit.
    pub reaped_in_seconds: Option<u64>,
    /// The URL with `session_id` and `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iframe_url: Option<String>,
    /// The URL without credentials.
    pub url: String,
    /// The token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Who may see it.
    pub visibility: VisibilityWord,
    /// Whether the operator has shut it out: it stays attached and is not served.
    #[serde(default)]
    pub blocked: bool,
    /// What the probe found.
    pub verdict: VerdictView,
    /// What to do next, or to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What the probe found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictView {
    /// `live`, `pending` or `down`.
    pub state: StateWord,
    /// The listener, `127.0.0.1:5173`.
    pub listener: String,
    /// The owner's uid.
    pub owner_uid: u32,
    /// The owner's program.
    pub owner_program: Option<String>,
    /// The status of `GET path`.
    pub status: Option<u16>,
    /// The host policy in force.
    pub host_policy: PolicyWord,
    /// Why.
    pub host_policy_reason: String,
    /// Headers that would blank an iframe.
    pub framing: Vec<String>,
    /// The result of the live-update upgrade of a known server.
    pub live_update: Option<u16>,
    /// The kind of server, where it was recognised.
    pub server: Option<String>,
}

/// `GET /v1/attachments`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentList {
    /// One page of them, in the order of their ids.
    pub attachments: Vec<AttachmentView>,
    /// Where the next page starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// The answer to a detach (seed).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detached {
    /// The name asked for.
    pub name: String,
    /// Whether there was anything to take down.
    pub removed: bool,
    /// What was taken down.
    pub previous: Option<Box<AttachmentView>>,
}

/// The answer to `DELETE /v1/sessions/{session_id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnded {
    /// The session.
    pub session_id: String,
    /// Names of the attachments that were taken down.
    pub detached: Vec<String>,
    /// Ids of the tasks that were ended.
    pub tasks: Vec<String>,
}

/// `POST /v1/tokens/verify`. `Debug` does not show the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenCheck {
    /// The session named in the URL.
    pub session_id: String,
    /// The token in the URL.
    pub token: String,
}

/// The answer to a token that is good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenVerified {
    /// The attachment.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its session.
    pub session_id: String,
    /// Whether it is a link that lets only look.
    #[serde(default)]
    pub read_only: bool,
    /// Until when; null: until it is rotated.
    pub valid_until: Option<Timestamp>,
}

/// A failure: `application/problem+json` (RFC 9457) with our code and a hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:preview:CODE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code's meaning.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The code (`docs/contract.md` §8).
    pub code: String,
    /// What happened this time.
    pub detail: String,
    /// What to do next.
    pub hint: String,
}

impl AttachmentView {
    /// The view of an attachment without credentials or traffic.
    #[must_use]
    pub fn of(it: &Attachment) -> Self {
        Self {
            id: it.id.to_string(),
            name: it.name.to_string(),
            kind: it.kind().as_str().to_owned(),
            session_id: it.session.to_string(),
            user_id: it.user.to_string(),
            app_id: it.app.as_ref().map(ToString::to_string),
            host: it.listener.address.to_string(),
            port: it.listener.port.get(),
            path: it.path.as_str().to_owned(),
            bash_task_id: it.task.as_ref().map(ToString::to_string),
            created_at: Timestamp(it.created),
            last_hit_at: None,
            reaped_in_seconds: None,
            iframe_url: None,
            url: it.page_url(),
            token: None,
            visibility: it.visibility.into(),
            blocked: it.blocked,
            verdict: VerdictView::of(it, &it.verdict),
            hint: None,
        }
    }
}

impl VerdictView {
    /// The view of a verdict on an attachment's listener.
    #[must_use]
    pub fn of(it: &Attachment, verdict: &Verdict) -> Self {
        Self {
            state: verdict.state.into(),
            listener: it.listener.to_string(),
            owner_uid: it.owner.uid,
            owner_program: it.owner.exe.clone(),
            status: verdict.status,
            host_policy: verdict.policy.into(),
            host_policy_reason: verdict.reason.to_string(),
            framing: verdict.framing.clone(),
            live_update: verdict.live_update,
            server: verdict.server.clone(),
        }
    }
}

fn default_name() -> String {
    "default".to_owned()
}

fn default_host() -> String {
    "127.0.0.1".to_owned()
}

const fn default_host_header() -> HostHeaderWord {
    HostHeaderWord::Auto
}

const fn yes() -> bool {
    true
}
