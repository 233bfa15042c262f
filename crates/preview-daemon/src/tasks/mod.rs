//! Dev servers as tasks: started in a session of their own, found again after a restart of the daemon, and ended
//! with their whole tree.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use preview_core::clock::Wall;
use preview_core::id::{SessionId, TaskId, UserId};
use preview_core::listener::Listener;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::config::TasksConfig;
use crate::processes::{Leader, ProcessId};
use crate::sockets::Sockets;
use crate::store::{Store, StoreError};

/// The tasks of this host; cheap to clone.
#[derive(Clone)]
pub(crate) struct Tasks {
    shared: Arc<Shared>,
}

struct Shared;

/// A task to be started.
#[derive(Clone, Debug)]
pub(crate) struct NewTask {
    /// Its id, fresh.
    pub(crate) id: TaskId,
    /// Its session.
    pub(crate) session: SessionId,
    /// Its user.
    pub(crate) user: UserId,
    /// What to call it.
    pub(crate) name: Option<String>,
    /// Program and arguments.
    pub(crate) command: Vec<String>,
    /// The folder it starts in.
    pub(crate) cwd: String,
    /// Environment variables, on top of those that configuration passes on.
    pub(crate) env: BTreeMap<String, String>,
}

/// A task as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// Its id.
    pub(crate) id: TaskId,
    /// Its session.
    pub(crate) session: SessionId,
    /// Its user.
    pub(crate) user: UserId,
    /// What it is called.
    pub(crate) name: Option<String>,
    /// Program and arguments.
    pub(crate) command: Vec<String>,
    /// The folder it was started in.
    pub(crate) cwd: String,
    /// When it was started.
    pub(crate) started: Wall,
    /// Its first process.
    pub(crate) leader: ProcessId,
    /// Whether any process of its tree lives.
    pub(crate) running: bool,
    /// The leader's exit code: absent while it runs, and where it is not known.
    pub(crate) exit_code: Option<i32>,
    /// What to know of it.
    pub(crate) hint: Option<String>,
}

/// A task whose whole tree has ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskExit {
    /// The task.
    pub(crate) task: Task,
    /// The end of its output, at most ten lines.
    pub(crate) last_lines: Vec<String>,
}

/// Why a task was not started.
#[derive(Debug, Error)]
pub(crate) enum TaskFailure {
    /// The request makes no sense.
    #[error("{field}: {why}")]
    Invalid {
        /// The field, as the API calls it.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Tasks of a daemon that is root would be root's.
    #[error("a daemon that runs as root starts no tasks without a user for them (tasks.user)")]
    NoUser,
    /// The system did not start it.
    #[error("the system did not start the task")]
    Start(#[source] std::io::Error),
    /// It would not have been found again.
    #[error("the task was not stored")]
    Store(#[from] StoreError),
}

impl Tasks {
    /// How many lines of a task's output an error or event quotes.
    pub(crate) const QUOTED_LINES: usize = 10;

    /// Finds the tasks again that `store` knows, and is ready for more. Output lies in `folder`. What ends by itself
    /// is told to `exits`.
    pub(crate) async fn open(
        config: TasksConfig,
        folder: PathBuf,
        store: Store,
        sockets: Sockets,
        exits: mpsc::UnboundedSender<TaskExit>,
    ) -> Result<Self, StoreError> {
        let _ = (config, folder, store, sockets, exits);
        Ok(Self { shared: Arc::new(Shared) })
    }

    /// Starts a task.
    pub(crate) async fn start(&self, new: NewTask) -> Result<Task, TaskFailure> {
        let _ = (new, &self.shared);
        Err(TaskFailure::NoUser)
    }

    /// A task, also one that has ended, as long as it is remembered: a day, or until its session ends.
    pub(crate) fn get(&self, id: &TaskId) -> Option<Task> {
        let _ = id;
        None
    }

    /// The tasks of a session, ended ones too.
    pub(crate) fn of_session(&self, session: &SessionId) -> Vec<Task> {
        let _ = session;
        Vec::new()
    }

    /// The first processes of those that run, to tell whose tree a process is in.
    pub(crate) fn leaders(&self) -> Vec<Leader> {
        Vec::new()
    }

    /// Where a task's tree listens on the loopbacks.
    pub(crate) async fn listeners(&self, id: &TaskId) -> Vec<Listener> {
        let _ = id;
        Vec::new()
    }

    /// A task's output as far as it is kept; with `follow`, also what comes until its tree has ended.
    pub(crate) fn logs(&self, id: &TaskId, follow: bool) -> Option<BoxStream<'static, Bytes>> {
        let _ = (id, follow);
        None
    }

    /// The end of a task's output, at most [`Self::QUOTED_LINES`].
    pub(crate) async fn last_lines(&self, id: &TaskId) -> Vec<String> {
        let _ = id;
        Vec::new()
    }

    /// Ends a task with its whole tree: TERM, and KILL for what is still there after the grace. Returns when
    /// nothing of it is left; one that has ended already is returned as it is.
    pub(crate) async fn end(&self, id: &TaskId) -> Option<Task> {
        let _ = id;
        None
    }

    /// Ends all tasks of a session and forgets them and their output; names those that were running.
    pub(crate) async fn end_session(&self, session: &SessionId) -> Vec<TaskId> {
        let _ = session;
        Vec::new()
    }

    /// Stops watching. The tasks go on, to be found again by [`Self::open`].
    pub(crate) fn let_go(&self) {}
}
