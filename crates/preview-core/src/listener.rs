//! What is really dialled, and whose it is. A port is not an identity: its owner is checked again whenever the
//! socket behind it changes.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::fmt;

use thiserror::Error;

use crate::id::{SessionId, TaskId};
use crate::ports::Port;

/// One of the two loopback addresses; nothing else is ever dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loopback {
    /// `127.0.0.1`.
    V4,
    /// `::1`.
    V6,
}

/// Where a dev server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listener {
    /// The address that is dialled.
    pub address: Loopback,
    /// The port that is dialled.
    pub port: Port,
}

/// Who listens there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The socket's uid, as the kernel says it.
    pub uid: u32,
    /// The socket's inode: a new one means that somebody bound anew.
    pub inode: u64,
    /// The socket's cgroup id, where the kernel says it.
    pub cgroup: Option<u64>,
    /// The path of the process's program, where we may read it.
    pub exe: Option<String>,
    /// The task whose tree the process belongs to.
    pub task: Option<OwningTask>,
}

/// A task that owns a listener, and the session that owns the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwningTask {
    /// The task.
    pub id: TaskId,
    /// Its session.
    pub session: SessionId,
}

/// Why a listener that took over a port is not the one that was attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OwnerMismatch {
    /// Another user's process.
    #[error("another user's process listens there now")]
    Uid,
    /// Not in the tree of the task the attachment is tied to.
    #[error("the listener is not part of the attachment's task")]
    NotTheTask,
    /// Part of a task of another session.
    #[error("the listener is part of another session's task")]
    OtherTask,
    /// Another cgroup or program.
    #[error("another program listens there now")]
    Program,
}

impl Loopback {
    /// Its address.
    #[must_use]
    pub const fn ip(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Self::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        }
    }
}

impl fmt::Display for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

impl Listener {
    /// The address to dial.
    #[must_use]
    pub const fn socket_addr(self) -> SocketAddr {
        SocketAddr::new(self.address.ip(), self.port.get())
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket_addr().fmt(f)
    }
}

impl Owner {
    /// Whether `seen`, found listening later, counts as the recorded owner `self` of an attachment of `session`,
    /// tied to `tied` or to no task.
    ///
    /// # Errors
    /// [`OwnerMismatch`] says in what they differ.
    pub fn readmit(
        &self,
        seen: &Self,
        session: &SessionId,
        tied: Option<&TaskId>,
    ) -> Result<(), OwnerMismatch> {
        if self.uid != seen.uid {
            return Err(OwnerMismatch::Uid);
        }
        if let Some(tied) = tied {
            let is_tied = seen.task.as_ref().is_some_and(|task| task.id == *tied);
            return if is_tied { Ok(()) } else { Err(OwnerMismatch::NotTheTask) };
        }
        if seen.task.as_ref().is_some_and(|task| task.session != *session) {
            return Err(OwnerMismatch::OtherTask);
        }
        if self.cgroup != seen.cgroup || self.exe != seen.exe {
            return Err(OwnerMismatch::Program);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_program_may_bind_anew() {
        let seen = Owner { inode: 2, ..owner() };
        assert_eq!(owner().readmit(&seen, &session("s"), None), Ok(()));
    }

    #[test]
    fn another_uid_program_or_cgroup_may_not() {
        let readmit = |seen| owner().readmit(&seen, &session("s"), None);
        assert_eq!(readmit(Owner { uid: 65_534, ..owner() }), Err(OwnerMismatch::Uid));
        assert_eq!(
            readmit(Owner { exe: Some("/usr/bin/nc".into()), ..owner() }),
            Err(OwnerMismatch::Program)
        );
        assert_eq!(readmit(Owner { cgroup: Some(8), ..owner() }), Err(OwnerMismatch::Program));
        assert_eq!(
            readmit(Owner { task: Some(task("t", "other")), ..owner() }),
            Err(OwnerMismatch::OtherTask)
        );
    }

    #[test]
    fn a_tied_listener_must_belong_to_its_task_whatever_its_program() {
        let tied = TaskId::new("t").expect("valid");
        let readmit = |seen| owner().readmit(&seen, &session("s"), Some(&tied));
        let restarted = Owner { exe: Some("/usr/bin/esbuild".into()), task: Some(task("t", "s")), ..owner() };
        assert_eq!(readmit(restarted), Ok(()));
        assert_eq!(readmit(owner()), Err(OwnerMismatch::NotTheTask));
        assert_eq!(readmit(Owner { task: Some(task("u", "s")), ..owner() }), Err(OwnerMismatch::NotTheTask));
    }

    fn owner() -> Owner {
        Owner { uid: 1_000, inode: 1, cgroup: Some(7), exe: Some("/usr/bin/node".into()), task: None }
    }

    fn task(id: &str, of: &str) -> OwningTask {
        OwningTask { id: TaskId::new(id).expect("valid"), session: session(of) }
    }

    fn session(id: &str) -> SessionId {
        SessionId::new(id).expect("valid")
    }
}
