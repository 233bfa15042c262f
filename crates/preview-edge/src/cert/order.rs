//! The way of one attempt, from a due date to a certificate in force (`docs/acme.md` §6, "Order").
//!
//! Each step is kept before the next begins, so that a process that ends anywhere is taken up by the next one: with
//! the same key and the same order, and with every record known that may stand somewhere.

mod prove;
mod bundle;
mod graveyard;

use tokio::time::{Instant, timeout_at};

pub(crate) use bundle::Bundle;
pub(crate) use graveyard::{bury, sweep};

use super::ca::{self, Ca, Stage};
use super::challenge::Solver;
use super::desk::Desk;
use super::journal::{Attempt, Phase};
use super::lookup::{Lookup, Request};
use super::{Board, Failure, Shown};
use crate::clock::wall;
use crate::config::{Acme, Authority, Check};

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
        match self.walk_in_time().await {
            Err(Failure::AccountLost) => {
                let authority = &self.authority.name;
                let (code, hint) = (Failure::AccountLost.code().as_str(), Failure::AccountLost.hint());
                tracing::warn!(authority, code, hint, "the account is not known any more, a new one is made");
                self.end(Failure::AccountLost).await?;
                self.desk.drop_account(authority).await?;
                match self.walk_in_time().await {
                    Err(failure) => Err(self.end(failure.clone()).await.err().unwrap_or(failure)),
                    done => done,
                }
            }
            Err(failure) => Err(self.end(failure.clone()).await.err().unwrap_or(failure)),
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

    /// The steps.
    async fn steps(&self, deadline: Instant) -> Result<Bundle, Failure> {
        let mut attempt = self.take_up().await?;
        let ca = Ca::open(self.acme, self.authority, self.desk, deadline).await;
        let ca = self.count("account", ca)?;

        if attempt.order_url.is_none() {
            self.count("caa", self.may_be_ordered(&ca).await)?;
        }
        let order = match &attempt.order_url {
            Some(url) => ca.resume(url).await,
            None => ca.order(self.replaces.and_then(|it| ca::identify(it.leaf())).as_ref()).await,
        };
        let mut order = self.count("order", order)?;
        if attempt.order_url.is_none() {
            attempt.order_url = Some(order.url().to_owned());
            self.reach(&mut attempt, Phase::Ordered).await?;
        }

        if order.stage() == Stage::Pending {
            self.prove(&mut attempt, &mut order).await?;
            self.reach(&mut attempt, Phase::Ready).await?;
        }
        self.clear(&mut attempt).await?;
        if order.stage() == Stage::Ready {
            let csr = bundle::request(&attempt.key, &self.acme.names)?;
            self.count("finalize", order.finalize(&csr).await)?;
            self.reach(&mut attempt, Phase::Finalized).await?;
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

    /// What is to be done about a failure, so that no record stays that nobody knows of.
    async fn end(&self, failure: Failure) -> Result<(), Failure> {
        let Some(mut attempt) = self.desk.attempt().await? else { return Ok(()) };
        match fate(&failure, attempt.phase) {
            Fate::Keep => Ok(()),
            Fate::Clear => self.clear(&mut attempt).await,
            Fate::Over => self.abandon(attempt).await,
        }
    }

    /// Ends an attempt that will not be taken up any more.
    pub(crate) async fn abandon(&self, mut attempt: Attempt) -> Result<(), Failure> {
        self.clear(&mut attempt).await?;
        self.desk.drop_attempt().await
    }

    /// Keeps how far the attempt came, and says so.
    async fn reach(&self, attempt: &mut Attempt, phase: Phase) -> Result<(), Failure> {
        attempt.phase = phase;
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

/// What becomes of an attempt that has come so far and failed so.
fn fate(failure: &Failure, phase: Phase) -> Fate {
    match failure {
        Failure::CaTimeout { .. }
        | Failure::CaUnavailable { .. }
        | Failure::RateLimited { .. }
        | Failure::BadNonce
        | Failure::StateUnwritable(_)
        | Failure::ClockWrong(_) => Fate::Keep,
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
        | Failure::DnsBind { .. }
            if phase < Phase::Validating =>
        {
            Fate::Clear
        }
        _ => Fate::Over,
    }
}

#[cfg(test)]
mod tests;
