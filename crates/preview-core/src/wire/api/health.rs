//! Health.

use serde::{Deserialize, Serialize};

/// `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The version that runs.
    pub version: String,
    /// `user` where tasks run as another user than the daemon; `none` where they run as its own.
    pub isolation: String,
    /// What that means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// `GET /ready`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// `ready`.
    pub status: String,
}

/// `GET /health/web_preview` (seed).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleHealth {
    /// `ok`, or `degraded`.
    pub status: String,
    /// `web_preview`.
    pub module_id: String,
    /// The version that runs.
    pub version: String,
    /// Live attachments.
    pub count: u64,
    /// Live attachments by type.
    pub by_type: std::collections::BTreeMap<String, u64>,
    /// Sessions with live attachments.
    pub session_count: u64,
    /// The age of the oldest attachment, seconds.
    pub oldest_age_seconds: u64,
    /// The longest silence of an attachment, seconds.
    pub oldest_idle_seconds: u64,
    /// The limits in force.
    pub limits: ModuleLimits,
    /// Users with live attachments; for admins only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_user_count: Option<u64>,
    /// Live attachments by user; for admins only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_user: Option<std::collections::BTreeMap<String, u64>>,
}

/// The limits in force (seed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleLimits {
    /// Attachments per session.
    pub max_per_session: u32,
    /// Attachments per user.
    pub max_per_user: u32,
    /// Silence until reaped, seconds.
    pub idle_reap_after_seconds: u64,
}
