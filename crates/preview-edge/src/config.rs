//! What the edge is told, checked.

mod listen;
mod acme;
mod login;
mod settings;

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use preview_core::access::AccessPolicy;
use preview_core::ports::PortPolicy;
use preview_core::template::UrlTemplate;

pub use acme::{
    Acme, Authority, Check, Dns, DnsMode, Eab, Exec, HookMode, HttpReq, Profile, Propagation, Rfc2136,
    Solver, Timers, TsigAlgorithm,
};
pub use listen::{InvalidListen, Listen, ListenHost};
pub use login::Login;

/// All that the edge is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where plain HTTP is served.
    pub http: Option<Listen>,
    /// Where HTTPS is served.
    pub https: Option<Listen>,
    /// Whether plain HTTP is sent to HTTPS where that is on.
    pub redirect_http: bool,
    /// Threads that serve; 0 means one for each core.
    pub threads: usize,
    /// Where routes come from.
    pub mode: Mode,
    /// The folder of the daemon's `edge.sock` and `public.sock`.
    pub daemon_dir: PathBuf,
    /// The host name (lower case) that goes to the daemon's `public.sock`.
    pub daemon_host: Option<String>,
    /// The edge's own state (0700): certificates, the last table.
    pub state_dir: PathBuf,
    /// How public URLs are made.
    pub template: UrlTemplate,
    /// Which ports may be dialled in `static` mode; `own` holds every port that daemon and edge listen on.
    pub ports: PortPolicy,
    /// Who is let in.
    pub access: AccessPolicy,
    /// What happens to the token in a URL.
    pub handoff: Handoff,
    /// What is asked of the endpoint that says who is let in, and passed on of its answer.
    pub login: Login,
    /// What visitors of public previews are told first.
    pub notice: Option<Notice>,
    /// Where certificates come from, if HTTPS is served.
    pub tls: TlsSource,
    /// Proxies in front, whose `X-Forwarded-*` are read.
    pub trusted_proxies: Vec<IpNet>,
    /// How much of everything.
    pub limits: Limits,
    /// How long everything may take.
    pub times: Times,
    /// Where metrics, health and readiness are served.
    pub metrics: Option<Metrics>,
    /// Whether requests are logged.
    pub access_log: bool,
}

/// Where routes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The daemon's route feed.
    Daemon,
    /// The port in the host name (the seed's nginx semantics); needs another
    /// [`AccessMode`](preview_core::access::AccessMode) than `Token`.
    Static,
}

/// What happens to the token in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handoff {
    /// It goes on to the dev server; the answer sets the grant.
    Pass,
    /// A redirect to the URL without it sets the grant.
    Strip,
}

/// What visitors of public previews are told first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Who runs the previews, and how to be reached.
    pub contact: Option<String>,
}

/// Where certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSource {
    /// Made here and trusted by nobody: for rehearsal.
    SelfSigned,
    /// A chain and its key, in PEM, read again when they change.
    Files {
        /// The chain, the host's own certificate first.
        cert: PathBuf,
        /// The private key; nobody but its owner and group may read it.
        key: PathBuf,
    },
    /// A folder of pairs that somebody else renews, read again when they change.
    Folder(PathBuf),
    /// Ordered by the edge itself.
    Acme(Box<Acme>),
}

/// Where metrics, health and readiness are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// The place.
    pub listen: Listen,
    /// Whether an edge that cannot listen there does not start; else it does without.
    pub required: bool,
}

/// How much of everything (`docs/contract.md` §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Client connections in all.
    pub connections: usize,
    /// Connections of one client address; those of `trusted_proxies` count only against [`Self::connections`].
    pub per_client: usize,
    /// Upstream connections of one attachment.
    pub per_attachment: usize,
    /// WebSockets of one attachment.
    pub websockets: usize,
    /// Requests of one attachment a second, counting only what access let in.
    pub requests_per_second: u32,
    /// Requests of one attachment at once.
    pub request_burst: u32,
    /// Requests of one client address a minute that were not let in.
    pub misses_per_minute: u32,
}

/// How long everything may take (`docs/contract.md` §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// For a request's header, from its first byte or from accept.
    pub header: Duration,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// How long a connection without a request is kept.
    pub keep_alive: Duration,
    /// For a connection to the dev server.
    pub connect: Duration,
    /// For the first byte of its answer.
    pub first_byte: Duration,
    /// How long a silent tunnel or stream is kept.
    pub tunnel_idle: Duration,
    /// How long requests under way may take after the edge was told to stop.
    pub drain: Duration,
    /// For the whole answer of the endpoint that says who is let in.
    pub login: Duration,
    /// How often activity is reported.
    pub report: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            per_client: 256,
            per_attachment: 256,
            websockets: 64,
            requests_per_second: 2_000,
            request_burst: 10_000,
            misses_per_minute: 100,
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            connect: Duration::from_secs(2),
            first_byte: Duration::from_mins(1),
            tunnel_idle: Duration::from_hours(24),
            drain: Duration::from_secs(30),
            login: Duration::from_secs(5),
            report: Duration::from_secs(5),
        }
    }
}
