//! Certificates: where they come from, and which one a client is shown.

mod pair;
mod files;
mod folder;
mod self_signed;
pub(crate) mod watched;
mod resolver;
mod report;
mod failure;
mod secret;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod challenge;
pub(crate) mod lookup;
pub(crate) mod vault;
mod plan;
pub(crate) mod journal;
pub(crate) mod desk;
pub(crate) mod ca;
mod order;
pub(crate) mod issuer;

use std::path::PathBuf;
use std::sync::Arc;

use preview_core::clock::Wall;
use thiserror::Error;

pub use failure::Failure;
pub use report::{Cause, Report};

pub(crate) use pair::{Names, Shown, provider};
pub(crate) use report::{Ask, Board};
pub(crate) use resolver::Resolver;

use crate::config::{Config, TlsSource};
use crate::state::StateError;
use issuer::Issuer;
use watched::Watched;

/// A certificate that cannot be shown.
#[derive(Debug, Error)]
#[error("{}: {problem}", file.display())]
pub struct CertError {
    /// The file at fault.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: CertProblem,
}

/// What is wrong with a certificate or key.
#[derive(Debug, Error)]
pub enum CertProblem {
    /// The file cannot be read.
    #[error("cannot be read ({0})")]
    Unreadable(std::io::Error),
    /// Others can read, or write, the key.
    #[error("its mode is {0:04o}: a key must be closed to others, and to its group for writing (chmod 600)")]
    Mode(u32),
    /// There is no certificate in it.
    #[error("holds no certificate in PEM")]
    NoCertificate,
    /// There is no key in it.
    #[error("holds no private key in PEM")]
    NoKey,
    /// The key is of a kind that we cannot use, or damaged.
    #[error("holds a key that cannot be used ({0})")]
    BadKey(rustls::Error),
    /// The certificate makes no sense.
    #[error("holds a certificate that cannot be read")]
    BadCertificate,
    /// It was made for another key.
    #[error("is not the key of the certificate")]
    Mismatch,
    /// Its time is over.
    #[error("expired at {0} seconds since 1970")]
    Expired(u64),
    /// No good pair has this name.
    #[error("holds no pair that is good for {0} now")]
    Uncovered(String),
    /// It names no host.
    #[error("covers no host name (it has no subjectAltName)")]
    Nameless,
    /// A certificate of our own could not be made or kept.
    #[error("cannot be made: {0}")]
    Unmade(String),
    /// The folder it is kept in is not fit for secrets.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Where certificates come from, and those in force.
pub(crate) struct Keeper {
    source: Source,
    /// What clients are shown.
    pub(crate) resolver: Arc<Resolver>,
    /// How things stand.
    pub(crate) board: Arc<Board>,
}

enum Source {
    Watched(Box<Watched>),
    Ordered(Box<Issuer>),
}

impl Keeper {
    /// The certificates that `config` says; an error is one to refuse the start with.
    pub(crate) fn start(config: &Config, now: Wall) -> Result<Self, CertError> {
        let (resolver, board) = (Arc::new(Resolver::default()), Arc::new(Board::default()));
        let source = if let TlsSource::Acme(acme) = &config.tls {
            let issuer = Issuer::start(config, acme, Arc::clone(&resolver), Arc::clone(&board), now)?;
            Source::Ordered(Box::new(issuer))
        } else {
            let mut watched = Watched::start(config, now)?;
            watched.tell(&resolver, &board, now);
            Source::Watched(Box::new(watched))
        };
        Ok(Self { source, resolver, board })
    }

    /// Looks after them for ever.
    pub(crate) async fn keep(self) {
        let Self { source, resolver, board } = self;
        match source {
            Source::Watched(watched) => watched.keep(resolver, board).await,
            Source::Ordered(issuer) => issuer.keep().await,
        }
    }
}
