//! Dev servers as tasks: started in a session of their own, found again after a restart of the daemon, and ended
//! with their whole tree.

mod spawn;
mod tree;
mod logs;
mod supervise;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::BoxStream;
use preview_core::clock::Wall;
use preview_core::id::{SessionId, TaskId, UserId};
use preview_core::listener::{Listener, OwningTask};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::config::TasksConfig;
use crate::processes::{Leader, ProcessId};
use crate::sockets::Sockets;
use crate::store::{Store, StoreError};
use logs::Log;

/// The tasks of this host; cheap to clone.
#[derive(Clone)]
pub(crate) struct Tasks {
    shared: Arc<Shared>,
}

struct Shared {
    config: TasksConfig,
    folder: PathBuf,
    boot: String,
    uid: Option<u32>,
    store: Store,
    sockets: Sockets,
    exits: mpsc::UnboundedSender<TaskExit>,
    known: Mutex<HashMap<TaskId, Known>>,
    letting_go: CancellationToken,
}

#[derive(Clone)]
struct Known {
    task: watch::Sender<Task>,
    ended: Option<Wall>,
    /// Somebody asked for its end: then it does not end by itself.
    asked_to_end: bool,
}

/// A task to be started.
#[derive(Clone, Debug)]
pub(crate) struct NewTask {
    /// Its id, fresh.
    pub(crate) id: TaskId,
    /// Its session.
    pub(crate) session: SessionId,
    /// Its user.
    pub(crate) user: UserId,
    /// Who starts it, for the audit trail.
    pub(crate) by: Arc<str>,
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
    /// The leader's exit code, 128 and the signal if it was killed; absent while it runs, and where it is not known.
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
    /// Tasks of a daemon with such rights would have them too.
    #[error("a daemon with root's rights starts no tasks without a user for them (tasks.user)")]
    NoUser,
    /// There is no such user, or the daemon may not become them.
    #[error("tasks cannot run as {0:?} (tasks.user): no such user, or the daemon lacks the right")]
    CannotBecome(String),
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
    /// How long an ended task is remembered.
    const REMEMBERED: Duration = Duration::from_hours(24);
    /// How many ended tasks of one session are remembered.
    const REMEMBERED_PER_SESSION: usize = 100;

    /// Finds the tasks again that `store` knows, and is ready for more. Output lies in `folder`. What ends by itself
    /// is told to `exits`.
    pub(crate) async fn open(
        config: TasksConfig,
        folder: PathBuf,
        store: Store,
        sockets: Sockets,
        exits: mpsc::UnboundedSender<TaskExit>,
    ) -> Result<Self, StoreError> {
        std::fs::create_dir_all(&folder).map_err(StoreError::from)?;
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = boot.trim().to_owned();
        let records = store.tasks().await?;
        let uid = spawn::uid(&config);
        let (known, letting_go) = (Mutex::default(), CancellationToken::new());
        let shared = Shared { config, folder, boot, uid, store, sockets, exits, known, letting_go };
        let tasks = Self { shared: Arc::new(shared) };
        for record in records {
            supervise::find_again(&tasks.shared, record).await;
        }
        Ok(tasks)
    }

    /// Starts a task.
    pub(crate) async fn start(&self, new: NewTask) -> Result<Task, TaskFailure> {
        self.forget_old().await;
        supervise::start(&self.shared, new).await
    }

    /// A task, also one that has ended, as long as it is remembered: a day, or until its session ends.
    pub(crate) fn get(&self, id: &TaskId) -> Option<Task> {
        self.shared.known().get(id).map(|known| known.task.borrow().clone())
    }

    /// The tasks of a session, ended ones too.
    pub(crate) fn of_session(&self, session: &SessionId) -> Vec<Task> {
        let mut tasks = self.shared.tasks();
        tasks.retain(|task| task.session == *session);
        tasks
    }

    /// Returns when nothing of the task runs any more, at once if there is no such task.
    pub(crate) async fn ended(&self, id: &TaskId) {
        let watched = self.shared.known().get(id).map(|known| known.task.subscribe());
        if let Some(mut watched) = watched {
            let _ = watched.wait_for(|task| !task.running).await;
        }
    }

    /// Whom tasks run as, if that is known.
    pub(crate) fn uid(&self) -> Option<u32> {
        self.shared.uid
    }

    /// The first processes of those that run, to tell whose tree a process is in.
    pub(crate) fn leaders(&self) -> Vec<Leader> {
        let running = self.shared.tasks().into_iter().filter(|task| task.running);
        running
            .map(|task| Leader {
                task: OwningTask { id: task.id, session: task.session },
                process: task.leader,
            })
            .collect()
    }

    /// Where a task's tree listens on the loopbacks.
    pub(crate) async fn listeners(&self, id: &TaskId) -> Vec<Listener> {
        let Some(task) = self.get(id).filter(|task| task.running) else { return Vec::new() };
        let inodes = tree::sockets(task.leader).await;
        match self.shared.sockets.scan().await {
            Ok(scan) => scan.of_inodes(|inode| inodes.contains(&inode)),
            Err(error) => {
                tracing::error!(%error, "cannot tell where a task listens");
                Vec::new()
            }
        }
    }

    /// A task's output as far as it is kept; with `follow`, also what comes until its tree has ended.
    pub(crate) fn logs(&self, id: &TaskId, follow: bool) -> Option<BoxStream<'static, Bytes>> {
        let watched = self.shared.known().get(id)?.task.subscribe();
        Some(self.shared.log(id).read(watched, follow))
    }

    /// The end of a task's output, at most [`Self::QUOTED_LINES`].
    pub(crate) async fn last_lines(&self, id: &TaskId) -> Vec<String> {
        self.shared.last_lines(id).await
    }

    /// Ends a task with its whole tree: TERM, and KILL for what is still there after the grace. Returns when
    /// nothing of it is left; of one that had ended already, what it left in the background ends.
    pub(crate) async fn end(&self, id: &TaskId) -> Option<Task> {
        let leader = self.shared.will_end(id)?;
        let left = tree::end(leader, id, tree::GRACE).await;
        if left.is_empty() {
            self.shared.letting_go.run_until_cancelled(self.ended(id)).await;
        } else {
            tracing::error!(task = %id, ?left, "processes of a task do not end, not even by SIGKILL");
        }
        self.get(id)
    }

    /// Ends all tasks of a session and forgets them and their output; names those that were running.
    pub(crate) async fn end_session(&self, session: &SessionId) -> Vec<TaskId> {
        let tasks = self.of_session(session);
        join_all(tasks.iter().map(|task| self.end(&task.id))).await;
        for task in &tasks {
            self.shared.forget(&task.id).await;
        }
        tasks.into_iter().filter(|task| task.running).map(|task| task.id).collect()
    }

    /// Stops watching. The tasks go on, to be found again by [`Self::open`].
    pub(crate) fn let_go(&self) {
        self.shared.letting_go.cancel();
    }

    async fn forget_old(&self) {
        let now = crate::clock::wall();
        let mut ended: Vec<(Wall, SessionId, TaskId)> = {
            let all = self.shared.known();
            let entries = all.iter().filter_map(|(id, known)| Some((known.ended?, id, known)));
            entries.map(|(at, id, known)| (at, known.task.borrow().session.clone(), id.clone())).collect()
        };
        ended.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
        let mut per_session: HashMap<SessionId, usize> = HashMap::new();
        for (at, session, id) in ended {
            let newer = per_session.entry(session).or_default();
            *newer += 1;
            if *newer > Self::REMEMBERED_PER_SESSION || now.since(at) > Self::REMEMBERED {
                self.shared.forget(&id).await;
            }
        }
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, HashMap<TaskId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> Vec<Task> {
        self.known().values().map(|known| known.task.borrow().clone()).collect()
    }

    fn log(&self, id: &TaskId) -> Log {
        Log::of(&self.folder, id)
    }

    async fn last_lines(&self, id: &TaskId) -> Vec<String> {
        let log = self.log(id);
        let read = move || log.last_lines(Tasks::QUOTED_LINES);
        tokio::task::spawn_blocking(read).await.unwrap_or_default()
    }

    async fn forget(&self, id: &TaskId) {
        self.known().remove(id);
        self.log(id).remove();
        if let Err(error) = self.store.drop_task(id.clone()).await {
            tracing::warn!(task = %id, %error, "an ended task stays in the store");
        }
    }
}

#[cfg(test)]
mod tests;
