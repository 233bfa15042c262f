//! What can go wrong, whose fault it is, and what to do next.

use std::io;
use std::path::PathBuf;

use preview_core::refusal::{Code, Refusal};
use preview_sockets::DiagError;
use thiserror::Error;

pub use crate::store::StoreError;

use crate::config::InvalidConfig;
use crate::probe::WaitFailure;
use crate::tasks::TaskFailure;

/// Why a call was not carried out.
#[derive(Debug, Error)]
pub enum Failure {
    /// By the rules.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The caller's request makes no sense.
    #[error("{field}: {why}")]
    Invalid {
        /// The field, as the API calls it.
        field: &'static str,
        /// What is wrong with it, and what is allowed.
        why: String,
    },
    /// The caller shows no credential, or a wrong one.
    #[error("no such key or token")]
    Unauthorized,
    /// The operator does not allow it.
    #[error("{what} is not allowed here ({key})")]
    NotAllowed {
        /// What was asked.
        what: &'static str,
        /// The configuration key that decides it.
        key: &'static str,
    },
    /// Our store does not take it.
    #[error("the change was not stored")]
    Store(#[from] StoreError),
    /// The kernel gives no randomness.
    #[error("the system gives no randomness")]
    Random(#[from] getrandom::Error),
    /// The kernel does not tell who listens.
    #[error("cannot see who listens")]
    Sockets(#[from] DiagError),
    /// The system did not start a task.
    #[error("the system did not start the task: {0}")]
    Start(io::Error),
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopping,
}

impl Failure {
    /// Its code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Invalid { .. } | Self::Start(_) => Code::RequestInvalid,
            Self::Unauthorized => Code::Unauthorized,
            Self::NotAllowed { .. } => Code::Forbidden,
            Self::Store(error) => error.code(),
            Self::Random(_) | Self::Sockets(_) | Self::Stopping => Code::DaemonUnreachable,
        }
    }

    /// What the caller can do next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.hint(),
            Self::NotAllowed { key, .. } => format!("ask the operator to change {key}"),
            Self::Invalid { .. }
            | Self::Unauthorized
            | Self::Store(_)
            | Self::Random(_)
            | Self::Sockets(_)
            | Self::Start(_)
            | Self::Stopping => self.code().cure().to_owned(),
        }
    }

    /// A field of the request makes no sense.
    pub(crate) fn invalid(field: &'static str, why: impl Into<String>) -> Self {
        Self::Invalid { field, why: why.into() }
    }

    /// The tied or asked-for thing does not exist, or the caller may not know of it.
    #[must_use]
    pub const fn not_found(what: &'static str) -> Self {
        Self::Refused(Refusal::NotFound(what))
    }
}

impl From<WaitFailure> for Failure {
    fn from(failure: WaitFailure) -> Self {
        match failure {
            WaitFailure::Refused(refusal) => Self::Refused(refusal),
            WaitFailure::Sockets(error) => Self::Sockets(error),
        }
    }
}

impl From<TaskFailure> for Failure {
    fn from(failure: TaskFailure) -> Self {
        match failure {
            TaskFailure::Invalid { field, why } => Self::Invalid { field, why },
            TaskFailure::NoUser => Self::NotAllowed { what: "starting tasks as root", key: "tasks.user" },
            TaskFailure::CannotBecome(_) => {
                Self::NotAllowed { what: "starting tasks as that user", key: "tasks.user" }
            }
            TaskFailure::Start(error) => Self::Start(error),
            TaskFailure::Store(error) => Self::Store(error),
        }
    }
}

/// Why the daemon does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its configuration cannot be obeyed.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// Its state cannot be used.
    #[error("the state in {folder} cannot be used")]
    Store {
        /// The state folder.
        folder: PathBuf,
        /// What is wrong with it.
        source: StoreError,
    },
    /// There are no grant keys.
    #[error("no keys to sign grants with")]
    Keys(#[source] Failure),
    /// The kernel does not tell who listens.
    #[error("cannot see who listens on this host")]
    Sockets(#[source] DiagError),
    /// A door cannot be opened.
    #[error("cannot listen on {door}")]
    Door {
        /// The socket's path or address.
        door: String,
        /// What the system says.
        source: io::Error,
    },
}

impl StartError {
    /// Its code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Store { source, .. } => source.code(),
            Self::Keys(failure) => failure.code(),
            Self::Sockets(_) => Code::DaemonUnreachable,
            Self::Door { source, .. } if source.kind() == io::ErrorKind::AddrInUse => Code::StateInUse,
            Self::Config(_) | Self::Door { .. } => Code::ConfigInvalid,
        }
    }
}
