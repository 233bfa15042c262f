//! The life of one task: started or found again, watched to its end, its end written down and told.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;

use preview_core::audit::Action;
use preview_core::clock::Wall;
use preview_core::id::TaskId;
use tokio::process::Child;
use tokio::sync::watch;

use super::logs::{TRIM_EVERY, Trim};
use super::{Known, NewTask, Shared, Task, TaskExit, TaskFailure, spawn, tree};
use crate::audit::Note;
use crate::clock;
use crate::processes::ProcessId;
use crate::store::{TaskEnd, TaskRecord};

const FOUND_AGAIN: &str = "the daemon was restarted since it started: its exit code will not be known";
const ENDED_UNSEEN: &str = "it ended while the daemon was away: its exit code is not known";

/// No process has this number.
const NOBODY: ProcessId = ProcessId { pid: 0, start_time: 0 };

/// The first process of a task, which tells an exit code only to who started it.
pub(super) enum First {
    Child(Child),
    Found(ProcessId),
}

/// Starts a task. Its record is stored before and after: whenever the daemon dies, what it started is found again.
pub(super) async fn start(shared: &Arc<Shared>, new: NewTask) -> Result<Task, TaskFailure> {
    let log = shared.log(&new.id);
    let file = log.create().map_err(TaskFailure::Start)?;
    let mut record = TaskRecord {
        id: new.id.clone(),
        session: new.session.clone(),
        user: new.user.clone(),
        name: new.name.clone(),
        command: new.command.clone(),
        cwd: new.cwd.clone(),
        started: clock::wall(),
        pid: NOBODY.pid,
        start_time: NOBODY.start_time,
        boot: shared.boot.clone(),
        ended: None,
    };
    let started = async {
        let note = Note::new(&new.by, Action::TaskStarted).of(&new.session, &new.user).subject(&new.id);
        shared.store.put_task(record.clone(), Some(note)).await?;
        spawn::spawn(&shared.config, &new, file).await
    };
    let child = match started.await {
        Ok(child) => child,
        Err(failure) => {
            shared.forget(&new.id).await;
            return Err(failure);
        }
    };
    // A child that nobody has waited for keeps its number, even if it has ended.
    let leader = child.id().and_then(ProcessId::even_if_ended).unwrap_or(NOBODY);
    (record.pid, record.start_time) = (leader.pid, leader.start_time);
    let task = task(&record, true, None);
    watch_over(shared, record.clone(), task.clone(), First::Child(child));
    if let Err(error) = shared.store.put_task(record, None).await {
        shared.will_end(&new.id);
        tree::end(leader, &new.id, tree::GRACE).await;
        return Err(error.into());
    }
    Ok(task)
}

/// Takes up a task that was started before the daemon was, or learns that it is gone.
pub(super) async fn find_again(shared: &Arc<Shared>, mut record: TaskRecord) {
    if let Some(end) = record.ended {
        let task = task(&record, false, end.exit_code.is_none().then(|| ENDED_UNSEEN.to_owned()));
        let known = Known { task: watch::Sender::new(task), ended: Some(end.at), asked_to_end: false };
        shared.known().insert(record.id.clone(), known);
        return;
    }
    let leader = if record.boot != shared.boot {
        NOBODY
    } else if record.pid == NOBODY.pid {
        tree::lost_leader(&record.id).await.unwrap_or(NOBODY)
    } else {
        ProcessId { pid: record.pid, start_time: record.start_time }
    };
    (record.pid, record.start_time) = (leader.pid, leader.start_time);
    let lives = !tree::strict(leader).await.is_empty();
    let hint = if lives { FOUND_AGAIN } else { ENDED_UNSEEN };
    let found = task(&record, lives, Some(hint.to_owned()));
    keep(shared, record.clone()).await;
    // What has ended unseen is told like any other end.
    watch_over(shared, record, found, First::Found(leader));
}

fn watch_over(shared: &Arc<Shared>, record: TaskRecord, task: Task, first: First) {
    let known = Known { task: watch::Sender::new(task), ended: None, asked_to_end: false };
    shared.known().insert(record.id.clone(), known);
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let letting_go = shared.letting_go.clone();
        letting_go.run_until_cancelled(supervise(&shared, record, first)).await;
    });
}

async fn supervise(shared: &Shared, record: TaskRecord, first: First) {
    let leader = ProcessId { pid: record.pid, start_time: record.start_time };
    let trimming = trim(shared, &record.id);
    let ending = to_the_end(first, leader, |code| {
        // The code is shown as soon as it is known, though others of the tree may go on.
        shared.change(&record.id, |task| task.exit_code = code);
    });
    let exit_code = tokio::select! {
        code = ending => code,
        never = trimming => match never {},
    };
    let left = tree::members(leader, &record.id).await;
    let end = TaskEnd { exit_code, at: clock::wall() };
    let record = TaskRecord { ended: Some(end), ..record };
    keep(shared, record.clone()).await;
    let by_itself = shared.mark_ended(&record.id, end.at, !left.is_empty());
    if let Some(task) = by_itself {
        let last_lines = shared.last_lines(&record.id).await;
        // Nobody may be listening any more.
        let _ = shared.exits.send(TaskExit { task, last_lines });
    }
}

/// Waits for the first process and then for all that it left in its tree.
async fn to_the_end(first: First, leader: ProcessId, tell: impl FnOnce(Option<i32>)) -> Option<i32> {
    let code = match first {
        First::Child(mut child) => child.wait().await.ok().and_then(code),
        First::Found(leader) => {
            tree::gone(leader).await;
            None
        }
    };
    tell(code);
    loop {
        let left = tree::strict(leader).await;
        if left.is_empty() {
            return code;
        }
        // Not all of them: with its parent, a process may leave the tree that lives on.
        tree::one_gone(&left).await;
    }
}

async fn trim(shared: &Shared, id: &TaskId) -> std::convert::Infallible {
    let mut trim = Trim::new(shared.log(id));
    loop {
        tokio::time::sleep(TRIM_EVERY).await;
        if let Err(error) = trim.cut() {
            tracing::warn!(task = %id, %error, "cannot keep a task's output short");
        }
    }
}

async fn keep(shared: &Shared, record: TaskRecord) {
    let id = record.id.clone();
    if let Err(error) = shared.store.put_task(record, None).await {
        tracing::error!(task = %id, %error, "what became of a task was not stored");
    }
}

fn code(status: ExitStatus) -> Option<i32> {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal))
}

fn task(record: &TaskRecord, running: bool, hint: Option<String>) -> Task {
    Task {
        id: record.id.clone(),
        session: record.session.clone(),
        user: record.user.clone(),
        name: record.name.clone(),
        command: record.command.clone(),
        cwd: record.cwd.clone(),
        started: record.started,
        leader: ProcessId { pid: record.pid, start_time: record.start_time },
        running,
        exit_code: record.ended.and_then(|end| end.exit_code),
        hint,
    }
}

impl Shared {
    /// From now on its end is no event of its own.
    pub(super) fn will_end(&self, id: &TaskId) -> Option<ProcessId> {
        let mut all = self.known();
        let known = all.get_mut(id)?;
        known.asked_to_end = true;
        Some(known.task.borrow().leader)
    }

    fn change(&self, id: &TaskId, change: impl FnOnce(&mut Task)) {
        if let Some(known) = self.known().get(id) {
            known.task.send_modify(change);
        }
    }

    /// The task, if nobody asked for its end.
    fn mark_ended(&self, id: &TaskId, at: Wall, in_background: bool) -> Option<Task> {
        let mut all = self.known();
        let known = all.get_mut(id)?;
        known.ended = Some(at);
        known.task.send_modify(|task| {
            task.running = false;
            if task.hint.as_deref() == Some(FOUND_AGAIN) {
                task.hint = Some(ENDED_UNSEEN.to_owned());
            }
            if in_background {
                task.hint = Some(
                    "it left processes in the background that are not its own any more: run it in the \
                     foreground, so that what it listens on can be attached"
                        .to_owned(),
                );
            }
        });
        (!known.asked_to_end).then(|| known.task.borrow().clone())
    }
}
