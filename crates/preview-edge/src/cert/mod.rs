//! Certificates: where they come from, and which one a client is shown.

mod pair;
mod files;
mod self_signed;
mod resolver;
mod report;
mod failure;
#[expect(dead_code, reason = "its callers are on their way")]
mod http;
mod challenge;
mod vault;
#[cfg_attr(not(test), expect(dead_code, reason = "the issuer's loop is on its way"))]
mod plan;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use preview_core::clock::Wall;
use thiserror::Error;

pub use failure::Failure;
pub use report::{Cause, Report};

pub(crate) use pair::{Names, Shown, provider};
pub(crate) use report::Board;
pub(crate) use resolver::Resolver;

use crate::config::{Config, TlsSource};
use crate::state::StateError;
use files::Files;
use self_signed::SelfSigned;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

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

/// Where the certificate comes from, and the one in force.
pub(crate) struct Keeper {
    source: Source,
    /// What clients are shown.
    pub(crate) resolver: Arc<Resolver>,
    /// How things stand.
    pub(crate) board: Arc<Board>,
}

#[derive(Debug)]
enum Source {
    Files(Files),
    SelfSigned(SelfSigned),
}

impl Keeper {
    /// The certificate that `config` says; an error is one to refuse the start with.
    pub(crate) fn start(config: &Config, now: Wall) -> Result<Self, CertError> {
        let (source, shown) = match &config.tls {
            TlsSource::Files { cert, key } => {
                let (files, shown) = Files::load(cert.clone(), key.clone(), now)?;
                (Source::Files(files), shown)
            }
            TlsSource::SelfSigned | TlsSource::Folder(_) | TlsSource::Acme(_) => {
                let mut names = config.template.wildcard_names();
                names.push(config.template.base().to_owned());
                names.extend(config.daemon_host.clone());
                let (own, shown) = SelfSigned::load(&config.state_dir, names, now)?;
                (Source::SelfSigned(own), shown)
            }
        };
        let resolver = Arc::new(Resolver::default());
        resolver.put(shown);
        Ok(Self { source, resolver, board: Arc::new(Board::default()) })
    }

    /// Looks for changes for ever. The last good certificate stays in force until a better one is there.
    pub(crate) async fn keep(self) {
        let Self { mut source, resolver, board: _ } = self;
        loop {
            tokio::time::sleep(LOOK).await;
            let now = crate::clock::wall();
            // A file system that hangs must not hold up the route feed.
            let look = tokio::task::spawn_blocking(move || {
                let looked = source.look(now);
                (source, looked)
            });
            let Ok((looking, looked)) = look.await else {
                tracing::error!("certificates are no longer looked after: looking for them panicked");
                return;
            };
            source = looking;
            match looked {
                Ok(None) => {}
                Ok(Some(shown)) => {
                    tracing::info!(names = ?shown.names, "a new certificate is in force");
                    resolver.put(shown);
                }
                Err(error) => {
                    tracing::error!(%error, "the certificate is not taken, the last good one stays");
                }
            }
        }
    }
}

impl Source {
    fn look(&mut self, now: Wall) -> Result<Option<Shown>, CertError> {
        match self {
            Self::Files(files) => files.look(now),
            Self::SelfSigned(own) => own.look(now),
        }
    }
}
