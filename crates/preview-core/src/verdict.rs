//! What was found when a dev server was asked how it takes its public name.

use std::fmt;

/// How requests present themselves to a dev server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPolicy {
    /// It sees the public host, scheme and port, and `X-Forwarded-*`.
    Preserve,
    /// It sees `http://localhost:PORT` everywhere and no forwarded host, scheme or port.
    Loopback,
}

/// What the caller of attach wished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostHeader {
    /// Ask the server both ways and take what works.
    #[default]
    Auto,
    /// Always this.
    Pinned(HostPolicy),
}

/// How far the dev server was found to be up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// It answers.
    Live,
    /// It listens but has not answered the probe yet; the policy is a guess.
    Pending,
    /// Nothing listens, or somebody else does.
    Down,
}

/// Why a host policy was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyReason {
    /// The caller pinned it.
    Pinned,
    /// It refused its public name and accepted `localhost`.
    RefusesPublicHost,
    /// It accepts both names.
    AcceptsPublicHost,
    /// It answers pages under both, but its live-update socket only for `localhost` (Next).
    LiveUpdateNeedsLoopback,
    /// It answers neither well; `localhost` is what it was made for.
    AcceptsNeither,
    /// It has not answered; guessed from its command line.
    GuessedFromCommand,
    /// The probe was switched off.
    NotAsked,
}

/// What the probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How far it is up.
    pub state: ServerState,
    /// The host policy in force.
    pub policy: HostPolicy,
    /// Why.
    pub reason: PolicyReason,
    /// The HTTP status of `GET path` under the policy in force.
    pub status: Option<u16>,
    /// Whether it speaks something else than HTTP.
    pub not_http: bool,
    /// Headers that would blank an iframe (`X-Frame-Options: DENY`, …), as they were sent.
    pub framing: Vec<String>,
    /// The result of its live-update upgrade, when the server is a known one.
    pub live_update: Option<u16>,
    /// The kind of server, where it was recognised (`vite`, `next`, …).
    pub server: Option<String>,
}

impl Verdict {
    /// The verdict before anything was asked.
    #[must_use]
    pub const fn pending(policy: HostPolicy, reason: PolicyReason) -> Self {
        Self {
            state: ServerState::Pending,
            policy,
            reason,
            status: None,
            not_http: false,
            framing: Vec::new(),
            live_update: None,
            server: None,
        }
    }
}

impl HostPolicy {
    /// As API, configuration and CLI call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preserve => "preserve",
            Self::Loopback => "loopback",
        }
    }
}

impl ServerState {
    /// As API and CLI call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Pending => "pending",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for PolicyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pinned => "pinned by the caller",
            Self::RefusesPublicHost => "dev server refused its public host name and accepted localhost",
            Self::AcceptsPublicHost => "dev server accepts its public host name",
            Self::LiveUpdateNeedsLoopback => "its live updates need localhost",
            Self::AcceptsNeither => "dev server answered neither name well",
            Self::GuessedFromCommand => "guessed from the command line; the server has not answered yet",
            Self::NotAsked => "the probe is switched off",
        })
    }
}
