//! What the issuer tells of the certificate.

use preview_core::clock::Wall;

use super::Issuer;
use super::shift::Shift;
use crate::cert::plan::Standing;
use crate::cert::{Cause, Failure, Report};
use crate::clock::wall;

impl Issuer {
    /// What is known without a look at what was tried before, which is for whoever has the lease.
    pub(super) fn tell_at_start(&self, trouble: Option<&Failure>, now: Wall) {
        let mut report = self.reported(&Standing::default(), now);
        report.cause = trouble.map(Cause::from).or(report.cause);
        (report.renew_at, report.budget_left) = (None, None);
        self.board.tell(report);
    }

    pub(super) fn reported(&self, standing: &Standing, now: Wall) -> Report {
        let (shown, facts) = (self.current.as_ref().map(|current| &current.shown), self.facts());
        let pause = standing.pause.as_ref();
        let state = match (pause, shown) {
            (Some(pause), _) if pause.parked => "parked",
            (Some(_), _) => "backoff",
            (None, None) => "empty",
            (None, Some(_)) if standing.due(facts.as_ref(), &self.policy) <= now => "due",
            (None, Some(_)) => "valid",
        };
        let ari =
            standing.ari.as_ref().filter(|ari| facts.as_ref().is_some_and(|it| it.id == ari.certificate));
        let missing = shown.is_none().then(|| Cause::from(&Failure::Pending));
        Report {
            source: "acme".to_owned(),
            names: self.policy.names.clone(),
            state: state.to_owned(),
            cause: standing.cause(facts.as_ref(), &self.policy, now).or(missing),
            notice: ari.and_then(|ari| ari.cause.clone()),
            issuer: shown.map(|shown| shown.issuer.clone()),
            not_before: shown.map(|shown| shown.begins.as_secs()),
            not_after: shown.map(|shown| shown.expires.as_secs()),
            renew_at: facts.as_ref().map(|facts| standing.renew_at(facts).as_secs()),
            next_attempt: pause.map(|pause| pause.until.as_secs()),
            authority: self.policy.name(standing.whom(&self.policy, now)).map(str::to_owned),
            failures: standing.failures,
            budget_left: Some(standing.budget_left(&self.policy, now)),
            txt_leftover: 0,
        }
    }
}

impl Shift<'_> {
    /// Tells how things stand.
    pub(super) fn tell(&self) {
        let mut report = self.issuer.reported(&self.standing, wall());
        let refusal = self.refusal.as_ref().map(|(failure, _)| failure);
        report.cause = self.trouble.as_ref().or(refusal).map(Cause::from).or(report.cause);
        report.txt_leftover = self.leftover;
        self.issuer.board.tell(report);
    }
}
