//! Whose a listening socket is.

use std::collections::HashSet;

use preview_core::listener::Owner;
use preview_sockets::SocketSeen;
use procfs::ProcResult;

use crate::processes::{Leader, ProcessId, Processes};

/// A socket's owner, and the command line of its process where we may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    /// Whose it is.
    pub(crate) owner: Owner,
    /// The command line.
    pub(crate) command: Vec<String>,
}

/// How often to look anew when the process that was found ends meanwhile.
const LOOKS: usize = 3;

/// Finds the process behind the socket. A socket is often held by parent and children, and by more after a while:
/// the oldest holder stands for it, and the task whose tree any holder is in has it. Blocks.
///
/// Where the kernel does not let us look into other users' processes, uid and cgroup are all there is.
pub(crate) fn find(socket: &SocketSeen, leaders: &[Leader]) -> ProcResult<Owned> {
    let (mut owned, mut holder) = look(socket, leaders)?;
    for _ in 1..LOOKS {
        if holder.is_none_or(ProcessId::lives) {
            break;
        }
        (owned, holder) = look(socket, leaders)?;
    }
    Ok(owned)
}

fn look(socket: &SocketSeen, leaders: &[Leader]) -> ProcResult<(Owned, Option<ProcessId>)> {
    let processes = Processes::read()?;
    let task = leaders.iter().find_map(|leader| {
        let holders = holders(processes.tree(leader.process), socket.inode);
        oldest(holders).map(|holder| (holder, Some(leader.task.clone())))
    });
    let holder = task.or_else(|| {
        // The uid of a socket is that of the process that made it: mostly these are the only ones to look at.
        let (likely, others): (Vec<_>, Vec<_>) =
            processes.ids().partition(|process| process.uid() == Some(socket.uid));
        let found = oldest(holders(likely, socket.inode));
        let found = found.or_else(|| oldest(holders(others, socket.inode)));
        found.map(|holder| (holder, None))
    });
    let (process, task) = holder.map_or((None, None), |(process, task)| (Some(process), task));
    let owner = Owner {
        uid: socket.uid,
        inode: socket.inode,
        cgroup: socket.cgroup,
        exe: process.and_then(ProcessId::exe),
        task,
    };
    Ok((Owned { owner, command: process.map(ProcessId::command).unwrap_or_default() }, process))
}

fn holders(of: Vec<ProcessId>, inode: u64) -> HashSet<ProcessId> {
    of.into_iter().filter(|process| process.sockets().contains(&inode)).collect()
}

fn oldest(holders: HashSet<ProcessId>) -> Option<ProcessId> {
    holders.into_iter().min_by_key(|process| (process.start_time, process.pid))
}
