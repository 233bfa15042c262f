//! What can go wrong on the way to a certificate: a code, whose fault it is, what to do (`docs/acme.md` §8).

use std::io;
use std::time::Duration;

use preview_core::clock::Wall;
use preview_core::refusal::Code;
use thiserror::Error;

use crate::state::StateError;

/// A step that failed. The message says what happened, [`Failure::hint`] what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// A name server does not show the record that was written.
    #[error("{fqdn}: {ns} does not show the TXT record that was written")]
    TxtNotSeen {
        /// The record's name.
        fqdn: String,
        /// The name server.
        ns: String,
    },
    /// The authority found other values.
    #[error("the authority found another TXT record than ours: {0}")]
    TxtMismatch(String),
    /// The answer no longer fits.
    #[error("{fqdn}: {count} TXT records stand there, too many for one answer")]
    TxtTooMany {
        /// The records' name.
        fqdn: String,
        /// How many there are.
        count: usize,
    },
    /// The key is not accepted.
    #[error("{server} does not accept the TSIG key {key}: {reason}")]
    TsigRejected {
        /// The name server.
        server: String,
        /// The key's name.
        key: String,
        /// The server's reason.
        reason: String,
    },
    /// Not in charge of the zone, or another time of day.
    #[error("{server} answers NOTAUTH for the zone {zone}: it is not in charge of it, or the clocks differ")]
    ZoneOrClock {
        /// The name server.
        server: String,
        /// The zone that was named.
        zone: String,
    },
    /// Its policy forbids the update.
    #[error("{server} refuses to change {fqdn}")]
    UpdateRefused {
        /// The name server.
        server: String,
        /// The record's name.
        fqdn: String,
        /// The key's name.
        key: String,
    },
    /// A name server does not answer.
    #[error("{server} cannot be asked by DNS: {reason}")]
    DnsUnreachable {
        /// The name server.
        server: String,
        /// Why not.
        reason: String,
    },
    /// The parent does not delegate.
    #[error("{zone} is not delegated to this edge: {found}")]
    DelegationMissing {
        /// The zone.
        zone: String,
        /// What stands there instead.
        found: String,
        /// The record to set.
        record: String,
    },
    /// Validating resolvers refuse the zone.
    #[error("{0}: resolvers that validate DNSSEC answer SERVFAIL")]
    DnssecBroken(String),
    /// A wildcard CNAME answers.
    #[error("{fqdn} is answered by a wildcard CNAME to {target}")]
    ChallengeCaptured {
        /// The challenge's name.
        fqdn: String,
        /// Where the CNAME leads.
        target: String,
    },
    /// A name server is behind.
    #[error("{fqdn}: {ns} does not show what the others show")]
    NsDisagree {
        /// The record's name.
        fqdn: String,
        /// The name server.
        ns: String,
    },
    /// The provider refuses.
    #[error("{provider} refuses the change: {reason}")]
    ProviderRefused {
        /// The provider.
        provider: String,
        /// Its reason.
        reason: String,
    },
    /// A file of credentials is of no use.
    #[error("{file}: {reason}")]
    CredentialsInvalid {
        /// The file.
        file: String,
        /// What it lacks.
        reason: String,
    },
    /// A hook failed.
    #[error("{hook} failed: {reason}")]
    HookFailed {
        /// The hook, with its arguments.
        hook: String,
        /// Exit code or status, and the last 1 KiB of what it said.
        reason: String,
    },
    /// The built-in DNS server has no place to listen.
    #[error("the built-in DNS server cannot listen on {at}: {reason}")]
    DnsBind {
        /// The address and port.
        at: String,
        /// Why not, and who holds it where that is known.
        reason: String,
    },
    /// The authority does not answer.
    #[error("{url} does not answer: {reason}")]
    CaTimeout {
        /// What was asked.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The authority, or a proxy before it, is in trouble.
    #[error("the authority answers {status}{}", after(*.retry_after))]
    CaUnavailable {
        /// The HTTP status.
        status: u16,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// The authority refuses, for a reason that has no name here.
    #[error("the authority refuses: {kind}: {detail}")]
    CaRefused {
        /// The problem's type (RFC 8555 §6.7), without the prefix.
        kind: String,
        /// Its detail.
        detail: String,
    },
    /// A limit is reached.
    #[error("{limit}; the next order is possible {}", at(*.until))]
    RateLimited {
        /// Which limit.
        limit: String,
        /// When it ends.
        until: Wall,
    },
    /// The name was paused.
    #[error("the authority has paused this name: {url}")]
    Paused {
        /// Where the pause is lifted.
        url: String,
    },
    /// Nonces were refused.
    #[error("the authority refused several nonces in a row")]
    BadNonce,
    /// The authority issues nothing for the name.
    #[error("the authority issues nothing for this name: {0}")]
    NameForbidden(String),
    /// It wants a binding.
    #[error("the authority wants an external account binding")]
    EabRequired,
    /// It does not take this binding.
    #[error("the authority does not accept the external account binding: {0}")]
    EabInvalid(String),
    /// Its terms were not agreed to.
    #[error("the authority's terms of service have not been accepted{}", terms(.url.as_ref()))]
    TosNotAccepted {
        /// Where they can be read, if that is known.
        url: Option<String>,
    },
    /// It does not take the contact.
    #[error("the authority does not accept the contact {0:?}")]
    ContactInvalid(String),
    /// The account is gone.
    #[error("the authority does not know the account any more")]
    AccountLost,
    /// No renewal information.
    #[error("the authority does not say when to renew: {0}")]
    AriUnavailable(String),
    /// The order is over.
    #[error("the order is no longer valid: {0}")]
    OrderExpired(String),
    /// State cannot be kept.
    #[error("{0}")]
    StateUnwritable(String),
    /// Not the certificate that was ordered.
    #[error("the authority's certificate cannot be used: {0}")]
    BadCertificate(String),
    /// State does not outlive a restart.
    #[error("{dir} lies on {fs}, which does not outlive a restart")]
    EphemeralState {
        /// The folder.
        dir: String,
        /// The kind of its file system.
        fs: String,
    },
    /// CAA forbids.
    #[error("a CAA record at {domain} forbids the authority to issue: {found}")]
    CaaForbids {
        /// Where the record stands.
        domain: String,
        /// What it says.
        found: String,
        /// The record to publish.
        record: String,
    },
    /// No such profile.
    #[error("the authority has no profile {profile:?}; it has {}", list(.have))]
    ProfileUnknown {
        /// The one that was asked for.
        profile: String,
        /// The ones there are.
        have: Vec<String>,
    },
    /// The clocks differ.
    #[error("this machine's clock differs from the authority's by {} s", .0.as_secs())]
    ClockWrong(Duration),
    /// There is none yet.
    #[error("there is no certificate yet")]
    Pending,
}

impl Failure {
    /// Its code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::TxtNotSeen { .. } => Code::CertTxtNotSeen,
            Self::TxtMismatch(_) => Code::CertTxtMismatch,
            Self::TxtTooMany { .. } => Code::CertTxtTooMany,
            Self::TsigRejected { .. } => Code::CertTsigRejected,
            Self::ZoneOrClock { .. } => Code::CertZoneOrClock,
            Self::UpdateRefused { .. } => Code::CertUpdateRefused,
            Self::DnsUnreachable { .. } => Code::CertDnsUnreachable,
            Self::DelegationMissing { .. } => Code::CertDelegationMissing,
            Self::DnssecBroken(_) => Code::CertDnssecBroken,
            Self::ChallengeCaptured { .. } => Code::CertChallengeCaptured,
            Self::NsDisagree { .. } => Code::CertNsDisagree,
            Self::ProviderRefused { .. } => Code::CertProviderRefused,
            Self::CredentialsInvalid { .. } => Code::CertCredentialsInvalid,
            Self::HookFailed { .. } => Code::CertHookFailed,
            Self::DnsBind { .. } => Code::CertDnsBind,
            Self::CaTimeout { .. } => Code::CertCaTimeout,
            Self::CaUnavailable { .. } => Code::CertCaUnavailable,
            Self::CaRefused { .. } => Code::CertCaRefused,
            Self::RateLimited { .. } => Code::CertRateLimited,
            Self::Paused { .. } => Code::CertPaused,
            Self::BadNonce => Code::CertBadNonce,
            Self::NameForbidden(_) => Code::CertNameForbidden,
            Self::EabRequired => Code::CertEabRequired,
            Self::EabInvalid(_) => Code::CertEabInvalid,
            Self::TosNotAccepted { .. } => Code::CertTosNotAccepted,
            Self::ContactInvalid(_) => Code::CertContactInvalid,
            Self::AccountLost => Code::CertAccountLost,
            Self::AriUnavailable(_) => Code::CertAriUnavailable,
            Self::OrderExpired(_) => Code::CertOrderExpired,
            Self::StateUnwritable(_) => Code::CertStateUnwritable,
            Self::BadCertificate(_) => Code::CertBadCertificate,
            Self::EphemeralState { .. } => Code::CertEphemeralState,
            Self::CaaForbids { .. } => Code::CertCaaForbids,
            Self::ProfileUnknown { .. } => Code::CertProfileUnknown,
            Self::ClockWrong(_) => Code::CertClockWrong,
            Self::Pending => Code::CertPending,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::UpdateRefused { fqdn, key, .. } => {
                format!("add to the zone: update-policy {{ grant {key} name {fqdn}. TXT; }};")
            }
            Self::DelegationMissing { record, .. } | Self::CaaForbids { record, .. } => {
                format!("publish: {record}")
            }
            Self::Paused { url } => format!("mend the cause, then open {url}"),
            _ => self.code().cure().to_owned(),
        }
    }

    /// Whether only a human can mend it: it is tried once a day, or when somebody asks for it.
    #[must_use]
    pub const fn needs_a_human(&self) -> bool {
        matches!(
            self,
            Self::NameForbidden(_)
                | Self::CaaForbids { .. }
                | Self::Paused { .. }
                | Self::EabRequired
                | Self::EabInvalid(_)
                | Self::TosNotAccepted { .. }
                | Self::ContactInvalid(_)
                | Self::ProfileUnknown { .. }
                | Self::EphemeralState { .. }
        )
    }

    /// Who did not see a record where only the authority has looked.
    pub(crate) const AUTHORITY: &'static str = "the authority's resolver";
    /// What servers that only the authority could not ask begin with; their domain follows.
    pub(crate) const THEIR_SERVER: &'static str = "as the authority finds, a name server of ";

    /// Whether the authority looked for the record in vain: the next attempt rehearses first.
    #[must_use]
    pub fn is_validation(&self) -> bool {
        match self {
            Self::TxtNotSeen { ns, .. } => return ns == Self::AUTHORITY,
            Self::DnsUnreachable { server, .. } => return server.starts_with(Self::THEIR_SERVER),
            _ => {}
        }
        matches!(
            self,
            Self::TxtMismatch(_)
                | Self::TxtTooMany { .. }
                | Self::DnssecBroken(_)
                | Self::CaaForbids { .. }
                | Self::OrderExpired(_)
        )
    }

    /// The earliest moment at which it may be tried again, if something says so.
    #[must_use]
    pub fn not_before(&self, now: Wall) -> Option<Wall> {
        match self {
            Self::RateLimited { until, .. } => Some(*until),
            Self::CaUnavailable { retry_after: Some(wait), .. } => Some(now + *wait),
            _ => None,
        }
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self::StateUnwritable(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::StateUnwritable(error.to_string())
    }
}

fn after(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!(", and asks to wait {} s", wait.as_secs()))
}

fn at(moment: Wall) -> String {
    format!("at {} s since 1970", moment.as_secs())
}

fn terms(url: Option<&String>) -> String {
    url.map_or_else(String::new, |url| format!(" ({url})"))
}

fn list(have: &[String]) -> String {
    if have.is_empty() { "none".to_owned() } else { have.join(", ") }
}
