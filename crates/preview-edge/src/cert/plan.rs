//! What is due: whom to ask for a certificate, and when (`docs/acme.md` §6). Clock and dice come in as arguments.

mod standing;
mod outlook;
mod budget;

use std::time::Duration;

use preview_core::clock::Wall;
use sha2::{Digest as _, Sha256};

pub(crate) use standing::{Ari, Issued, Origin, Pause, Standing, Window};

use super::Shown;
use crate::config::Timers;

/// Certificates that live shorter than this are renewed after half of their life, others after two thirds.
const SHORT_LIFE: Duration = Duration::from_hours(10 * 24);
/// The latest moment for a renewal: this share of the life before its end, whatever renewal information says.
const LAST_CALL: u32 = 20;
/// Renewal by lifetime comes earlier by up to this share of the life, so that not all come at once.
const SPREAD: u32 = 20;

/// Tells one certificate from another: SHA-256 of its DER form.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint(pub(crate) [u8; 32]);

/// What the plan must know of the certificate in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) id: Fingerprint,
    pub(crate) not_before: Wall,
    pub(crate) not_after: Wall,
    /// Whether its names are the ones that are wanted.
    pub(crate) fits: bool,
}

/// What the operator wants.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// The name of the authority that is asked first.
    pub(crate) first: String,
    /// The name of the one for rehearsals.
    pub(crate) staging: Option<String>,
    /// The name of the one to turn to.
    pub(crate) fallback: Option<String>,
    /// The names of the certificate, sorted.
    pub(crate) names: Vec<String>,
    pub(crate) timers: Timers,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whom {
    /// The authority of the operator's choice.
    First,
    /// Its rehearsal: what comes of it is never shown to anybody.
    Staging,
    /// The second choice.
    Fallback,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing before this moment, which is at most [`Timers::scan`] away: the clock may be set meanwhile.
    Wait {
        /// When to look again.
        until: Wall,
    },
    /// Ask for renewal information of the certificate in force.
    AskAri {
        /// The authority that issued it.
        whom: Whom,
    },
    /// Order a certificate, or take up the attempt that a crash has interrupted.
    Order {
        /// Where.
        whom: Whom,
        /// Whether to say that it replaces the one in force (RFC 9773 §5).
        replaces: bool,
    },
}

/// What to do at `now`. [`Standing::mend`] comes first, and the standing is saved before the step is taken.
pub(crate) fn next(standing: &Standing, facts: Option<&Facts>, policy: &Policy, now: Wall) -> Step {
    let look = now + policy.timers.scan;
    let due = standing.due(facts, policy);
    if now < due {
        return match standing.poll(facts, policy) {
            Some((whom, at)) if at <= now => Step::AskAri { whom },
            poll => Step::Wait { until: poll.map_or(due, |(_, at)| due.min(at)).min(look) },
        };
    }
    let whom = standing.whom(policy, now);
    let free = standing.free_at(whom, facts, policy, now);
    if now < free {
        return Step::Wait { until: free.min(look) };
    }
    Step::Order { whom, replaces: facts.is_some_and(|facts| standing.may_replace(facts, whom, policy)) }
}

impl Facts {
    /// Of the certificate that is shown, where `wanted` are the names it should have.
    pub(crate) fn of(shown: &Shown, wanted: &[String]) -> Self {
        Self {
            id: Fingerprint::of(shown.leaf()),
            not_before: shown.begins,
            not_after: shown.expires,
            fits: shown.names.are(wanted),
        }
    }

    /// How long the certificate lives.
    pub(crate) fn life(&self) -> Duration {
        self.not_after.since(self.not_before)
    }

    /// When to renew it if the authority says nothing of that. The same at each look: its dice are the fingerprint.
    pub(crate) fn renewal(&self) -> Wall {
        let life = self.life();
        let share = if life < SHORT_LIFE { life / 2 } else { life * 2 / 3 };
        self.not_before + share.saturating_sub(portion(life / SPREAD, self.id.dice()))
    }

    /// The latest moment to renew it.
    pub(crate) fn last_call(&self) -> Wall {
        before(self.not_after, self.life() / LAST_CALL)
    }
}

impl Fingerprint {
    /// Of a certificate in DER.
    pub(crate) fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    fn dice(self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(first)
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", data_encoding::HEXLOWER.encode(&self.0[..8]))
    }
}

impl Policy {
    /// The authority's name; `None` where there is no such authority.
    pub(crate) fn name(&self, whom: Whom) -> Option<&str> {
        match whom {
            Whom::First => Some(&self.first),
            Whom::Staging => self.staging.as_deref(),
            Whom::Fallback => self.fallback.as_deref(),
        }
    }

    /// Who of those that issue certificates bears this name.
    fn whom(&self, authority: &str) -> Option<Whom> {
        [Whom::First, Whom::Fallback].into_iter().find(|whom| self.name(*whom) == Some(authority))
    }

    /// How many validations of one domain a single order can fail: `*.a` and `a` are one domain to some authorities.
    fn challenges(&self) -> usize {
        let apex_too = self.names.iter().any(|name| {
            name.strip_prefix("*.").is_some_and(|domain| self.names.iter().any(|other| other == domain))
        });
        if apex_too { 2 } else { 1 }
    }
}

/// As much of a duration as the draw says, from nothing to all.
fn portion(of: Duration, draw: u64) -> Duration {
    let millis = of.as_millis().saturating_mul(u128::from(draw)) >> u64::BITS;
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

fn before(moment: Wall, by: Duration) -> Wall {
    Wall::from_millis(moment.as_millis().saturating_sub(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) mod laws;
#[cfg(test)]
mod year;
