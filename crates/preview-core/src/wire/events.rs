//! Events as clients get them (`docs/contract.md` §5).

use serde::{Deserialize, Serialize};

use super::api::VerdictView;
use super::{Timestamp, VisibilityWord};

/// One event, with what all events have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// Its place in the order of all changes: what `since` and `Last-Event-ID` take.
    pub revision: u64,
    /// When it happened.
    pub time: Timestamp,
    /// The session it concerns.
    pub session_id: String,
    /// The session's user.
    pub user_id: String,
    /// The attachment it concerns, where it concerns one.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// What happened.
    #[serde(flatten)]
    pub what: EventWord,
}

/// The attachment an event concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `devserver` or `published`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its URL without credentials.
    pub url: String,
    /// The address that is dialled.
    pub host: String,
    /// The port that is dialled.
    pub port: u16,
    /// Where a viewer starts.
    pub path: String,
}

/// What happened, with what only this event has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum EventWord {
    /// An attachment began, or moved (seed).
    #[serde(rename = "web_preview:attached")]
    Attached {
        /// Whether its name was in use before.
        replaced: bool,
        /// How long the attach took, milliseconds.
        duration_ms: u64,
    },
    /// An attachment ended.
    #[serde(rename = "web_preview:detached")]
    Detached {
        /// `agent_request`, `session_end`, `reaped` or `node_lost`.
        reason: String,
        /// How long it lived, seconds.
        lifetime_seconds: u64,
        /// The task that was ended with it.
        killed_task: Option<String>,
    },
    /// It will be reaped without a visit.
    #[serde(rename = "web_preview:expiring")]
    Expiring {
        /// In so many seconds.
        in_seconds: u64,
    },
    /// An attach was refused for a limit.
    #[serde(rename = "web_preview:limit")]
    Limit {
        /// `session` or `user`.
        scope: String,
        /// Attachments there are.
        count: u32,
        /// Attachments there may be.
        limit: u32,
    },
    /// A task ended by itself.
    #[serde(rename = "web_preview:task_exit")]
    TaskExit {
        /// The task.
        bash_task_id: String,
        /// Its exit code, where it is known.
        exit_code: Option<i32>,
        /// The end of its output.
        last_lines: Vec<String>,
    },
    /// The probe came to a verdict.
    #[serde(rename = "web_preview:ready")]
    Ready {
        /// What it found.
        verdict: VerdictView,
    },
    /// Nothing listens there any more.
    #[serde(rename = "web_preview:down")]
    Down,
    /// A new token was handed out; the old one has a minute left.
    #[serde(rename = "web_preview:rotated")]
    Rotated,
    /// Every browser is out.
    #[serde(rename = "web_preview:revoked")]
    Revoked,
    /// A link was handed out to somebody else.
    #[serde(rename = "web_preview:shared")]
    Shared {
        /// Its number within the attachment.
        number: u32,
        /// Whom it is for.
        label: String,
        /// Whether it lets only look.
        read_only: bool,
        /// From when it is refused.
        expires_at: Timestamp,
    },
    /// A link was withdrawn.
    #[serde(rename = "web_preview:unshared")]
    Unshared {
        /// Its number within the attachment.
        number: u32,
    },
    /// Who may see it has changed.
    #[serde(rename = "web_preview:visibility")]
    Visibility {
        /// Who may see it now.
        visibility: VisibilityWord,
    },
    /// The operator has shut it out: it stays attached and is not served.
    #[serde(rename = "web_preview:blocked")]
    Blocked,
    /// It is served again.
    #[serde(rename = "web_preview:unblocked")]
    Unblocked,
    /// An event of a later release.
    #[serde(other, rename = "web_preview:unknown")]
    Unknown,
}
