//! The processes of this host, who descends from whom, and which sockets they hold (`proc(5)`).
//!
//! Everything here blocks: reading all of a busy host takes tens of milliseconds.

use std::collections::{HashMap, HashSet};

use preview_core::listener::OwningTask;
use procfs::process::{FDTarget, Process as Proc};
use procfs::{ProcError, ProcResult};
use rustix::io::Errno;

/// One process of all time since boot: a pid is used again, but not with the same start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProcessId {
    /// Its number.
    pub(crate) pid: u32,
    /// When it started, in clock ticks since boot.
    pub(crate) start_time: u64,
}

/// The first process of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    /// The task.
    pub(crate) task: OwningTask,
    /// The process; it leads a session of its own.
    pub(crate) process: ProcessId,
}

/// All living processes at one moment; zombies are not among them.
#[derive(Debug)]
pub(crate) struct Processes {
    by_pid: HashMap<u32, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: ProcessId,
    parent: u32,
    session: u32,
}

impl Processes {
    /// Looks at all of them.
    pub(crate) fn read() -> ProcResult<Self> {
        let mut by_pid = HashMap::new();
        for process in procfs::process::all_processes()? {
            match process.and_then(|process| entry(&process)) {
                Ok(Some(entry)) => {
                    by_pid.insert(entry.id.pid, entry);
                }
                Ok(None) => {}
                Err(error) if is_gone(&error) => {}
                // To leave one out because we have no file descriptor left would be to take it for dead.
                Err(error) => return Err(error),
            }
        }
        Ok(Self { by_pid })
    }

    /// The tree of the task that `leader` started: itself, its descendants, and all that are still in its session,
    /// whose number nobody else can get as long as one of them lives. Descendants of these count too.
    pub(crate) fn tree(&self, leader: ProcessId) -> Vec<ProcessId> {
        let leads = self.by_pid.values().filter(|entry| self.belongs(entry.id.pid, leader));
        leads.map(|entry| entry.id).collect()
    }

    fn belongs(&self, pid: u32, leader: ProcessId) -> bool {
        // A leader's number with another start time: the task has ended, and so has its whole session. Session 0 is
        // that of the kernel, and of all whose session is none of this namespace.
        let reused = self.by_pid.get(&leader.pid).is_some_and(|entry| entry.id != leader);
        if reused || leader.pid == 0 {
            return false;
        }
        let mut at = self.by_pid.get(&pid);
        let mut steps = 0;
        while let Some(entry) = at.filter(|_| steps <= self.by_pid.len()) {
            if entry.id == leader || entry.session == leader.pid {
                return true;
            }
            at = self.by_pid.get(&entry.parent);
            steps += 1;
        }
        false
    }

    /// Their ids.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ProcessId> + '_ {
        self.by_pid.values().map(|entry| entry.id)
    }

    /// Those that lead a session.
    pub(crate) fn session_leaders(&self) -> impl Iterator<Item = ProcessId> + '_ {
        self.by_pid.values().filter(|entry| entry.session == entry.id.pid).map(|entry| entry.id)
    }
}

impl ProcessId {
    /// The living process with that number.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        entry(&open(pid)?).ok().flatten().map(|entry| entry.id)
    }

    /// The process with that number, also when it has ended and its parent has not looked yet.
    pub(crate) fn even_if_ended(pid: u32) -> Option<Self> {
        let stat = open(pid)?.stat().ok()?;
        Some(Self { pid, start_time: stat.starttime })
    }

    /// Whether it lives.
    pub(crate) fn lives(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// The inodes of the sockets it holds; none if we may not look.
    pub(crate) fn sockets(self) -> HashSet<u64> {
        let Some(fds) = open(self.pid).and_then(|process| process.fd().ok()) else { return HashSet::new() };
        let targets = fds.filter_map(Result::ok).map(|fd| fd.target);
        targets
            .filter_map(|target| match target {
                FDTarget::Socket(inode) => Some(inode),
                _ => None,
            })
            .collect()
    }

    /// The path of its program, if we may look.
    pub(crate) fn exe(self) -> Option<String> {
        Some(open(self.pid)?.exe().ok()?.to_string_lossy().into_owned())
    }

    /// Its command line.
    pub(crate) fn command(self) -> Vec<String> {
        open(self.pid).and_then(|process| process.cmdline().ok()).unwrap_or_default()
    }

    /// Whether it was started with this environment variable (`NAME=value`); no if we may not look.
    pub(crate) fn has_variable(self, variable: &[u8]) -> bool {
        let environ = std::fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|found| found == variable)
    }

    /// Its user, as it is now.
    pub(crate) fn uid(self) -> Option<u32> {
        open(self.pid)?.uid().ok()
    }
}

fn open(pid: u32) -> Option<Proc> {
    Proc::new(i32::try_from(pid).ok()?).ok()
}

/// What is told of a living process.
fn entry(process: &Proc) -> ProcResult<Option<Entry>> {
    let stat = process.stat()?;
    let number = |field: i32| u32::try_from(field).unwrap_or_default();
    let id = ProcessId { pid: number(stat.pid), start_time: stat.starttime };
    let lives = !matches!(stat.state, 'Z' | 'X' | 'x');
    Ok(lives.then_some(Entry { id, parent: number(stat.ppid), session: number(stat.session) }))
}

fn is_gone(error: &ProcError) -> bool {
    match error {
        ProcError::NotFound(_) | ProcError::PermissionDenied(_) => true,
        ProcError::Io(error, _) => error.raw_os_error() == Some(Errno::SRCH.raw_os_error()),
        _ => false,
    }
}
