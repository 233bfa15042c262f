//! How certificates stand: what the edge that runs says, else what its files say.

use super::CertsError;
use super::running::Running;
use crate::cert::{Report, issuer, watched};
use crate::clock;
use crate::config::{Config, TlsSource};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// How the certificate stands.
    pub report: Report,
    /// Whether an edge runs that said so.
    pub is_running: bool,
}

/// How the certificates of `config` stand; nothing is changed.
///
/// # Errors
/// [`CertsError`] if neither the edge nor its files can be asked.
pub async fn list(config: &Config) -> Result<Listed, CertsError> {
    if let Some(running) = Running::find(&config.state_dir).await?
        && let Some(report) = running.report().await?
    {
        return Ok(Listed { report, is_running: true });
    }
    Ok(Listed { report: kept(config).await?, is_running: false })
}

/// What the files say.
pub(super) async fn kept(config: &Config) -> Result<Report, CertsError> {
    match &config.tls {
        TlsSource::Acme(acme) => Ok(issuer::peek(config, acme).await?),
        TlsSource::SelfSigned | TlsSource::Files { .. } | TlsSource::Folder(_) => {
            Ok(watched::peek(config, clock::wall())?)
        }
    }
}
