//! What people ask about certificates (`preview certs`), with an edge that runs or without one.

mod plan;
mod running;
mod list;
mod obtain;
mod clean;
mod check;

use std::io;
use std::path::PathBuf;

use preview_core::refusal::Code;
use thiserror::Error;

use crate::cert::challenge::challenge_of;
use crate::config::{Acme, Config, TlsSource};

pub use crate::cert::{Cause, Failure, Report};
pub use check::{Finding, Level, check};
pub use clean::{Cleaned, clean};
pub use list::{Listed, list};
pub use obtain::{Obtained, Want, obtain};
pub use plan::{Plan, Wanted, plan};

/// Why a question about certificates has no answer, or a certificate was not made.
#[derive(Debug, Error)]
pub enum CertsError {
    /// They are not ordered by the edge.
    #[error("edge.tls.mode is {0}: this edge orders no certificates itself")]
    NotOrdered(&'static str),
    /// What is configured cannot be used.
    #[error(transparent)]
    Unusable(#[from] crate::CertError),
    /// A step failed.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// A step of the edge that runs failed.
    #[error("{}", .0.message)]
    Told(Cause),
    /// The running edge is another user's.
    #[error("{}: an edge runs, and is another user's ({error})", socket.display())]
    NotOurs {
        /// Its control socket.
        socket: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The running edge does not answer as it should.
    #[error("the edge at {} does not answer: {reason}", socket.display())]
    Silent {
        /// Its control socket.
        socket: PathBuf,
        /// What is amiss.
        reason: String,
    },
}

impl CertsError {
    /// Its code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NotOrdered(_) => Code::ConfigInvalid,
            Self::Unusable(error) => Cause::from(error).code.parse().unwrap_or(Code::CertPairInvalid),
            Self::Failed(failure) => failure.code(),
            Self::Told(cause) => cause.code.parse().unwrap_or(Code::CertPending),
            Self::NotOurs { .. } => Code::Forbidden,
            Self::Silent { .. } => Code::CertPending,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NotOrdered(_) => "set edge.tls.mode to acme, or renew them where they come from".to_owned(),
            Self::Failed(failure) => failure.hint(),
            Self::Told(cause) => cause.hint.clone(),
            Self::NotOurs { .. } => "run this as the edge's user, or as root".to_owned(),
            Self::Silent { .. } => "see whether it runs, and its log".to_owned(),
            Self::Unusable(_) => self.code().cure().to_owned(),
        }
    }
}

/// What `config` says of ordering.
fn acme(config: &Config) -> Result<&Acme, CertsError> {
    match &config.tls {
        TlsSource::Acme(acme) => Ok(acme),
        TlsSource::SelfSigned => Err(CertsError::NotOrdered("self_signed")),
        TlsSource::Files { .. } | TlsSource::Folder(_) => Err(CertsError::NotOrdered("files")),
    }
}
