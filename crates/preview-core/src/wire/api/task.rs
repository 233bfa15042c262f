//! Tasks.

use serde::{Deserialize, Serialize};

use crate::wire::Timestamp;

/// `POST /v1/tasks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskRequest {
    /// The session.
    pub session_id: String,
    /// Its user.
    pub user_id: String,
    /// Program and arguments; at least the program.
    pub command: Vec<String>,
    /// The folder it starts in.
    pub cwd: String,
    /// Environment variables, on top of what the daemon passes.
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
    /// What to call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// Its id: what attach takes as `bash_task_id`.
    pub id: String,
    /// Its session.
    pub session_id: String,
    /// Its user.
    pub user_id: String,
    /// What it is called.
    pub name: Option<String>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The folder it was started in.
    pub cwd: String,
    /// The process id of its leader.
    pub pid: u32,
    /// Whether any process of its tree lives.
    pub running: bool,
    /// The leader's exit code; null while it runs, and where it is not known.
    pub exit_code: Option<i32>,
    /// When it was started.
    pub started_at: Timestamp,
    /// The listeners of its tree, `127.0.0.1:5173`.
    pub listeners: Vec<String>,
    /// What to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
