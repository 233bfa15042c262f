//! Removing what attempts left in DNS.

use serde::Serialize;

use super::running::Running;
use super::{Cause, CertsError, challenge_of};
use crate::cert::issuer;
use crate::cert::lookup::Lookup;
use crate::config::{Acme, Config};

/// What was removed, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// Records of this edge that are gone now.
    pub removed: usize,
    /// Records of this edge that could not be removed; it is tried again every hour.
    pub left: usize,
    /// Why not, for the last of them.
    pub cause: Option<Cause>,
    /// TXT records that stand at the challenges' names and were not written by this edge: `NAME TXT VALUE`.
    pub foreign: Vec<String>,
}

/// Removes every record that the edge of `config` wrote and did not remove, and nothing that it did not write.
///
/// # Errors
/// [`CertsError`] if that cannot even be tried.
pub async fn clean(config: &Config) -> Result<Cleaned, CertsError> {
    let acme = super::acme(config)?;
    let running = Running::find(&config.state_dir).await?;
    let cleaned = issuer::clean(config, acme, running.is_none()).await?;
    if let Some(running) = running {
        // It finds them gone, and forgets them.
        running.tell("clean").await?;
    }
    Ok(Cleaned {
        removed: cleaned.removed,
        left: cleaned.left,
        cause: cleaned.failure.as_ref().map(Cause::from),
        foreign: foreign(acme).await,
    })
}

/// What still stands there, as far as name servers say. While a running edge orders, that is its own.
async fn foreign(acme: &Acme) -> Vec<String> {
    let Ok(lookup) = Lookup::new(&acme.resolvers, acme.timers.dns) else { return Vec::new() };
    let mut names: Vec<String> = acme.names.iter().map(|name| challenge_of(name)).collect();
    names.dedup();
    let mut foreign = Vec::new();
    for name in names {
        let name = match &acme.alias {
            Some(alias) => alias.clone(),
            None => lookup.target(&name).await.unwrap_or(name),
        };
        let values = lookup.values(&name).await.unwrap_or_default();
        foreign.extend(values.into_iter().map(|value| format!("{name} TXT {value:?}")));
    }
    foreign.sort();
    foreign.dedup();
    foreign
}
