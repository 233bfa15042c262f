//! Dev servers as tasks: what may be asked of them, and by whom.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use preview_core::audit::Action;
use preview_core::command::{Authority, Command};
use preview_core::id::{SessionId, TaskId, UserId};
use preview_core::refusal::Refusal;
use preview_core::wire::Timestamp;
use preview_core::wire::api::{TaskRequest, TaskView};

use super::Daemon;
use crate::audit::Note;
use crate::clock;
use crate::failure::Failure;
use crate::store::Telling;
use crate::tasks::{NewTask, Task};

impl Daemon {
    /// Starts a dev server as a task.
    pub async fn start_task(&self, by: &Authority, request: TaskRequest) -> Result<TaskView, Failure> {
        let session = SessionId::new(&request.session_id).map_err(Refusal::from)?;
        let user = UserId::new(&request.user_id).map_err(Refusal::from)?;
        let id = TaskId::from_entropy(clock::random()?);
        let (daemon, by) = (self.clone(), by.clone());
        self.see_through(async move {
            let context = daemon.context(&by, clock::entropy()?);
            let bind = Command::Bind(session.clone(), user.clone());
            daemon.store().transact(bind, context, Telling::default()).await?;
            let TaskRequest { name, command, cwd, env, .. } = request;
            let by = Arc::clone(daemon.asked());
            let new = NewTask { id, session, user, by, name, command, cwd, env };
            let task = daemon.tasks().start(new).await?;
            Ok(daemon.task_view(task).await)
        })
        .await
    }

    /// One task.
    pub async fn task(&self, by: &Authority, id: &TaskId) -> Result<TaskView, Failure> {
        let task = self.known_task(by, id)?;
        Ok(self.task_view(task).await)
    }

    /// A task's output so far; with `follow`, also what comes until it ends.
    pub fn task_logs(
        &self,
        by: &Authority,
        id: &TaskId,
        follow: bool,
    ) -> Result<BoxStream<'static, Bytes>, Failure> {
        self.known_task(by, id)?;
        self.tasks().logs(id, follow).ok_or(Failure::not_found("task"))
    }

    /// Ends a task with its whole tree.
    pub async fn end_task(&self, by: &Authority, id: &TaskId) -> Result<TaskView, Failure> {
        let task = self.known_task(by, id)?;
        let (daemon, id) = (self.clone(), id.clone());
        self.see_through(async move {
            let note =
                Note::new(daemon.asked(), Action::TaskEnded).of(&task.session, &task.user).subject(&id);
            daemon.store().note(note, clock::wall()).await?;
            let task = daemon.tasks().end(&id).await.ok_or(Failure::not_found("task"))?;
            Ok(daemon.task_view(task).await)
        })
        .await
    }

    /// The task, if the caller may know of it.
    fn known_task(&self, by: &Authority, id: &TaskId) -> Result<Task, Failure> {
        let task = self.tasks().get(id).filter(|task| by.covers(&task.session, &task.user));
        task.ok_or(Failure::not_found("task"))
    }

    async fn task_view(&self, task: Task) -> TaskView {
        let listeners = self.tasks().listeners(&task.id).await;
        TaskView {
            id: task.id.to_string(),
            session_id: task.session.to_string(),
            user_id: task.user.to_string(),
            name: task.name,
            command: task.command,
            cwd: task.cwd,
            pid: task.leader.pid,
            running: task.running,
            exit_code: task.exit_code,
            started_at: Timestamp(task.started),
            listeners: listeners.iter().map(ToString::to_string).collect(),
            hint: task.hint,
        }
    }
}
