//! Refusals on their way into the audit trail: the first of a kind is kept at once, those after it within a minute
//! are counted and kept as one. So nobody fills the trail by being refused.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use preview_core::audit::Action;
use preview_core::clock::Tick;

use crate::audit::Note;
use crate::clock;
use crate::daemon::Daemon;

/// Refusals that were seen lately.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    kinds: Mutex<HashMap<Kind, Seen>>,
}

/// All of a note but its count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    by: String,
    action: Action,
    session: Option<String>,
    user: Option<String>,
    subject: Option<String>,
    code: Option<String>,
    detail: Option<String>,
}

#[derive(Debug)]
struct Seen {
    since: Tick,
    /// Of them, so many are not kept yet.
    waiting: u64,
}

/// For so long the same refusal of the same caller is counted as one.
const WINDOW: Duration = Duration::from_mins(1);

/// So many kinds are told apart within a window; what comes beyond them is counted as of [`OTHERS`].
const KINDS: usize = 1_000;

/// Whose refusals are counted together, when too many are refused at once.
const OTHERS: &str = "others";

/// How often it is looked for windows that have passed.
const LOOK: Duration = Duration::from_secs(5);

impl Refusals {
    /// Takes a refusal, or several at once; gives what is to be kept now.
    pub(crate) fn take(&self, note: Note, now: Tick) -> Option<Note> {
        let mut kinds = self.kinds();
        let count = note.count;
        let kind = Kind::from(note);
        let is_new = !kinds.contains_key(&kind);
        let kind = if is_new && kinds.len() >= KINDS { kind.of_others() } else { kind };
        if let Some(seen) = kinds.get_mut(&kind) {
            seen.waiting = seen.waiting.saturating_add(count);
            return None;
        }
        kinds.insert(kind.clone(), Seen { since: now, waiting: 0 });
        Some(kind.note(count))
    }

    /// What was counted in windows that have passed at `now`, and what `all` others have counted so far.
    pub(crate) fn passed(&self, now: Tick, all: bool) -> Vec<Note> {
        let mut passed = Vec::new();
        self.kinds().retain(|kind, seen| {
            let stays = !all && now.since(seen.since) < WINDOW;
            if !stays && seen.waiting > 0 {
                passed.push(kind.clone().note(seen.waiting));
            }
            stays
        });
        passed
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<Kind, Seen>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps what was counted, until the daemon stops.
pub(crate) async fn keep(daemon: Daemon) {
    loop {
        tokio::time::sleep(LOOK).await;
        store(&daemon, daemon.refusals().passed(clock::tick(), false)).await;
    }
}

/// Keeps these; without a store there is nothing to be done for them.
pub(crate) async fn store(daemon: &Daemon, notes: Vec<Note>) {
    for note in notes {
        if let Err(error) = daemon.store().note(note, clock::wall()).await {
            tracing::warn!(%error, "a refusal is not in the audit trail");
        }
    }
}

impl Kind {
    /// Of one code there are few kinds then.
    fn of_others(self) -> Self {
        let (action, code) = (self.action, self.code);
        let (session, user, subject, detail) = (None, None, None, None);
        Self { by: OTHERS.to_owned(), action, session, user, subject, code, detail }
    }

    fn note(self, count: u64) -> Note {
        let Self { by, action, session, user, subject, code, detail } = self;
        Note { by, action, session, user, subject, code, detail, count }
    }
}

impl From<Note> for Kind {
    fn from(note: Note) -> Self {
        let Note { by, action, session, user, subject, code, detail, count: _ } = note;
        Self { by, action, session, user, subject, code, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_kept_at_once_and_a_minute_of_others_as_one() {
        let refusals = Refusals::default();
        assert_eq!(refusals.take(note("a"), at(0)), Some(note("a")));
        for second in 0..60 {
            assert_eq!(refusals.take(note("a"), at(second)), None);
        }
        assert_eq!(refusals.take(note("b"), at(30)), Some(note("b")));
        assert_eq!(refusals.passed(at(59), false), []);
        assert_eq!(refusals.passed(at(60), false), [Note { count: 60, ..note("a") }]);
        assert_eq!(refusals.take(note("a"), at(61)), Some(note("a")), "a new minute begins");
        assert_eq!(refusals.passed(at(90), false), [], "nothing of b was counted");
    }

    #[test]
    fn what_is_counted_when_the_daemon_stops_is_not_lost() {
        let refusals = Refusals::default();
        refusals.take(note("a"), at(0));
        refusals.take(Note { count: 7, ..note("a") }, at(1));
        assert_eq!(refusals.passed(at(2), true), [Note { count: 7, ..note("a") }]);
        assert_eq!(refusals.passed(at(2), true), []);
    }

    #[test]
    fn a_flood_of_callers_makes_no_more_kinds_than_there_are_places() {
        let refusals = Refusals::default();
        let kept = (0..10_000).filter_map(|n| refusals.take(note(&n.to_string()), at(0))).count();
        assert_eq!(kept, KINDS + 1);
        let counted = refusals.passed(at(60), false);
        let expected = u64::try_from(10_000 - KINDS - 1).expect("small");
        assert_eq!(counted, [Note { count: expected, ..note(OTHERS) }]);
    }

    fn note(by: &str) -> Note {
        let code = Some("unauthorized".to_owned());
        Note { code, ..Note::new(by, Action::Refused) }
    }

    fn at(second: u64) -> Tick {
        Tick::new(Duration::from_secs(second))
    }
}
