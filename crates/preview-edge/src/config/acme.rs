//! Certificates by ACME (RFC 8555) with DNS-01: whom to ask, for what, and who writes the records.

mod settings;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub(super) use settings::from_settings;

/// All about certificates by ACME.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The authority that is asked first.
    pub authority: Authority,
    /// Where rehearsals are held; `None` holds none.
    pub staging: Option<Authority>,
    /// The authority to turn to when the first has failed for [`Timers::fallback_after`].
    pub fallback: Option<Authority>,
    /// `mailto:` and an address.
    pub contact: Option<String>,
    /// Whether the operator agrees to the terms of service.
    pub accept_tos: bool,
    /// Which kind of certificate.
    pub profile: Profile,
    /// The names of the certificate, lower case, sorted, no two alike; a wildcard begins with `*.`.
    pub names: Vec<String>,
    /// Authorities to trust when talking to the directory (PEM), instead of the system's.
    pub ca_roots_file: Option<PathBuf>,
    /// Who writes the challenge's records.
    pub solver: Solver,
    /// The zone that they are written to, lower case, without a final dot.
    pub zone: Option<String>,
    /// The name that the CNAMEs of `_acme-challenge` lead to.
    pub alias: Option<String>,
    /// Whom to ask for names; empty: the system's resolvers.
    pub resolvers: Vec<SocketAddr>,
    /// How it is made sure that a record is seen.
    pub propagation: Propagation,
    /// Whether to order although the state folder does not outlive a restart.
    pub allow_ephemeral_state: bool,
    /// Whether a certificate of our own, which nobody trusts, is shown until the first one is there.
    pub self_signed_first: bool,
    /// How long everything may take; tests scale it.
    pub timers: Timers,
}

/// A certificate authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The name of its folder among the accounts: a-z, 0-9, `-`, `.`.
    pub name: String,
    /// The URL of its directory (RFC 8555 §7.1.1).
    pub directory: String,
    /// The external account binding it wants (RFC 8555 §7.3.4).
    pub eab: Option<Eab>,
}

/// An external account binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eab {
    /// Its key id.
    pub kid: String,
    /// The file with its HMAC key, base64url.
    pub hmac_file: PathBuf,
}

/// Which kind of certificate is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `tlsserver` where the directory lists it, else the authority's default.
    Auto,
    /// The authority's default.
    None,
    /// This one.
    Named(String),
}

/// Who writes the challenge's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Solver {
    /// The DNS server of the edge itself.
    Builtin(Dns),
    /// Dynamic updates, signed (RFC 2136, RFC 8945).
    Rfc2136(Rfc2136),
    /// A program, called as lego calls it.
    Exec(Exec),
    /// An HTTP endpoint, called as lego calls it.
    HttpReq(HttpReq),
    /// An acme-dns server.
    AcmeDns {
        /// Its accounts by domain, as its clients keep them (JSON).
        account_file: PathBuf,
    },
    /// A hosted provider.
    Hosted {
        /// Its name, e.g. `cloudflare`.
        provider: String,
        /// `KEY=VALUE` lines.
        credentials_file: PathBuf,
    },
}

/// The built-in DNS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Where it listens, by UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// The host names of the edges that serve the zone, lower case, without a final dot; at least one.
    pub ns: Vec<String>,
    /// What is delegated to it.
    pub mode: DnsMode,
    /// The name below which it answers: in challenge mode each `_acme-challenge.NAME`, in zone mode all of it.
    pub base: String,
    /// The edges' addresses, for zone mode.
    pub addresses: Vec<IpAddr>,
    /// Answers a second by UDP to one network.
    pub rate: u32,
}

impl Dns {
    /// The addresses of the `index`-th name server: its own where there are as many of a family as name servers, in
    /// the same order, else all.
    #[must_use]
    pub fn addresses_of(&self, index: usize) -> Vec<IpAddr> {
        let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = self.addresses.iter().partition(|it| it.is_ipv4());
        let own = |family: Vec<IpAddr>| match family.get(index) {
            Some(own) if family.len() == self.ns.len() => vec![*own],
            _ => family,
        };
        [own(v4), own(v6)].concat()
    }
}

/// What is delegated to the built-in DNS server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsMode {
    /// `_acme-challenge.NAME` alone: without the server only renewal stops.
    Challenge,
    /// The whole zone of the previews.
    Zone,
}

/// Dynamic updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rfc2136 {
    /// The primary server.
    pub server: SocketAddr,
    /// The key's name, without a final dot.
    pub key_name: String,
    /// Its algorithm.
    pub algorithm: TsigAlgorithm,
    /// The file with its secret, base64.
    pub secret_file: PathBuf,
}

/// How updates are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// `hmac-sha256`.
    Sha256,
    /// `hmac-sha384`.
    Sha384,
    /// `hmac-sha512`.
    Sha512,
}

/// A program that writes records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// The program.
    pub program: PathBuf,
    /// What it is given.
    pub mode: HookMode,
    /// How long it may take; then its process group is killed.
    pub timeout: Duration,
}

/// An HTTP endpoint that writes records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReq {
    /// `http` or `https`, without a final slash.
    pub endpoint: String,
    /// What it is given.
    pub mode: HookMode,
    /// User name and file of the password of its basic authentication.
    pub login: Option<(String, PathBuf)>,
}

/// What a hook is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookMode {
    /// Name and value of the record.
    Default,
    /// Domain, token and key authorization.
    Raw,
}

/// How it is made sure that a record is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Propagation {
    /// How long that may take.
    pub timeout: Duration,
    /// Who must see it.
    pub check: Check,
}

/// Who must see a record before the authority is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Every authoritative server.
    All,
    /// A resolver: for hosts from which authoritative servers cannot be reached.
    Resolver,
    /// Nobody.
    Off,
}

/// How long everything may take, and how often it may be tried (`docs/acme.md` §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timers {
    /// The longest time between two looks at what is due.
    pub scan: Duration,
    /// The bounds of the time between two questions for renewal information (RFC 9773).
    pub ari: (Duration, Duration),
    /// For one attempt.
    pub attempt: Duration,
    /// Between two looks for a TXT record.
    pub look: Duration,
    /// For one exchange with the authority or an HTTP solver.
    pub http: Duration,
    /// For one question or update by DNS.
    pub dns: Duration,
    /// Waits after the first, second, … failure in a row; the last one repeats.
    pub backoff: Vec<Duration>,
    /// The longest wait when less than [`Timers::near_end`] of life remain.
    pub backoff_near_end: Duration,
    /// When the end is near.
    pub near_end: Duration,
    /// Certificates of one set of names within [`Timers::budget_span`].
    pub budget: u32,
    /// The span of the budget.
    pub budget_span: Duration,
    /// Failed validations at a real authority within an hour.
    pub failures: u32,
    /// How long an authority may fail before the fallback is asked.
    pub fallback_after: Duration,
    /// How often records that could not be removed are tried again.
    pub sweep: Duration,
    /// How often what needs a human is tried all the same.
    pub parked: Duration,
    /// The wait between two polls of an order or authorization.
    pub poll: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        let (mins, hours) = (Duration::from_mins, Duration::from_hours);
        Self {
            scan: mins(10),
            ari: (hours(1), hours(12)),
            attempt: mins(15),
            look: Duration::from_secs(2),
            http: Duration::from_secs(15),
            dns: Duration::from_secs(10),
            backoff: vec![mins(1), mins(5), mins(30), hours(2), hours(6), hours(12), hours(24)],
            backoff_near_end: hours(6),
            near_end: hours(10 * 24),
            budget: 4,
            budget_span: hours(7 * 24),
            failures: 3,
            fallback_after: hours(24),
            sweep: hours(1),
            parked: hours(24),
            poll: Duration::from_secs(1),
        }
    }
}
