//! Ends the whole tree of a task, and knows when a process is gone.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::select_all;
use preview_core::id::TaskId;
use procfs::ProcResult;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout_at};

use super::spawn::COOKIE;
use crate::processes::{ProcessId, Processes};

/// How long a tree may take to end by itself after TERM.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// How long KILL is repeated for what is born meanwhile; what then is left is stuck in the kernel.
const INSISTING: Duration = Duration::from_secs(10);
/// How long to wait for the killed before looking again for the newly born.
const ROUND: Duration = Duration::from_millis(250);
/// How often to look where the kernel gives no pidfd.
const POLL: Duration = Duration::from_millis(50);

/// Ends the tree: TERM to all, KILL to those that are there after `grace`. Returns those that are left even then.
pub(crate) async fn end(leader: ProcessId, task: &TaskId, grace: Duration) -> Vec<ProcessId> {
    let mut asked = HashSet::new();
    let patience = Instant::now() + grace;
    while Instant::now() < patience {
        let members = members(leader, task).await;
        if members.is_empty() {
            return members;
        }
        for member in members.iter().filter(|member| asked.insert(**member)) {
            signal(*member, Signal::TERM);
        }
        let _ = timeout_at(patience.min(Instant::now() + ROUND), all_gone(&members)).await;
    }
    let patience = Instant::now() + INSISTING;
    loop {
        let members = members(leader, task).await;
        if members.is_empty() || Instant::now() >= patience {
            return members;
        }
        for member in &members {
            signal(*member, Signal::KILL);
        }
        let _ = timeout_at(Instant::now() + ROUND, all_gone(&members)).await;
    }
}

/// The processes of the task's tree, and those that left it but carry its cookie.
pub(crate) async fn members(leader: ProcessId, task: &TaskId) -> Vec<ProcessId> {
    let cookie = cookie(task);
    all(move |processes| {
        let mut members: HashSet<ProcessId> = processes.tree(leader).into_iter().collect();
        members.extend(processes.ids().filter(|id| id.has_variable(&cookie)));
        members.into_iter().collect()
    })
    .await
}

/// The processes of the task's tree in the strict sense: descendants of the leader, and its session.
pub(crate) async fn strict(leader: ProcessId) -> Vec<ProcessId> {
    all(move |processes| processes.tree(leader)).await
}

/// The inodes of the sockets that the task's tree holds; a socket may be held by several of it.
pub(crate) async fn sockets(leader: ProcessId) -> HashSet<u64> {
    let look = move || Ok(Processes::read()?.tree(leader).into_iter().flat_map(ProcessId::sockets).collect());
    blocking(look).await
}

/// The leader of a task that was started but whose process id was not stored any more.
pub(crate) async fn lost_leader(task: &TaskId) -> Option<ProcessId> {
    let cookie = cookie(task);
    let look = move || -> ProcResult<Vec<ProcessId>> {
        let processes = Processes::read()?;
        let leaders = processes.session_leaders();
        Ok(leaders.filter(|id| id.has_variable(&cookie)).collect())
    };
    blocking(look).await.into_iter().next()
}

/// Returns when that process has ended.
#[expect(
    deprecated,
    reason = "its successor is unsafe; an owned descriptor stays open and the same, as it asks"
)]
pub(crate) async fn gone(process: ProcessId) {
    let watched = open(process).and_then(|fd| AsyncFd::with_interest(fd, Interest::READABLE).ok());
    if let Some(watched) = watched {
        let _ = watched.readable().await;
    }
    // Where there is no pidfd to be had; else it is gone now.
    while process.lives() {
        tokio::time::sleep(POLL).await;
    }
}

/// Returns when one of them has ended, at once if there are none.
pub(crate) async fn one_gone(processes: &[ProcessId]) {
    if !processes.is_empty() {
        select_all(processes.iter().map(|process| gone(*process).boxed())).await;
    }
}

/// Returns when all of them have ended.
pub(crate) async fn all_gone(processes: &[ProcessId]) {
    for process in processes {
        gone(*process).await;
    }
}

fn signal(process: ProcessId, signal: Signal) {
    let Some(fd) = open(process) else { return };
    match pidfd_send_signal(fd, signal) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => tracing::warn!(pid = process.pid, ?signal, %error, "cannot signal a task's process"),
    }
}

/// A hold on that very process: its start time is compared after the pid was pinned.
fn open(process: ProcessId) -> Option<rustix::fd::OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(process.pid).ok()?)?;
    let fd = pidfd_open(pid, PidfdFlags::NONBLOCK).ok()?;
    process.lives().then_some(fd)
}

fn cookie(task: &TaskId) -> Vec<u8> {
    format!("{COOKIE}={task}").into_bytes()
}

/// All that `pick` picks. That there are none is believed at the second look: while we read, a parent that we had not
/// come to may have forked a child into the part that we had passed, and ended.
async fn all(pick: impl Fn(&Processes) -> Vec<ProcessId> + Clone + Send + 'static) -> Vec<ProcessId> {
    blocking(move || {
        let found = pick(&Processes::read()?);
        if found.is_empty() { Ok(pick(&Processes::read()?)) } else { Ok(found) }
    })
    .await
}

/// Looks until it can: a moment without file descriptors must not pass for a tree without processes.
async fn blocking<T: Send + 'static>(look: impl Fn() -> ProcResult<T> + Clone + Send + 'static) -> T {
    loop {
        match tokio::task::spawn_blocking(look.clone()).await {
            Ok(Ok(found)) => return found,
            Ok(Err(error)) => tracing::error!(%error, "cannot read /proc"),
            Err(error) => tracing::error!(%error, "the look at /proc was not carried out"),
        }
        tokio::time::sleep(POLL).await;
    }
}
