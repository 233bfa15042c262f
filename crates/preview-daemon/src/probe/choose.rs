//! Which of the listeners on a port the caller means.
//!
//! `127.0.0.1` and `::1` can be held by different people: whoever finds one of them free may sit down beside a
//! server on the other. So it matters more whose a listener is than where: first comes the tied task's, then any of
//! the session's tasks, then one of the uid that tasks run as; only then the address that was asked for, and for
//! `localhost` the first of `127.0.0.1` and `::1`. A listener of another session's task is never taken while there is hope for a
//! better one.

use std::net::IpAddr;

use preview_core::listener::Listener;

use super::find::{Found, HostAsked, Wanted};
use super::owner::Owned;

/// A listener on one of the loopbacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Where it would be dialled.
    pub(crate) listener: Listener,
    /// What it is bound to.
    pub(crate) bound: IpAddr,
    /// Whose it is.
    pub(crate) owned: Owned,
}

/// What to do about the candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Take this one.
    Take(Box<Found>),
    /// Wait; in the end, this is the only one, and it belongs to another session's task.
    Foreign(Box<Found>),
    /// Wait; there are some, but none of the tied task's.
    NotTheTask,
    /// Wait; there is none.
    Wait,
}

/// Chooses among what listens now; `tasks_uid` is whom tasks run as.
pub(crate) fn choose(wanted: &Wanted, tasks_uid: Option<u32>, candidates: &[Candidate]) -> Choice {
    let tied = |it: &Candidate| {
        let task = it.owned.owner.task.as_ref();
        wanted.tied.is_some() && task.map(|task| &task.id) == wanted.tied.as_ref()
    };
    let own =
        |it: &Candidate| it.owned.owner.task.as_ref().is_some_and(|task| task.session == wanted.session);
    let foreign = |it: &Candidate| it.owned.owner.task.is_some() && !own(it);
    let asked = |it: &Candidate| match wanted.host {
        HostAsked::Address(address) => it.listener.address == address,
        HostAsked::Localhost => false,
    };
    let claim =
        |it: &Candidate| (tied(it), own(it), !foreign(it), tasks_uid == Some(it.owned.owner.uid), asked(it));
    // Of equal claims the first counts, and 127.0.0.1 is looked at first.
    let Some(best) = candidates.iter().reduce(|best, it| if claim(it) > claim(best) { it } else { best })
    else {
        return Choice::Wait;
    };
    if wanted.tied.is_some() && !tied(best) {
        return Choice::NotTheTask;
    }
    let found = Box::new(found(wanted, best, candidates));
    if foreign(best) { Choice::Foreign(found) } else { Choice::Take(found) }
}

fn found(wanted: &Wanted, it: &Candidate, candidates: &[Candidate]) -> Found {
    let mut notes = Vec::new();
    let others = candidates.iter().filter(|other| other.listener != it.listener);
    let strangers: Vec<_> = others.filter(|other| other.owned.owner.inode != it.owned.owner.inode).collect();
    if let HostAsked::Address(asked) = wanted.host
        && asked != it.listener.address
    {
        let on_asked = if strangers.is_empty() { "nothing" } else { "somebody else" };
        notes.push(format!(
            "The server listens on {}; on {asked}, which was asked for, there is {on_asked}.",
            it.listener
        ));
    }
    for other in strangers {
        let (mine, theirs) = (&it.owned.owner, &other.owned.owner);
        if (mine.uid, &mine.exe, &mine.task) != (theirs.uid, &theirs.exe, &theirs.task) {
            notes.push(format!(
                "{} is held by another program (uid {}, {}): only {} is served.",
                other.listener,
                theirs.uid,
                theirs.exe.as_deref().unwrap_or("program unknown"),
                it.listener
            ));
        }
    }
    if it.bound.is_unspecified() {
        notes.push(format!(
            "It is bound to all addresses ({}), so others on the network reach it past the edge: bind it to {}.",
            it.bound, it.listener.address
        ));
    }
    Found { listener: it.listener, owner: it.owned.owner.clone(), command: it.owned.command.clone(), notes }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use preview_core::id::{SessionId, TaskId};
    use preview_core::listener::{Loopback, Owner, OwningTask};
    use preview_core::ports::Port;

    use super::*;

    const VICTIM: u32 = 1_000;
    const SQUATTER: u32 = 65_534;

    #[test]
    fn the_one_that_is_there_is_taken_whichever_was_asked_for_and_that_is_said() {
        for host in [HostAsked::Localhost, V4, V6] {
            for address in [Loopback::V4, Loopback::V6] {
                let found = take(&wanted(host, None), &[candidate(address, 1, VICTIM, None)]);
                assert_eq!(found.listener.address, address);
                let is_other = matches!(host, HostAsked::Address(asked) if asked != address);
                assert_eq!(found.notes.len(), usize::from(is_other), "{host:?} {:?}", found.notes);
            }
        }
    }

    #[test]
    fn a_squatter_of_another_uid_is_not_taken_whatever_was_asked_for() {
        for host in [HostAsked::Localhost, V4, V6] {
            for (victim, squatter) in [(Loopback::V6, Loopback::V4), (Loopback::V4, Loopback::V6)] {
                let mut both = [candidate(victim, 1, VICTIM, None), candidate(squatter, 2, SQUATTER, None)];
                both.sort_by_key(|it| it.listener.address);
                let found = take(&wanted(host, None), &both);
                assert_eq!(found.owner.uid, VICTIM, "{host:?} {victim:?}");
                assert!(found.notes.iter().any(|note| note.contains("uid 65534")), "{:?}", found.notes);
            }
        }
    }

    #[test]
    fn a_listener_of_the_session_s_task_comes_before_one_of_the_same_uid() {
        let both =
            [candidate(Loopback::V4, 1, VICTIM, None), candidate(Loopback::V6, 2, VICTIM, Some(("t", "s")))];
        assert_eq!(take(&wanted(V4, None), &both).owner.inode, 2);
    }

    #[test]
    fn a_tied_task_s_listener_is_the_only_one_that_counts() {
        let tied = wanted(V4, Some("t"));
        let sibling = candidate(Loopback::V4, 1, VICTIM, Some(("other", "s")));
        let own = candidate(Loopback::V6, 2, VICTIM, Some(("t", "s")));
        assert_eq!(choose(&tied, Some(VICTIM), std::slice::from_ref(&sibling)), Choice::NotTheTask);
        assert_eq!(take(&tied, &[sibling, own]).owner.inode, 2);
        assert_eq!(choose(&tied, Some(VICTIM), &[]), Choice::Wait);
    }

    #[test]
    fn another_session_s_listener_is_never_taken_while_there_is_hope() {
        let foreign = candidate(Loopback::V4, 1, VICTIM, Some(("t", "theirs")));
        let choice = choose(&wanted(V4, None), Some(VICTIM), std::slice::from_ref(&foreign));
        assert!(matches!(choice, Choice::Foreign(found) if found.owner.inode == 1));
        let stranger = candidate(Loopback::V6, 2, SQUATTER, None);
        assert_eq!(take(&wanted(V4, None), &[foreign, stranger]).owner.inode, 2);
    }

    #[test]
    fn localhost_prefers_127_0_0_1_of_one_server_on_both_and_is_silent() {
        let both = [candidate(Loopback::V4, 1, VICTIM, None), candidate(Loopback::V6, 2, VICTIM, None)];
        let found = take(&wanted(HostAsked::Localhost, None), &both);
        assert_eq!((found.listener.address, found.notes), (Loopback::V4, vec![]));
    }

    #[test]
    fn a_wildcard_is_reported() {
        let mut open = candidate(Loopback::V4, 1, VICTIM, None);
        open.bound = "0.0.0.0".parse().expect("an address");
        let notes = take(&wanted(V4, None), &[open]).notes;
        assert!(notes[0].contains("past the edge") && notes[0].contains("bind it to 127.0.0.1"), "{notes:?}");
    }

    const V4: HostAsked = HostAsked::Address(Loopback::V4);
    const V6: HostAsked = HostAsked::Address(Loopback::V6);

    fn take(wanted: &Wanted, candidates: &[Candidate]) -> Found {
        match choose(wanted, Some(VICTIM), candidates) {
            Choice::Take(found) => *found,
            other => panic!("{other:?}"),
        }
    }

    fn wanted(host: HostAsked, tied: Option<&str>) -> Wanted {
        let session = SessionId::new("s").expect("valid");
        let tied = tied.map(|id| TaskId::new(id).expect("valid"));
        Wanted { host, port: port(), session, tied, wait: Duration::ZERO }
    }

    fn candidate(address: Loopback, inode: u64, uid: u32, task: Option<(&str, &str)>) -> Candidate {
        let task = task.map(|(id, session)| OwningTask {
            id: TaskId::new(id).expect("valid"),
            session: SessionId::new(session).expect("valid"),
        });
        let owner = Owner { uid, inode, cgroup: None, exe: None, task };
        let listener = Listener { address, port: port() };
        Candidate { listener, bound: address.ip(), owned: Owned { owner, command: Vec::new() } }
    }

    fn port() -> Port {
        Port::new(3000).expect("a port")
    }
}
