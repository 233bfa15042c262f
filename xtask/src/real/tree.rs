//! Trees of processes, as `/proc` shows them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// One line of the process table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub pid: u32,
    pub parent: u32,
    pub session: u32,
    /// It has ended, and its parent has not asked how.
    pub zombie: bool,
}

/// All processes there are.
#[must_use]
pub fn table() -> Vec<Row> {
    let Ok(folder) = fs::read_dir("/proc") else { return Vec::new() };
    folder.flatten().filter_map(|entry| row(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// `root`, its descendants, and whoever shares the session that `root` leads; zombies left out.
#[must_use]
pub fn members(root: u32) -> BTreeSet<u32> {
    let table = table();
    let mut found = BTreeSet::from([root]);
    let mut size = 0;
    while size != found.len() {
        size = found.len();
        found.extend(
            table
                .iter()
                .filter(|r| r.session == root || found.contains(&r.parent))
                .map(|r| r.pid)
                .collect::<Vec<_>>(),
        );
    }
    let alive: BTreeSet<u32> = table.iter().filter(|r| !r.zombie).map(|r| r.pid).collect();
    found.intersection(&alive).copied().collect()
}

/// Who lives in the session that `leader` began.
#[must_use]
pub fn session(leader: u32) -> Vec<u32> {
    table().into_iter().filter(|r| !r.zombie && r.session == leader).map(|r| r.pid).collect()
}

/// Processes, this one aside, whose working folder lies within `folder`.
#[must_use]
pub fn working_within(folder: &Path) -> Vec<u32> {
    let own = std::process::id();
    let at = |pid: u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
    table().into_iter().filter(|r| !r.zombie && r.pid != own && at(r.pid)).map(|r| r.pid).collect()
}

/// Whether the process lives.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    row(pid).is_some_and(|row| !row.zombie)
}

/// Kills a process outright and waits until it is gone.
pub fn kill(pid: u32) {
    kill_all(|| if is_alive(pid) { vec![pid] } else { Vec::new() });
}

/// Kills again and again until `list` finds nobody: a fork may outrun one look at the table.
pub(super) fn kill_all(list: impl Fn() -> Vec<u32>) {
    for _ in 0..200 {
        let pids = list();
        if pids.is_empty() {
            return;
        }
        for pid in pids {
            send(pid, Signal::KILL);
        }
        std::thread::sleep(super::wait::PAUSE);
    }
}

/// Sends a signal; that the process is gone already is no error.
pub(super) fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

fn row(pid: u32) -> Option<Row> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold blanks and parentheses itself.
    let mut rest = stat.rsplit_once(") ")?.1.split(' ');
    let state = rest.next()?;
    let parent = rest.next()?.parse().ok()?;
    let session = rest.nth(1)?.parse().ok()?;
    Some(Row { pid, parent, session, zombie: matches!(state, "Z" | "X") })
}
