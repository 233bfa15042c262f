//! Why something was refused: a code, whose fault it is, and what to do next.

mod code;

use std::time::Duration;

use thiserror::Error;

pub use code::Code;

use crate::attachment::InvalidPath;
use crate::block::Target;
use crate::id::{InvalidText, Name, SessionId, TaskId};
use crate::limits::{LimitReached, LimitScope};
use crate::listener::{Listener, OwnerMismatch};
use crate::ports::PortRefusal;
use crate::share::Shares;
use crate::template::MissingAppId;

/// A refusal by the rules.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// An id or name is not one.
    #[error(transparent)]
    Text(InvalidText),
    /// The start path is not one.
    #[error(transparent)]
    Path(InvalidPath),
    /// The template wants an app.
    #[error(transparent)]
    AppId(MissingAppId),
    /// The ports policy forbids it.
    #[error(transparent)]
    Port(PortRefusal),
    /// The listener belongs to somebody else.
    #[error("the listener on {0} belongs to another session")]
    PortNotYours(Listener),
    /// Nothing listens there.
    #[error("nothing is listening on port {port} after {waited:?}")]
    NotListening {
        /// The port asked for.
        port: u16,
        /// How long was waited.
        waited: Duration,
        /// What listens in this session, in words.
        seen: Vec<String>,
    },
    /// The task that should listen has ended.
    #[error("task {task} has ended{}", exit_words(*.exit_code))]
    TaskDead {
        /// The task.
        task: TaskId,
        /// Its exit code, where it is known.
        exit_code: Option<i32>,
        /// The end of its output.
        last_lines: Vec<String>,
    },
    /// A limit is reached.
    #[error("limit reached: {} / {}", .0.limit, .0.scope)]
    Limit(LimitReached, Vec<Held>),
    /// The attachment has as many links for others as it may have.
    #[error("limit reached: {} links to one attachment", Shares::MOST)]
    TooManyShares,
    /// Another attachment has that host name.
    #[error("the host name {host} is taken by another attachment")]
    HostTaken {
        /// The host name.
        host: String,
        /// Its holder, if the caller may know of it.
        by: Option<Name>,
    },
    /// Somebody else listens there than was attached.
    #[error("the listener changed: {0}")]
    OwnerChanged(OwnerMismatch),
    /// The session belongs to another user.
    #[error("session {0} belongs to another user")]
    SessionOfAnother(SessionId),
    /// The caller may not act for that session or user.
    #[error("the key does not cover {0}")]
    OutOfScope(&'static str),
    /// The operator does not allow public attachments.
    #[error("visibility public is not allowed here (visibility.max)")]
    VisibilityRefused,
    /// The operator has shut out the session, its user or the host name.
    #[error("{0} is blocked by the operator")]
    Blocked(Target),
    /// There is no such thing, or the caller may not know of it.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// New attachments are switched off.
    #[error("previews are switched off (web_preview.enabled)")]
    Disabled,
}

/// An attachment that uses up a limit, for the hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its name.
    pub name: Name,
    /// Its session.
    pub session: SessionId,
    /// How long it has lived.
    pub age: Duration,
}

impl Refusal {
    /// Its code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Text(text) => match text.field.as_bytes() {
                b"name" => Code::NameInvalid,
                b"session_id" | b"user_id" | b"app_id" => Code::SessionInvalid,
                _ => Code::RequestInvalid,
            },
            Self::Path(_) | Self::AppId(_) => Code::RequestInvalid,
            Self::Port(_) => Code::PortRefused,
            Self::PortNotYours(_) => Code::PortNotYours,
            Self::NotListening { .. } => Code::PortNotListening,
            Self::TaskDead { .. } => Code::TaskDead,
            Self::Limit(reached, _) => match reached.scope {
                LimitScope::Session => Code::LimitSession,
                LimitScope::User => Code::LimitUser,
            },
            Self::TooManyShares => Code::LimitShares,
            Self::HostTaken { .. } => Code::HostTaken,
            Self::OwnerChanged(_) => Code::PortOwnerChanged,
            Self::SessionOfAnother(_) | Self::OutOfScope(_) | Self::VisibilityRefused | Self::Blocked(_) => {
                Code::Forbidden
            }
            Self::NotFound(_) => Code::NotFound,
            Self::Disabled => Code::Disabled,
        }
    }

    /// What the caller can do next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Port(PortRefusal::Outside { allow, .. }) => {
                format!("start the dev server on a port of {allow}")
            }
            Self::Port(PortRefusal::Denied(_) | PortRefusal::Own(_)) => {
                "start the dev server on another port".into()
            }
            Self::NotListening { seen, .. } if seen.is_empty() => {
                "start the dev server first, or raise wait_seconds (at most 120)".into()
            }
            Self::NotListening { seen, .. } => {
                format!(
                    "listening now in this session: {}; attach that, or raise wait_seconds (at most 120)",
                    seen.join(", ")
                )
            }
            Self::TaskDead { last_lines, .. } if last_lines.is_empty() => {
                "start the task again; it wrote nothing".into()
            }
            Self::TaskDead { last_lines, .. } => format!("its last lines: {}", last_lines.join(" | ")),
            Self::Limit(_, held) => {
                let names: Vec<_> =
                    held.iter().map(|h| format!("{} ({} old)", h.name, age_words(h.age))).collect();
                format!("detach one of {}", names.join(", "))
            }
            Self::HostTaken { by: Some(name), .. } => {
                format!("detach {name}, or choose another port or name")
            }
            Self::Blocked(_) => "ask the operator: `preview block --list` says why".into(),
            other => other.code().cure().to_owned(),
        }
    }
}

macro_rules! from {
    ($($source:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$source> for Refusal {
            fn from(source: $source) -> Self {
                Self::$variant(source)
            }
        })+
    };
}

from!(
    InvalidText => Text,
    InvalidPath => Path,
    MissingAppId => AppId,
    PortRefusal => Port,
    OwnerMismatch => OwnerChanged,
);

/// An age in words: `45s`, `2m`, `3h`, `4d`.
#[must_use]
pub fn age_words(age: Duration) -> String {
    match age.as_secs() {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3_600 => format!("{}m", s / 60),
        s @ 3_600..86_400 => format!("{}h", s / 3_600),
        s => format!("{}d", s / 86_400),
    }
}

fn exit_words(code: Option<i32>) -> String {
    code.map_or_else(String::new, |code| format!(" with exit code {code}"))
}
