//! Who visited what, as edges report it. It lives in memory alone: after a restart every silence starts anew.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use preview_core::clock::{Now, Tick, Wall};
use preview_core::id::AttachmentId;
use preview_core::idle::{IdlePolicy, Traffic, Verdict};
use preview_core::wire::watch::{ActivityEntry, ActivityReport};

/// The traffic of all attachments.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    seen: Mutex<HashMap<AttachmentId, Seen>>,
}

/// The traffic of one attachment.
#[derive(Clone, Copy, Debug)]
struct Seen {
    traffic: Traffic,
    last_hit: Option<Wall>,
    /// Whether its end was announced since the last visit.
    warned: bool,
}

impl Activity {
    /// Lets silence start anew.
    pub(crate) fn renew(&self, id: AttachmentId, now: Tick) {
        let mut seen = self.lock();
        let it = seen.entry(id).or_insert_with(|| Seen::new(now));
        it.visited(now);
    }

    /// Counts a visit of now.
    pub(crate) fn visit(&self, id: AttachmentId, now: Now) {
        let mut seen = self.lock();
        let it = seen.entry(id).or_insert_with(|| Seen::new(now.tick));
        it.visited(now.tick);
        it.last_hit = it.last_hit.max(Some(now.wall));
    }

    /// Takes an edge's report on attachments that `lives` knows.
    pub(crate) fn take(&self, report: &ActivityReport, now: Now, lives: impl Fn(AttachmentId) -> bool) {
        let mut seen = self.lock();
        for entry in &report.entries {
            if let Some(id) = entry.id.parse().ok().filter(|id| lives(*id)) {
                seen.entry(id).or_insert_with(|| Seen::new(now.tick)).take(entry, now);
            }
        }
    }

    /// The traffic of an attachment; one that is seen for the first time starts its silence now.
    pub(crate) fn of(&self, id: AttachmentId, now: Tick) -> Traffic {
        self.lock().entry(id).or_insert_with(|| Seen::new(now)).traffic
    }

    /// When somebody last visited it, since the daemon started.
    pub(crate) fn last_hit(&self, id: AttachmentId) -> Option<Wall> {
        self.lock().get(&id).and_then(|it| it.last_hit)
    }

    /// Whether the attachment is to be reaped.
    pub(crate) fn is_due(&self, id: AttachmentId, policy: IdlePolicy, now: Tick) -> bool {
        policy.judge(self.of(id, now), now) == Verdict::Reap
    }

    /// Whether its end is to be announced: true once after each visit.
    pub(crate) fn warn_once(&self, id: AttachmentId) -> bool {
        self.lock().get_mut(&id).is_some_and(|it| !std::mem::replace(&mut it.warned, true))
    }

    /// Forgets all attachments but these.
    pub(crate) fn keep(&self, lives: impl Fn(AttachmentId) -> bool) {
        self.lock().retain(|id, _| lives(*id));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AttachmentId, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    const fn new(now: Tick) -> Self {
        Self { traffic: Traffic { last_visit: now, last_presence: now }, last_hit: None, warned: false }
    }

    fn visited(&mut self, at: Tick) {
        if at > self.traffic.last_visit {
            self.traffic.last_visit = at;
            self.warned = false;
        }
    }

    fn take(&mut self, entry: &ActivityEntry, now: Now) {
        let ago = |millis: u64| now.tick.minus(Duration::from_millis(millis));
        if let Some(millis) = entry.visit_ago_ms {
            self.visited(ago(millis));
            let at = Wall::from_millis(now.wall.as_millis().saturating_sub(millis));
            self.last_hit = self.last_hit.max(Some(at));
        }
        if let Some(millis) = entry.presence_ago_ms {
            self.traffic.last_presence = self.traffic.last_presence.max(ago(millis));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_counts_from_when_it_was_and_not_from_when_it_was_reported() {
        let activity = Activity::default();
        activity.renew(id(1), at(0));
        activity.take(&report(1, Some(4_000), None), now(100), |_| true);
        assert_eq!(activity.of(id(1), at(100)).last_visit, at(96));
        assert_eq!(activity.last_hit(id(1)), Some(Wall::from_secs(1_096)));
    }

    #[test]
    fn a_visit_of_now_ends_the_silence_and_is_the_last_hit() {
        let activity = Activity::default();
        activity.renew(id(1), at(0));
        activity.visit(id(1), now(100));
        assert_eq!(activity.of(id(1), at(120)).last_visit, at(100));
        assert_eq!(activity.last_hit(id(1)), Some(Wall::from_secs(1_100)));
    }

    #[test]
    fn an_older_report_takes_nothing_back() {
        let activity = Activity::default();
        activity.renew(id(1), at(50));
        activity.take(&report(1, Some(90_000), Some(90_000)), now(100), |_| true);
        assert_eq!(activity.of(id(1), at(100)), Traffic { last_visit: at(50), last_presence: at(50) });
    }

    #[test]
    fn presence_is_no_visit() {
        let activity = Activity::default();
        activity.renew(id(1), at(0));
        activity.take(&report(1, None, Some(0)), now(100), |_| true);
        assert_eq!(activity.of(id(1), at(100)), Traffic { last_visit: at(0), last_presence: at(100) });
    }

    #[test]
    fn an_end_is_announced_once_after_each_visit() {
        let activity = Activity::default();
        activity.renew(id(1), at(0));
        assert!(activity.warn_once(id(1)));
        assert!(!activity.warn_once(id(1)));
        activity.renew(id(1), at(1));
        assert!(activity.warn_once(id(1)));
    }

    #[test]
    fn what_is_not_attached_is_not_remembered() {
        let activity = Activity::default();
        activity.take(&report(2, Some(0), None), now(9), |_| false);
        assert_eq!(activity.last_hit(id(2)), None);
        activity.renew(id(1), at(0));
        activity.keep(|_| false);
        assert_eq!(activity.of(id(1), at(9)).last_visit, at(9));
    }

    fn report(number: u8, visit_ago_ms: Option<u64>, presence_ago_ms: Option<u64>) -> ActivityReport {
        let id = id(number).to_string();
        let entry = ActivityEntry { id, visit_ago_ms, presence_ago_ms, ..ActivityEntry::default() };
        ActivityReport { node: "n".into(), entries: vec![entry] }
    }

    fn id(number: u8) -> AttachmentId {
        AttachmentId::from_entropy([number; 17])
    }

    fn now(second: u64) -> Now {
        Now { wall: Wall::from_secs(1_000 + second), tick: at(second) }
    }

    fn at(second: u64) -> Tick {
        Tick::new(Duration::from_secs(second))
    }
}
