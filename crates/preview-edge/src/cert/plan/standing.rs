//! How a set of names stands: what was tried, what came of it, and what follows from that.

use std::collections::BTreeMap;
use std::time::Duration;

use preview_core::clock::Wall;
use preview_core::refusal::Code;

use super::outlook::NO_REHEARSAL;
use super::{Facts, Fingerprint, Policy, Whom, before, portion};
use crate::cert::{Cause, Failure};
use crate::config::Timers;

/// Renewal information that cannot be had is asked for again after this (RFC 9773 §4.3.3).
const ARI_AGAIN: Duration = Duration::from_hours(6);
/// No clock that is right says less (2026-01-01), in seconds since 1970: it has no battery, say, and was not set yet.
const EARLIEST: u64 = 1_767_225_600;
/// By how much a certificate may begin ahead of the clock: authorities set its begin back by an hour at most.
const CLOCK_SLACK: Duration = Duration::from_hours(24);
/// Longer than this no authority is left alone, whatever it says: no limit of theirs is counted over more days.
const MOST_HELD: Duration = Duration::from_hours(7 * 24);
/// So many past events are kept: more than any budget counts.
const KEPT: usize = 64;

/// All that is remembered of a set of names between two looks, and over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Why nothing is tried for a while.
    pub(crate) pause: Option<Pause>,
    /// Failures since the last certificate, at whatever authority.
    pub(crate) failures: u32,
    /// When the first of these failures was.
    pub(crate) failing_since: Option<Wall>,
    /// The authority that failed last, rehearsals aside.
    pub(crate) failed_last: Option<String>,
    /// Authorities that asked to be left alone, by name, and until when.
    pub(crate) held: BTreeMap<String, Wall>,
    /// Validations that failed at authorities that count them, oldest first.
    pub(crate) failed_at: Vec<Wall>,
    /// Certificates that were made, oldest first; also those that could not be used.
    pub(crate) issued: Vec<Issued>,
    /// Where the certificate in force is from.
    pub(crate) origin: Option<Origin>,
    /// The names for which the last rehearsal, or order, went well; empty after a failed validation.
    pub(crate) rehearsed: Vec<String>,
    /// Failures in a row of the rehearsing authority itself.
    pub(crate) staging_down: u32,
    /// What the authority said of renewal.
    pub(crate) ari: Option<Ari>,
    /// Whether a human has asked for a certificate that is not there yet.
    pub(crate) asked: bool,
    /// Tells the settings under which it was tried from others.
    pub(crate) settings: String,
}

/// Nothing is tried until it ends, or a human asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) since: Wall,
    pub(crate) until: Wall,
    pub(crate) cause: Cause,
    /// Whether only a human can mend the cause.
    pub(crate) parked: bool,
}

/// A certificate that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issued {
    pub(crate) at: Wall,
    pub(crate) names: Vec<String>,
}

/// Where a certificate is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) certificate: Fingerprint,
    pub(crate) authority: String,
    /// Whether the account that ordered it is still ours.
    pub(crate) same_account: bool,
}

/// Renewal information (RFC 9773).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ari {
    /// The certificate that it is about.
    pub(crate) certificate: Fingerprint,
    /// The window, and the moment drawn from it.
    pub(crate) window: Option<(Window, Wall)>,
    /// When to ask again.
    pub(crate) poll: Wall,
    /// Why it could not be had the last time.
    pub(crate) cause: Option<Cause>,
}

/// When the authority wants a certificate renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start: Wall,
    pub(crate) end: Wall,
}

/// What changes it. Whoever calls these saves the standing before the next step.
impl Standing {
    /// An attempt failed. `facts` are of the certificate in force, `draw` is random.
    pub(crate) fn failed(
        &mut self,
        whom: Whom,
        failure: &Failure,
        facts: Option<&Facts>,
        policy: &Policy,
        now: Wall,
        draw: u64,
    ) {
        if whom == Whom::Staging && matches!(failure, Failure::CaaForbids { .. }) {
            // Records that name our account forbid the one for rehearsals. Whoever issues looks at them itself.
            self.staging_down = NO_REHEARSAL;
            self.pause = None;
            return;
        }
        self.asked = false;
        self.note(whom, failure, policy, now);
        let parked = failure.needs_a_human();
        if now < self.due(facts, policy) {
            // It was only asked for: the renewal that will be due begins as if nothing had been.
            let until = now + policy.timers.backoff.first().copied().unwrap_or_default();
            self.pause = Some(Pause { since: now, until, cause: failure.into(), parked });
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let since = *self.failing_since.get_or_insert(now);
        let wait = if parked { policy.timers.parked } else { self.backoff(facts, &policy.timers, now, draw) };
        let wait = now + spend_half(wait, facts, &policy.timers, now);
        let mut until = wait.max(self.held(self.whom(policy, wait), policy));
        // Another authority need not wait for what this one has asked for.
        let turn = since + policy.timers.fallback_after;
        let other = self.whom(policy, turn);
        if now < turn && self.whom(policy, now) != other {
            until = until.min(turn.max(self.held(other, policy)));
        }
        self.pause = Some(Pause { since: now, until, cause: failure.into(), parked });
    }

    /// An attempt went well: a certificate is in force, or a rehearsal was passed.
    pub(crate) fn issued(&mut self, whom: Whom, certificate: Fingerprint, policy: &Policy, now: Wall) {
        self.pause = None;
        self.rehearsed.clone_from(&policy.names);
        self.staging_down = 0;
        let Some(authority) = policy.name(whom).filter(|_| whom != Whom::Staging) else { return };
        // Failures are not forgotten before this: else a rehearsal that passes while orders fail would undo the
        // waits between them.
        (self.failures, self.failing_since, self.failed_last) = (0, None, None);
        self.asked = false;
        self.ari = None;
        self.origin = Some(Origin { certificate, authority: authority.to_owned(), same_account: true });
        self.spend(&policy.names, now);
    }

    /// A certificate for the names was made, or may have been.
    pub(crate) fn spend(&mut self, names: &[String], now: Wall) {
        self.issued.push(Issued { at: now, names: names.to_owned() });
        forget(&mut self.issued);
    }

    /// The authority said when it wants the certificate renewed, and when to ask again.
    pub(crate) fn told_window(
        &mut self,
        facts: &Facts,
        window: Window,
        retry_after: Option<Duration>,
        timers: &Timers,
        now: Wall,
        draw: u64,
    ) {
        let known = self.ari.take().filter(|ari| ari.certificate == facts.id).and_then(|ari| ari.window);
        let moment = match known {
            Some((same, moment)) if same == window => moment,
            _ => window.start + portion(window.end.since(window.start), draw),
        };
        let (least, most) = timers.ari;
        let poll = now + retry_after.unwrap_or(ARI_AGAIN).max(least).min(most);
        self.ari = Some(Ari { certificate: facts.id, window: Some((window, moment)), poll, cause: None });
    }

    /// It did not say so; what it said before holds.
    pub(crate) fn ari_failed(&mut self, facts: &Facts, failure: &Failure, timers: &Timers, now: Wall) {
        let known = self.ari.take().filter(|ari| ari.certificate == facts.id).and_then(|ari| ari.window);
        let asked = failure.not_before(now).map_or(ARI_AGAIN, |earliest| earliest.since(now));
        let (least, most) = timers.ari;
        let poll = now + asked.max(least).min(most);
        self.ari = Some(Ari { certificate: facts.id, window: known, poll, cause: Some(failure.into()) });
    }

    /// A human asks for a certificate now: pauses are skipped, the budget is not.
    ///
    /// # Errors
    /// [`Failure::RateLimited`] if the budget is used up; then nothing is remembered of the wish.
    pub(crate) fn ask_now(
        &mut self,
        facts: Option<&Facts>,
        policy: &Policy,
        now: Wall,
    ) -> Result<(), Failure> {
        if let Some(limited) = self.budget(self.whom(policy, now), facts, policy, now) {
            return Err(limited);
        }
        self.asked = true;
        Ok(())
    }

    /// What was paused under other settings is tried at once: somebody may have mended the cause. Says whether they are
    /// others; then it is to be saved.
    pub(crate) fn begin_under(&mut self, settings: &str) -> bool {
        let are_others = self.settings != settings;
        if are_others {
            // What an authority limits ends when it ends.
            self.pause = self.pause.take().filter(|it| it.cause.code == Code::CertRateLimited.as_str());
            settings.clone_into(&mut self.settings);
        }
        are_others
    }

    /// The authority does not know the account any more: what it ordered cannot be named as replaced.
    pub(crate) fn account_lost(&mut self, authority: &str) {
        if let Some(origin) = self.origin.as_mut().filter(|origin| origin.authority == authority) {
            origin.same_account = false;
        }
    }

    /// Brings moments that lie ahead of the clock back to it: it was set back, and they would block for as long as
    /// it was wrong. Ends a pause before which nothing has become due. Says whether there was any of it; then it is to
    /// be saved.
    ///
    /// # Errors
    /// [`Failure::ClockWrong`] if it is the clock of now that cannot be right: then nothing is changed.
    pub(crate) fn mend(
        &mut self,
        facts: Option<&Facts>,
        policy: &Policy,
        now: Wall,
    ) -> Result<bool, Failure> {
        // By what was remembered alone it cannot be told which clock was wrong, the one of then or that of now.
        let begun = facts.map_or(Wall::default(), |facts| facts.not_before);
        let earliest = Wall::from_secs(EARLIEST);
        if now < earliest.max(before(begun, CLOCK_SLACK)) {
            return Err(Failure::ClockWrong(earliest.max(begun).since(now)));
        }
        let timers = &policy.timers;
        let idle = self.pause.take_if(|pause| pause.until <= now);
        let is_over = idle.is_some() && now < self.due(facts, policy);
        self.pause = self.pause.take().or(idle.filter(|_| !is_over));
        let mut ahead = is_over;
        let noted = self.failing_since.iter_mut().chain(&mut self.failed_at);
        for moment in noted.chain(self.issued.iter_mut().map(|issued| &mut issued.at)) {
            ahead |= bring_back(moment, now);
        }
        if let Some(pause) = &mut self.pause {
            let length = pause.until.since(pause.since);
            if bring_back(&mut pause.since, now) {
                pause.until = now + length;
                ahead = true;
            }
        }
        for until in self.held.values_mut() {
            ahead |= bring_back(until, now + MOST_HELD);
        }
        Ok(ahead | self.ari.as_mut().is_some_and(|ari| bring_back(&mut ari.poll, now + timers.ari.1)))
    }

    /// What a failure says beyond that there was one.
    fn note(&mut self, whom: Whom, failure: &Failure, policy: &Policy, now: Wall) {
        let authority = policy.name(whom).unwrap_or_default();
        if let Some(earliest) = failure.not_before(now) {
            self.held.retain(|_, until| now < *until);
            self.held.insert(authority.to_owned(), earliest.min(now + MOST_HELD));
        }
        if whom == Whom::Staging {
            let its_own = blames_authority(failure);
            self.staging_down = if its_own { self.staging_down.saturating_add(1) } else { 0 };
        } else {
            self.failed_last = Some(authority.to_owned());
        }
        if failure.is_validation() {
            self.rehearsed.clear();
            self.staging_down = 0;
        }
        if *failure == Failure::AccountLost {
            self.account_lost(authority);
        }
        if whom != Whom::Staging && failure.is_validation() {
            self.failed_at.extend(std::iter::repeat_n(now, policy.challenges()));
            forget(&mut self.failed_at);
        }
        if whom != Whom::Staging && matches!(failure, Failure::BadCertificate(_)) {
            self.spend(&policy.names, now);
        }
    }

    fn backoff(&self, facts: Option<&Facts>, timers: &Timers, now: Wall, draw: u64) -> Duration {
        let nth = usize::try_from(self.failures).unwrap_or(usize::MAX).saturating_sub(1);
        let listed = timers.backoff.get(nth).or(timers.backoff.last()).copied().unwrap_or_default();
        let spread = |wait: Duration| wait * 4 / 5 + portion(wait * 2 / 5, draw);
        let rest = facts.map_or(Duration::ZERO, |facts| facts.not_after.since(now));
        if rest < timers.near_end {
            let most = timers.backoff_near_end;
            spread(listed.min(most)).min(most)
        } else {
            spread(listed)
        }
    }
}

/// Whether it is the authority's own trouble, and another one might do better.
const fn blames_authority(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::CaTimeout { .. }
            | Failure::CaUnavailable { .. }
            | Failure::CaRefused { .. }
            | Failure::RateLimited { .. }
            | Failure::BadNonce
            | Failure::AccountLost
            | Failure::BadCertificate(_)
    )
}

/// No more of the certificate's rest than half is spent waiting, so that there are tries left before its end.
fn spend_half(wait: Duration, facts: Option<&Facts>, timers: &Timers, now: Wall) -> Duration {
    let rest = facts.map_or(Duration::ZERO, |facts| facts.not_after.since(now));
    if rest.is_zero() {
        return wait;
    }
    let least = timers.backoff.first().copied().unwrap_or_default();
    wait.min((rest / 2).max(least))
}

/// Whether the moment lay after `latest`, where it is now.
fn bring_back(moment: &mut Wall, latest: Wall) -> bool {
    let ahead = latest < *moment;
    *moment = latest.min(*moment);
    ahead
}

fn forget<T>(events: &mut Vec<T>) {
    let surplus = events.len().saturating_sub(KEPT);
    events.drain(..surplus);
}
