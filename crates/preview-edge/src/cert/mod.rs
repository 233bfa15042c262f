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
use std::time::Duration;

use preview_core::clock::Wall;
use thiserror::Error;
use tokio::time::sleep;

pub use failure::Failure;
pub use report::{Cause, Report};

pub(crate) use pair::{Names, Shown, provider};
pub(crate) use report::{Ask, Board};
pub(crate) use resolver::Resolver;

use crate::again::again;
use crate::clock::wall;
use crate::config::{Config, TlsSource};
use crate::shared::Shared;
use crate::state::StateError;
use issuer::Issuer;
use watched::Watched;

/// The rest after a fault of ours, before looking after certificates begins anew.
const REST: Duration = Duration::from_secs(10);

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
    /// It is a link that somebody else made.
    #[error("is a symbolic link of uid {0}: only root's and the edge's own are followed to a key")]
    Link(u32),
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
        let source = Source::begin(config, &resolver, &board, now)?;
        Ok(Self { source, resolver, board })
    }

    /// Looks after them for ever. What clients are shown stays through a fault of ours on the way.
    pub(crate) async fn keep(self, shared: Arc<Shared>) {
        let Self { source, resolver, board } = self;
        let mut source = Some(source);
        let work = || {
            let (shared, resolver, board) = (Arc::clone(&shared), Arc::clone(&resolver), Arc::clone(&board));
            let begun = source.take();
            async move {
                let anew = || Source::begin(&shared.config, &resolver, &board, wall());
                let mut begun = begun.map_or_else(anew, Ok);
                while let Err(error) = &begun {
                    tracing::error!(%error, "certificates cannot be looked after, it is tried again");
                    sleep(REST).await;
                    begun = anew();
                }
                if let Ok(source) = begun {
                    source.keep(Arc::clone(&resolver), Arc::clone(&board)).await;
                }
            }
        };
        again("looking after certificates", REST, work).await;
    }
}

impl Source {
    fn begin(
        config: &Config,
        resolver: &Arc<Resolver>,
        board: &Arc<Board>,
        now: Wall,
    ) -> Result<Self, CertError> {
        if let TlsSource::Acme(acme) = &config.tls {
            let issuer = Issuer::start(config, acme, Arc::clone(resolver), Arc::clone(board), now)?;
            return Ok(Self::Ordered(Box::new(issuer)));
        }
        let mut watched = Watched::start(config, now)?;
        watched.tell(resolver, board, now);
        Ok(Self::Watched(Box::new(watched)))
    }

    async fn keep(self, resolver: Arc<Resolver>, board: Arc<Board>) {
        match self {
            Self::Watched(watched) => watched.keep(resolver, board).await,
            Self::Ordered(issuer) => issuer.keep().await,
        }
    }
}
