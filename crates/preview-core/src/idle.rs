//! When an attachment that nobody visits is taken down.
//!
//! Silence is measured in [`Tick`]s: a wall clock that jumps reaps nothing.

use std::time::Duration;

use thiserror::Error;

use crate::clock::Tick;

/// How long an attachment may go unvisited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdlePolicy {
    after: Duration, // Invariant: LEAST..=MOST.
    warn: Duration,  // Invariant: at most half of `after`.
    max_presence: Duration,
}

/// What edges have reported of one attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// When somebody last asked for something.
    pub last_visit: Tick,
    /// When a tab that nobody touches last gave a sign of life.
    pub last_presence: Tick,
}

/// What to do with the attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Leave it; without further traffic it falls due at this moment.
    KeepUntil(Tick),
    /// Leave it, but say that it falls due at this moment.
    Warn(Tick),
    /// Take it down.
    Reap,
}

/// A silence that no policy may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidIdle {
    /// It would reap between two clicks.
    #[error("idle {0:?} is too short: give {least:?} or more", least = IdlePolicy::LEAST)]
    TooShort(Duration),
    /// It would reap nothing.
    #[error("idle {0:?} is too long: give {most:?} or less", most = IdlePolicy::MOST)]
    TooLong(Duration),
}

impl IdlePolicy {
    /// The shortest silence.
    pub const LEAST: Duration = Duration::from_secs(5);
    /// The longest.
    pub const MOST: Duration = Duration::from_hours(30 * 24);

    /// A policy that reaps after a silence of `after`, warns `warn` before (at most half of `after`), and lets
    /// presence alone carry a preview `max_presence` past its last visit.
    ///
    /// # Errors
    /// [`InvalidIdle`] unless `after` lies within [`Self::LEAST`] and [`Self::MOST`].
    pub fn new(after: Duration, warn: Duration, max_presence: Duration) -> Result<Self, InvalidIdle> {
        match after {
            s if s < Self::LEAST => Err(InvalidIdle::TooShort(s)),
            s if s > Self::MOST => Err(InvalidIdle::TooLong(s)),
            after => Ok(Self { after, warn: warn.min(after / 2), max_presence }),
        }
    }

    /// The silence after which an attachment is reaped.
    #[must_use]
    pub const fn after(self) -> Duration {
        self.after
    }

    /// How late the reaper may be: a tenth of the silence, at most a minute.
    #[must_use]
    pub fn slack(self) -> Duration {
        (self.after / 10).min(Duration::from_mins(1))
    }

    /// Judges one attachment at `now`.
    #[must_use]
    pub fn judge(self, traffic: Traffic, now: Tick) -> Verdict {
        let due = self.due(traffic);
        match now {
            now if now >= due => Verdict::Reap,
            now if now >= due.minus(self.warn) => Verdict::Warn(due),
            _ => Verdict::KeepUntil(due),
        }
    }

    /// The moment at which [`Self::judge`] next changes its mind, without further traffic.
    #[must_use]
    pub fn next_change(self, traffic: Traffic, now: Tick) -> Tick {
        let due = self.due(traffic);
        let warning = due.minus(self.warn);
        if now < warning { warning } else { due }
    }

    fn due(self, traffic: Traffic) -> Tick {
        let visited = traffic.last_visit + self.after;
        let present = (traffic.last_presence + self.after).min(traffic.last_visit + self.max_presence);
        visited.max(present)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_to_the_last_second_and_says_when_it_falls_due() {
        assert_eq!(judge(0, 0, 1_499), Verdict::KeepUntil(at(1_800)));
        assert_eq!(judge(0, 0, 1_799), Verdict::Warn(at(1_800)));
        assert_eq!(judge(0, 0, 1_800), Verdict::Reap);
    }

    #[test]
    fn a_forgotten_tab_keeps_it_for_four_hours_and_no_longer() {
        assert_eq!(judge(0, 14_000, 14_001), Verdict::KeepUntil(at(14_400)).warned_if(14_001));
        assert_eq!(judge(0, 14_399, 14_400), Verdict::Reap);
    }

    #[test]
    fn without_presence_only_visits_count() {
        let policy = policy(Duration::ZERO);
        let traffic = Traffic { last_visit: at(0), last_presence: at(1_790) };
        assert_eq!(policy.judge(traffic, at(1_800)), Verdict::Reap);
    }

    #[test]
    fn next_change_is_the_warning_and_then_the_end() {
        let traffic = Traffic { last_visit: at(0), last_presence: at(0) };
        let policy = policy(Duration::ZERO);
        assert_eq!(policy.next_change(traffic, at(0)), at(1_500));
        assert_eq!(policy.next_change(traffic, at(1_500)), at(1_800));
    }

    #[test]
    fn refuses_a_silence_of_one_second() {
        let second = Duration::from_secs(1);
        assert_eq!(IdlePolicy::new(second, second, second), Err(InvalidIdle::TooShort(second)));
    }

    impl Verdict {
        /// The warning this becomes within five minutes of its end.
        fn warned_if(self, now: u64) -> Self {
            match self {
                Self::KeepUntil(due) if at(now) >= due.minus(Duration::from_mins(5)) => Self::Warn(due),
                other => other,
            }
        }
    }

    /// Judges under 30 minutes of silence (the seed's) and 4 hours of presence.
    fn judge(last_visit: u64, last_presence: u64, now: u64) -> Verdict {
        let traffic = Traffic { last_visit: at(last_visit), last_presence: at(last_presence) };
        policy(Duration::from_hours(4)).judge(traffic, at(now))
    }

    fn policy(max_presence: Duration) -> IdlePolicy {
        IdlePolicy::new(Duration::from_mins(30), Duration::from_mins(5), max_presence)
            .expect("30 min is in bounds")
    }

    fn at(second: u64) -> Tick {
        Tick::new(Duration::from_secs(second))
    }
}
