//! Who writes the TXT records that prove a name is ours (RFC 8555 §8.4).

mod tail;
mod exec;
mod httpreq;
mod acme_dns;
mod rfc2136;
mod builtin;
#[cfg(feature = "dns-providers")]
mod hosted;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub(crate) use acme_dns::AcmeDns;

use super::Failure;
use crate::config::{self, Acme};
use crate::dns::Records;
use tail::Tail;

/// One record of one challenge: all that a solver may need to write it, and, after a crash, to remove it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The record's name, lower case, without a final dot: `_acme-challenge.DOMAIN`, or where its CNAME leads.
    pub(crate) fqdn: String,
    /// The TXT value: base64url of the key authorization's SHA-256.
    pub(crate) value: String,
    /// The domain that is to be proved, without `*.`.
    pub(crate) domain: String,
    /// The challenge's token.
    pub(crate) token: String,
    /// The token with the account key's thumbprint; hooks in raw mode want it.
    pub(crate) key_authorization: String,
}

/// Writes and removes records. Both may be called again for the same record, also by a later process; a record that
/// is gone counts as removed, and other values at the same name stay as they are.
pub(crate) trait Solver: Send + Sync {
    /// What it is called in configuration.
    fn name(&self) -> &'static str;
    /// Adds the record to those at its name.
    fn present<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>>;
    /// Removes it.
    fn remove<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>>;
}

/// Where `name`, which may begin with `*.`, is proved (RFC 8555 §8.4).
pub(crate) fn challenge_of(name: &str) -> String {
    format!("_acme-challenge.{}", name.strip_prefix("*.").unwrap_or(name))
}

/// The solver that `acme` names; `records` are those of the DNS server that runs here, if one does.
pub(crate) fn solver(acme: &Acme, records: Option<Arc<Records>>) -> Result<Box<dyn Solver>, Failure> {
    let timeout = acme.timers.http;
    Ok(match &acme.solver {
        config::Solver::Builtin(dns) => {
            let records = records.ok_or_else(|| Failure::DnsBind {
                at: dns.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                reason: "it does not run".to_owned(),
            })?;
            Box::new(builtin::Builtin::new(records))
        }
        config::Solver::Rfc2136(settings) => {
            // Configuration without a zone is refused where it is read.
            let zone = acme.zone.as_deref().unwrap_or_default();
            Box::new(rfc2136::Updates::new(settings, zone, acme.timers.dns)?)
        }
        config::Solver::Exec(exec) => Box::new(exec::Hook::new(exec)?),
        config::Solver::HttpReq(httpreq) => Box::new(httpreq::Endpoint::new(httpreq, timeout)?),
        config::Solver::AcmeDns { account_file } => Box::new(AcmeDns::new(account_file, timeout)?),
        #[cfg(feature = "dns-providers")]
        config::Solver::Hosted { provider, credentials_file } => {
            Box::new(hosted::Hosted::new(provider, credentials_file, acme.zone.as_deref(), timeout)?)
        }
        #[cfg(not(feature = "dns-providers"))]
        config::Solver::Hosted { provider, .. } => {
            let reason = format!(
                "this program was built without hosted providers (cargo feature dns-providers), so it cannot speak \
                 to {provider}"
            );
            return Err(Failure::CredentialsInvalid { file: "edge.acme.solver".to_owned(), reason });
        }
    })
}
