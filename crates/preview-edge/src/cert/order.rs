//! The way of one attempt, from a due date to a certificate in force (`docs/acme.md` §6, "Order").
//!
//! Each step is kept before the next begins, so that a process that ends anywhere is taken up by the next one: with
//! the same key and the same order, and with every record known that may stand somewhere.

mod prove;
mod bundle;
mod graveyard;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use preview_core::clock::Wall;
use tokio::time::{Instant, timeout_at};

pub(crate) use bundle::Bundle;
pub(crate) use graveyard::{bury, sweep};

use super::ca::{self, Ca, Order, Stage};
use super::challenge::Solver;
use super::desk::Desk;
use super::journal::{Attempt, Phase};
use super::lookup::{Lookup, Request};
use super::{Board, Failure, Shown};
use crate::clock::wall;
use crate::config::{Acme, Authority, Check};

/// How long a certificate is asked for that the authority has been told to make, and does not hand out.
const HANDING_OUT: Duration = Duration::from_hours(24);

/// Who walks, and with what.
pub(crate) struct Way<'a> {
    pub(crate) acme: &'a Acme,
    pub(crate) authority: &'a Authority,
    pub(crate) desk: &'a Desk,
    pub(crate) solver: &'a dyn Solver,
    pub(crate) lookup: &'a Lookup,
    pub(crate) board: &'a Board,
    /// The certificate in force, if the new one is to be named as its successor.
    pub(crate) replaces: Option<&'a Shown>,
    /// Whether the account was found to be lost: what it ordered cannot be named as replaced.
    pub(crate) has_lost_account: AtomicBool,
}

/// What becomes of an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is taken up as it is: what failed passes by itself.
    Keep,
    /// Its order is taken up, its records are removed meanwhile.
    Clear,
    /// Its order is worth nothing any more.
    Over,
}

impl Way<'_> {
    /// Walks, once; an account that was lost on the way is replaced, once. What is to be said of the certificate is
    /// for the caller: it is not kept yet, and the attempt is not over before [`Desk::drop_attempt`].
    pub(crate) async fn walk(&self) -> Result<Bundle, Failure> {
        let failure = match self.walk_in_time().await {
            Err(failure) => self.end(failure).await?,
            done => return done,
        };
        if failure != Failure::AccountLost {
            return Err(failure);
        }
        let authority = &self.authority.name;
        let (code, hint) = (failure.code().as_str(), failure.hint());
        tracing::warn!(authority, code, hint, "the account is not known any more, a new one is made");
        self.desk.drop_account(authority).await?;
        self.has_lost_account.store(true, Ordering::Relaxed);
        match self.walk_in_time().await {
            Err(failure) => Err(self.end(failure).await?),
            done => done,
        }
    }

    async fn walk_in_time(&self) -> Result<Bundle, Failure> {
        // However long a record may take to be seen, the authority's part has its own time.
        let time = self.acme.timers.attempt.max(self.acme.propagation.timeout * 2);
        let deadline = Instant::now() + time;
        let late = || Failure::CaTimeout {
            url: self.authority.directory.clone(),
            reason: format!(
                "an attempt has {} s, and was still {}",
                time.as_secs(),
                self.board.report().state
            ),
        };
        timeout_at(deadline, self.steps(deadline)).await.unwrap_or_else(|_| Err(late()))
    }

    /// The steps. An order that the authority has ended is over, whatever its reason.
    async fn steps(&self, deadline: Instant) -> Result<Bundle, Failure> {
        let mut attempt = self.take_up().await?;
        let ca = Ca::open(self.acme, self.authority, self.desk, deadline).await;
        let ca = self.count("account", ca)?;
        let mut order = self.order(&ca, &mut attempt).await?;
        let outcome = self.follow(&mut attempt, &mut order).await;
        if order.stage() == Stage::Invalid {
            self.abandon(attempt).await?;
        }
        outcome
    }

    /// The order of the attempt. One that ended before the authority was told to look was nobody's failure: another
    /// one takes its place.
    async fn order(&self, ca: &Ca, attempt: &mut Attempt) -> Result<Order, Failure> {
        if let Some(url) = &attempt.order_url {
            let mut found = self.count("order", ca.resume(url).await);
            let is_over = match &mut found {
                Ok(order) => order.stage() == Stage::Invalid,
                Err(failure) => matches!(failure, Failure::OrderExpired(_)),
            };
            if !is_over || attempt.phase >= Phase::Validating {
                return found;
            }
            tracing::info!(url, "the order that was broken off is over, another one is placed");
            self.abandon(attempt.clone()).await?;
            *attempt = self.begin().await?;
        }
        self.count("caa", self.may_be_ordered(ca).await)?;
        let replaces = self.replaces.filter(|_| !self.has_lost_account.load(Ordering::Relaxed));
        let placed = ca.order(replaces.and_then(|it| ca::identify(it.leaf())).as_ref()).await;
        let order = self.count("order", placed)?;
        attempt.order_url = Some(order.url().to_owned());
        self.reach(attempt, Phase::Ordered).await?;
        Ok(order)
    }

    /// From the order to the certificate.
    async fn follow(&self, attempt: &mut Attempt, order: &mut Order) -> Result<Bundle, Failure> {
        if order.stage() == Stage::Pending {
            self.prove(attempt, order).await?;
            self.reach(attempt, Phase::Ready).await?;
        }
        self.clear(attempt).await?;
        if order.stage() == Stage::Ready {
            let csr = bundle::request(&attempt.key, &self.acme.names)?;
            self.count("finalize", order.finalize(&csr).await)?;
        }
        if order.stage() != Stage::Invalid {
            self.reach(attempt, Phase::Finalized).await?;
        }
        let chain = order.certificate(self.acme.timers.poll).await;
        let chain = self.count("download", chain)?;
        self.count("check", Bundle::check(&attempt.key, &chain, &self.acme.names, wall()))
    }

    /// Whether a CAA record forbids what is to be ordered, found before the authority finds it. A resolver that cannot
    /// be asked forbids nothing.
    async fn may_be_ordered(&self, ca: &Ca) -> Result<(), Failure> {
        if self.acme.propagation.check == Check::Off {
            return Ok(());
        }
        for name in &self.acme.names {
            let (domain, wildcard) = name.strip_prefix("*.").map_or((name.as_str(), false), |it| (it, true));
            let request = Request { domain, wildcard, issuers: ca.issuers(), account: Some(ca.id()) };
            match self.lookup.caa(&request).await {
                Err(failure @ Failure::CaaForbids { .. }) => return Err(failure),
                Err(failure) => tracing::debug!(domain, %failure, "CAA records cannot be looked at"),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// The attempt that was broken off, if it is for what is wanted now; a new one otherwise, with its key.
    async fn take_up(&self) -> Result<Attempt, Failure> {
        if let Some(attempt) = self.desk.attempt().await? {
            if self.is_for_this(&attempt) {
                tracing::info!(phase = attempt.phase.name(), "an attempt that was broken off is taken up");
                self.tell(attempt.phase);
                return Ok(attempt);
            }
            self.abandon(attempt).await?;
        }
        self.begin().await
    }

    async fn begin(&self) -> Result<Attempt, Failure> {
        let mut attempt = Attempt {
            authority: self.authority.name.clone(),
            directory: self.authority.directory.clone(),
            names: self.acme.names.clone(),
            since: wall(),
            order_url: None,
            key: Desk::new_key()?,
            phase: Phase::Keyed,
            txt: Vec::new(),
        };
        self.reach(&mut attempt, Phase::Keyed).await?;
        Ok(attempt)
    }

    fn is_for_this(&self, attempt: &Attempt) -> bool {
        attempt.authority == self.authority.name
            && attempt.directory == self.authority.directory
            && attempt.names == self.acme.names
    }

    /// Does what is to be done about a failure, so that no record stays that nobody knows of, and returns what it comes
    /// to.
    async fn end(&self, failure: Failure) -> Result<Failure, Failure> {
        let Some(mut attempt) = self.desk.attempt().await? else { return Ok(failure) };
        match fate(&failure, &attempt, wall()) {
            Fate::Keep => Ok(failure),
            Fate::Clear => self.clear(&mut attempt).await.map(|()| failure),
            Fate::Over => {
                let is_spent = may_be_spent(&attempt);
                self.abandon(attempt).await?;
                Ok(if is_spent { never_seen(failure) } else { failure })
            }
        }
    }

    /// Ends an attempt that will not be taken up any more.
    pub(crate) async fn abandon(&self, mut attempt: Attempt) -> Result<(), Failure> {
        self.clear(&mut attempt).await?;
        self.desk.drop_attempt().await
    }

    /// Keeps how far the attempt came, and says so. It never goes back: once the authority was told to look, it may be
    /// looking, however often the records are written again.
    async fn reach(&self, attempt: &mut Attempt, phase: Phase) -> Result<(), Failure> {
        attempt.phase = attempt.phase.max(phase);
        self.desk.keep_attempt(attempt).await?;
        tracing::debug!(authority = self.authority.name, phase = phase.name(), "an attempt has come so far");
        self.tell(phase);
        Ok(())
    }

    fn tell(&self, phase: Phase) {
        let mut report = (*self.board.report()).clone();
        phase.name().clone_into(&mut report.state);
        report.authority = Some(self.authority.name.clone());
        self.board.tell(report);
    }

    fn count<T>(&self, step: &'static str, outcome: Result<T, Failure>) -> Result<T, Failure> {
        self.board.count(&self.authority.name, step, outcome.as_ref().map(|_| ()));
        outcome
    }
}

/// Whether the authority may have made a certificate for the attempt, which counts against its limits.
pub(crate) fn may_be_spent(attempt: &Attempt) -> bool {
    attempt.phase >= Phase::Finalized
}

/// What becomes of an attempt that has failed so.
fn fate(failure: &Failure, attempt: &Attempt, now: Wall) -> Fate {
    match failure {
        Failure::CaTimeout { .. }
        | Failure::CaUnavailable { .. }
        | Failure::RateLimited { .. }
        | Failure::BadNonce
        | Failure::StateUnwritable(_)
        | Failure::ClockWrong(_) => Fate::Keep,
        // The certificate may be there already, so that another one would be one too many.
        Failure::CaRefused { .. } if may_be_spent(attempt) && now.since(attempt.since) < HANDING_OUT => {
            Fate::Keep
        }
        // Found before the authority was told to look: the order still waits.
        Failure::TxtNotSeen { .. }
        | Failure::TxtTooMany { .. }
        | Failure::TsigRejected { .. }
        | Failure::ZoneOrClock { .. }
        | Failure::UpdateRefused { .. }
        | Failure::DnsUnreachable { .. }
        | Failure::DelegationMissing { .. }
        | Failure::DnssecBroken(_)
        | Failure::ChallengeCaptured { .. }
        | Failure::NsDisagree { .. }
        | Failure::ProviderRefused { .. }
        | Failure::CredentialsInvalid { .. }
        | Failure::HookFailed { .. }
        | Failure::DnsBind { .. } => {
            if attempt.phase < Phase::Validating {
                Fate::Clear
            } else if failure.is_validation() {
                Fate::Over
            } else {
                // The authority may be looking at the records.
                Fate::Keep
            }
        }
        _ => Fate::Over,
    }
}

/// What a failure comes to that hides a certificate which may have been made.
fn never_seen(failure: Failure) -> Failure {
    match failure {
        Failure::CaRefused { .. } | Failure::OrderExpired(_) | Failure::AccountLost => {
            Failure::BadCertificate(format!("it was to be made, and cannot be had: {failure}"))
        }
        failure => failure,
    }
}

#[cfg(test)]
mod tests;
