//! What follows from how a set of names stands: when a certificate is due, who is asked, what is told of it.

use preview_core::clock::Wall;

use super::{Facts, Origin, Policy, Standing, Whom};
use crate::cert::Cause;

/// After this many failures in a row of the rehearsing authority itself, its rehearsal is dispensed with: it must
/// not be what a renewal fails by.
pub(super) const NO_REHEARSAL: u32 = 3;

impl Standing {
    /// From when a certificate is to be ordered; in the past if it is due.
    pub(crate) fn due(&self, facts: Option<&Facts>, policy: &Policy) -> Wall {
        let wanted = facts.filter(|facts| !self.asked && facts.fits && !self.is_foreign(facts, policy));
        wanted.map_or(Wall::default(), |facts| self.renew_at(facts))
    }

    /// When the certificate is to be renewed.
    pub(crate) fn renew_at(&self, facts: &Facts) -> Wall {
        let ari = self.ari.as_ref().filter(|ari| ari.certificate == facts.id).and_then(|ari| ari.window);
        ari.map_or_else(|| facts.renewal(), |(_, moment)| moment).min(facts.last_call())
    }

    /// Who is to be asked at `now`, if a certificate is due then.
    pub(crate) fn whom(&self, policy: &Policy, now: Wall) -> Whom {
        let long = self.failing_since.is_some_and(|since| now.since(since) >= policy.timers.fallback_after);
        let rehearses_late = long && now < self.held(Whom::Staging, policy);
        let rehearsed = self.rehearsed == policy.names || self.staging_down >= NO_REHEARSAL || rehearses_late;
        if policy.staging.is_some() && !rehearsed {
            return Whom::Staging;
        }
        if !long || policy.fallback.is_none() || self.failed_last.is_none() {
            return Whom::First;
        }
        // In turns, where both fail; the one that has asked to be left alone is passed over.
        let turns = if self.failed_last == policy.fallback {
            [Whom::First, Whom::Fallback]
        } else {
            [Whom::Fallback, Whom::First]
        };
        let [next, other] = turns;
        let free = |whom| self.held(whom, policy).max(now);
        if free(other) < free(next) { other } else { next }
    }

    /// Until when the authority has asked to be left alone; in the past if it has not.
    pub(super) fn held(&self, whom: Whom, policy: &Policy) -> Wall {
        policy.name(whom).and_then(|name| self.held.get(name)).copied().unwrap_or_default()
    }

    /// Why there is no better certificate than the one in force: the last failure, else the budget. `None` if
    /// nothing is wrong, or nothing is due yet.
    pub(crate) fn cause(&self, facts: Option<&Facts>, policy: &Policy, now: Wall) -> Option<Cause> {
        if let Some(pause) = &self.pause {
            return Some(pause.cause.clone());
        }
        let is_due = self.due(facts, policy) <= now;
        let limited = self.budget(self.whom(policy, now), facts, policy, now).filter(|_| is_due)?;
        Some(Cause::from(&limited))
    }

    /// When to ask for renewal information, and whom.
    pub(super) fn poll(&self, facts: Option<&Facts>, policy: &Policy) -> Option<(Whom, Wall)> {
        let facts = facts?;
        let whom = policy.whom(&self.origin_of(facts)?.authority)?;
        let ari = self.ari.as_ref().filter(|ari| ari.certificate == facts.id);
        Some((whom, ari.map_or(Wall::default(), |ari| ari.poll)))
    }

    pub(super) fn may_replace(&self, facts: &Facts, whom: Whom, policy: &Policy) -> bool {
        self.origin_of(facts)
            .is_some_and(|origin| origin.same_account && policy.name(whom) == Some(&origin.authority))
    }

    /// Whether it is from an authority that the operator no longer wants.
    pub(super) fn is_foreign(&self, facts: &Facts, policy: &Policy) -> bool {
        self.origin_of(facts).is_some_and(|origin| policy.whom(&origin.authority).is_none())
    }

    fn origin_of(&self, facts: &Facts) -> Option<&Origin> {
        self.origin.as_ref().filter(|origin| origin.certificate == facts.id)
    }
}
