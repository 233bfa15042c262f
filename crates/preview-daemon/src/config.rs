//! What the daemon is told, checked.

mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use preview_core::access::AccessPolicy;
use preview_core::attachment::Visibility;
use preview_core::idle::IdlePolicy;
use preview_core::ports::Port;
use preview_core::registry::Rules;
use preview_core::verdict::HostHeader;
use thiserror::Error;

/// All that the daemon is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The rules of the registry; `rules.ports.own` holds every port that daemon and edge listen on.
    pub rules: Rules,
    /// Who may see an attachment whose caller does not say.
    pub default_visibility: Visibility,
    /// Where state is kept (0700).
    pub state_dir: PathBuf,
    /// Where the sockets lie.
    pub run_dir: PathBuf,
    /// How attaching goes.
    pub attach: AttachConfig,
    /// When an attachment that nobody visits ends.
    pub idle: IdlePolicy,
    /// Whether reaping ends the tied task.
    pub reap_kills_task: bool,
    /// How tasks run.
    pub tasks: TasksConfig,
    /// How much of the audit trail is kept.
    pub audit: AuditConfig,
    /// How previews are guarded, for `GET /auth/verify`.
    pub access: AccessPolicy,
    /// The doors.
    pub api: ApiConfig,
}

/// How attaching goes.
#[derive(Clone, Debug)]
pub struct AttachConfig {
    /// How long to wait for a port to be bound when the caller says 0.
    pub wait: Duration,
    /// The longest wait that a caller may ask for.
    pub max_wait: Duration,
    /// How long both probes may take before the answer is `pending`.
    pub probe: Duration,
    /// Whether servers are asked at all.
    pub health_check: bool,
    /// The host policy where the caller leaves it to us.
    pub host_header: HostHeader,
}

/// How tasks run.
#[derive(Clone, Debug)]
pub struct TasksConfig {
    /// The system user they run as; the daemon's own if absent.
    pub user: Option<String>,
    /// Names of the environment variables that are passed on to them.
    pub env_pass: Vec<String>,
    /// Whether keys narrower than admin may start them over the API.
    pub remote: bool,
}

/// How much of the audit trail is kept: what exceeds either is pruned, the oldest first.
#[derive(Clone, Copy, Debug)]
pub struct AuditConfig {
    /// So many entries.
    pub keep: u64,
    /// For so long.
    pub keep_for: Duration,
}

/// The doors.
#[derive(Clone, Debug, Default)]
pub struct ApiConfig {
    /// The TCP address, if there is a TCP door.
    pub listen: Option<SocketAddr>,
    /// Further host names it answers to there.
    pub hosts: Vec<String>,
    /// Foreign origins whose pages may call the API.
    pub origins: Vec<String>,
    /// The host name under which an edge forwards to `public.sock`.
    pub daemon_host: Option<String>,
    /// The file with bearer keys and their scopes.
    pub keys_file: Option<PathBuf>,
    /// The group of `edge.sock` and `public.sock`.
    pub edge_group: Option<String>,
    /// The group of `verify.sock`.
    pub verify_group: Option<String>,
    /// Who may speak for browsers to `GET /auth/verify`: `unix`, or networks.
    pub verify_peers: Vec<String>,
}

impl Config {
    /// Whether no port that may be attached is one that the kernel gives to clients, `ephemeral` from first to last:
    /// a connection to such a port can meet itself.
    pub(crate) fn check_ports(&self, ephemeral: [Port; 2]) -> Result<(), InvalidConfig> {
        let [first, last] = ephemeral;
        if !self.rules.ports.allow.overlap(first, last) {
            return Ok(());
        }
        let problem = format!(
            "{} overlaps {first}-{last}, from which this host gives ports to clients \
             (net.ipv4.ip_local_port_range): allow others, or change that range",
            self.rules.ports.allow
        );
        Err(InvalidConfig { key: "ports.allow", problem })
    }
}

/// A configuration that cannot be obeyed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key}: {problem}")]
pub struct InvalidConfig {
    /// The key, dotted.
    pub key: &'static str,
    /// What is wrong with its value, and what is allowed.
    pub problem: String,
}
