//! What the edge allows itself, so that it never touches the limits of an authority.

use std::time::Duration;

use preview_core::clock::Wall;

use super::{Facts, Policy, Standing, Whom, before};
use crate::cert::Failure;

/// Failed validations are counted within this span, as authorities do.
const HOUR: Duration = Duration::from_hours(1);

impl Standing {
    /// When pause, authority and budget let `whom` be asked; in the past if they do. A human who asks need not heed
    /// the first two.
    pub(crate) fn free_at(&self, whom: Whom, facts: Option<&Facts>, policy: &Policy, now: Wall) -> Wall {
        let paused = self.pause.as_ref().map_or(Wall::default(), |pause| pause.until);
        let paused = if self.asked { Wall::default() } else { paused.max(self.held(whom, policy)) };
        match self.budget(whom, facts, policy, now) {
            Some(Failure::RateLimited { until, .. }) => paused.max(until),
            _ => paused,
        }
    }

    /// What of the edge's own budget forbids to ask `whom` at `now`, as [`Failure::RateLimited`].
    pub(crate) fn budget(
        &self,
        whom: Whom,
        facts: Option<&Facts>,
        policy: &Policy,
        now: Wall,
    ) -> Option<Failure> {
        let timers = &policy.timers;
        let (most, span) = (timers.budget, timers.budget_span);
        let used = full(self.issued_for(policy), most, span, now);
        let spare = facts.filter(|facts| used.is_none() && self.could_wait(facts, policy, now));
        let reserved =
            spare.and_then(|facts| reserved(self.issued_for(policy), most, span, facts.life(), now));
        if let Some(until) = used.or(reserved) {
            let how = if used.is_some() {
                "is used up"
            } else {
                "has only the one left that the next renewal needs"
            };
            let hours = span.as_secs() / 3600;
            let limit =
                format!("the edge's own budget of {most} certificates of these names within {hours} h {how}");
            return Some(Failure::RateLimited { limit, until });
        }
        if whom == Whom::Staging {
            return None;
        }
        let until = full(self.failed_at.iter().copied(), timers.failures, HOUR, now)?;
        let limit = format!("{} validations or more have failed within an hour", timers.failures);
        Some(Failure::RateLimited { limit, until })
    }

    /// How many certificates the budget leaves.
    pub(crate) fn budget_left(&self, policy: &Policy, now: Wall) -> u32 {
        let span = policy.timers.budget_span;
        let spent = self.issued_for(policy).filter(|at| now < *at + span).count();
        policy.timers.budget.saturating_sub(u32::try_from(spent).unwrap_or(u32::MAX))
    }

    /// Whether the certificate would be good for a while yet: whoever wants another one must not take what its
    /// renewal will need.
    fn could_wait(&self, facts: &Facts, policy: &Policy, now: Wall) -> bool {
        facts.fits && !self.is_foreign(facts, policy) && now < facts.renewal()
    }

    fn issued_for(&self, policy: &Policy) -> impl Iterator<Item = Wall> {
        self.issued.iter().filter(|issued| issued.names == policy.names).map(|issued| issued.at)
    }
}

/// When the oldest of the last `most` events leaves the span, if so many lie within it.
fn full(events: impl Iterator<Item = Wall>, most: u32, span: Duration, now: Wall) -> Option<Wall> {
    let mut ends: Vec<_> = events.map(|at| at + span).filter(|end| now < *end).collect();
    ends.sort_unstable();
    let spare = ends.len().checked_sub(usize::try_from(most).unwrap_or(usize::MAX))?;
    Some(ends.get(spare).copied().unwrap_or(now + span))
}

/// From when one more certificate leaves the budget able to make the next one within half of a life. Where lives are
/// shorter than the span, four at once would leave none for the time when they end.
fn reserved(
    events: impl Iterator<Item = Wall>,
    most: u32,
    span: Duration,
    life: Duration,
    now: Wall,
) -> Option<Wall> {
    let first_free = full(events, most.checked_sub(1).filter(|most| *most > 0)?, span, now)?;
    Some(before(first_free, life / 2)).filter(|from| now < *from)
}
