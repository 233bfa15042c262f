//! The time in which an issuer has the lease: looking what is due, doing it, and remembering what came of it.

mod attempt;

use std::sync::Arc;
use std::time::Duration;

use preview_core::clock::Wall;
use tokio::time::{Instant, sleep};

use super::{Issuer, vault};
use crate::cert::ca::{self, Ca};
use crate::cert::challenge::{self, Solver};
use crate::cert::desk::{Desk, blocking};
use crate::cert::lookup::Lookup;
use crate::cert::order::{Bundle, sweep};
use crate::cert::plan::{self, Fingerprint, Standing, Step, Whom};
use crate::cert::{Ask, Failure};
use crate::clock::wall;

/// How long whoever asked for a certificate is told why there is none.
const REFUSAL: Duration = Duration::from_mins(1);

/// An issuer at work.
pub(super) struct Shift<'i> {
    pub(super) issuer: &'i mut Issuer,
    desk: Desk,
    pub(super) standing: Standing,
    /// Whether the standing was not kept yet.
    is_new: bool,
    /// Whether the certificate in force was not kept yet: it is served from memory.
    is_unkept: bool,
    /// Whether an attempt may lie there that nobody will take up.
    may_linger: bool,
    /// What is amiss beside failed attempts.
    pub(super) trouble: Option<Failure>,
    /// Why what was asked for is not done, and until when that is told.
    pub(super) refusal: Option<(Failure, Instant)>,
    /// Records that could not be removed yet.
    pub(super) leftover: usize,
    next_sweep: Instant,
}

/// What came of looking once.
#[derive(Debug)]
pub(super) enum Turn {
    /// Something was done; there may be more to do.
    Done,
    /// An attempt failed, which is remembered.
    Failed(Failure),
    /// Nothing is to be done before this moment.
    Wait(Wall),
}

impl<'i> Shift<'i> {
    pub(super) async fn open(issuer: &'i mut Issuer, desk: Desk) -> Result<Self, Failure> {
        let mut standing = desk.standing().await?;
        let is_new = standing.begin_under(&issuer.settings);
        Ok(Self {
            issuer,
            desk,
            standing,
            is_new,
            is_unkept: false,
            may_linger: true,
            trouble: None,
            refusal: None,
            leftover: 0,
            next_sweep: Instant::now(),
        })
    }

    /// The same with patience; `None` if the lease is gone.
    pub(super) async fn begin(issuer: &'i mut Issuer, desk: Desk) -> Option<Self> {
        loop {
            match desk.standing().await {
                Ok(_) => return Self::open(issuer, desk).await.ok(),
                Err(failure) => {
                    tracing::error!(%failure, "what was remembered of the certificate cannot be read");
                    issuer.tell_at_start(Some(&failure), wall());
                }
            }
            sleep(issuer.retry()).await;
            if !desk.is_ours().await {
                return None;
            }
        }
    }

    /// Works until the lease is gone.
    pub(super) async fn work(&mut self) {
        while self.desk.is_ours().await {
            let until = match self.turn().await {
                Ok(Turn::Wait(until)) => until,
                Ok(Turn::Done | Turn::Failed(_)) => continue,
                Err(failure) => {
                    if self.trouble.as_ref() != Some(&failure) {
                        tracing::error!(%failure, hint = failure.hint(), "certificates cannot be looked after now");
                    }
                    self.trouble = Some(failure);
                    // A sweep that is due waits too: it may be what cannot be done.
                    self.next_sweep = self.next_sweep.max(Instant::now() + self.issuer.retry());
                    wall() + self.issuer.retry()
                }
            };
            self.tell();
            let board = Arc::clone(&self.issuer.board);
            let told = self.refusal.as_ref().map_or_else(|| Instant::now() + REFUSAL, |(_, end)| *end);
            tokio::select! {
                () = sleep(until.since(wall())) => {}
                () = tokio::time::sleep_until(told), if self.refusal.is_some() => {}
                () = tokio::time::sleep_until(self.next_sweep) => {}
                asked = board.asked() => match asked {
                    Ask::Issue | Ask::Renew => {
                        if let Err(failure) = self.ask(asked == Ask::Renew).await {
                            tracing::warn!(%failure, "a new certificate was asked for, and cannot be ordered now");
                            self.refusal = Some((failure, Instant::now() + REFUSAL));
                        }
                    }
                    Ask::Clean => self.next_sweep = Instant::now(),
                },
            }
        }
    }

    /// A human wants a certificate: with `force` a new one in any case, else one that is due, without a pause.
    pub(super) async fn ask(&mut self, force: bool) -> Result<(), Failure> {
        self.refusal = None;
        let (now, facts) = (wall(), self.issuer.facts());
        if force || self.standing.due(facts.as_ref(), &self.issuer.policy) <= now {
            self.standing.ask_now(facts.as_ref(), &self.issuer.policy, now)?;
            self.is_new = true;
        }
        self.keep().await
    }

    /// Looks once, and does what is due.
    ///
    /// # Errors
    /// What forbids to do anything: state that cannot be kept, mostly.
    pub(super) async fn turn(&mut self) -> Result<Turn, Failure> {
        self.refusal.take_if(|(_, end)| *end <= Instant::now());
        self.is_new |= self.standing.mend(self.issuer.facts().as_ref(), &self.issuer.policy, wall())?;
        self.finish().await?;
        self.keep().await?;
        self.sweep().await?;
        self.trouble = None;
        let (now, facts) = (wall(), self.issuer.facts());
        let step = plan::next(&self.standing, facts.as_ref(), &self.issuer.policy, now);
        match step {
            Step::Wait { until } => {
                if self.standing.due(facts.as_ref(), &self.issuer.policy) > now {
                    self.tidy().await?;
                }
                self.trouble = self.issuer.serve_dns(now).err();
                Ok(Turn::Wait(until))
            }
            Step::AskAri { whom } => {
                self.ask_window(whom).await;
                self.keep().await?;
                Ok(Turn::Done)
            }
            Step::Order { whom, replaces } => {
                self.tell();
                let outcome = self.order(whom, replaces).await;
                let is_rehearsal = matches!(outcome, Ok((Whom::Staging, _)));
                if !is_rehearsal {
                    // Whoever asked meanwhile is answered by this.
                    self.issuer.board.forget(Ask::Renew);
                    self.issuer.board.forget(Ask::Issue);
                }
                let turn = match outcome {
                    Ok((whom, bundle)) => {
                        self.made(whom, bundle).await?;
                        Turn::Done
                    }
                    Err(failure) => {
                        self.failed(whom, &failure);
                        self.keep().await?;
                        Turn::Failed(failure)
                    }
                };
                self.leftover = self.desk.graveyard().await?.len();
                self.tell();
                Ok(turn)
            }
        }
    }

    /// A certificate was made, or a rehearsal passed, whose certificate nobody will see.
    async fn made(&mut self, whom: Whom, bundle: Bundle) -> Result<(), Failure> {
        let id = Fingerprint::of(bundle.shown.leaf());
        self.standing.issued(whom, id, &self.issuer.policy, wall());
        self.is_new = true;
        if whom != Whom::Staging {
            let kept = self.desk.keep_bundle(&bundle.pem).await;
            self.is_unkept = kept.is_err();
            // In any case: what cannot be kept is served from memory.
            self.issuer.show(bundle);
            kept?;
            return self.finish().await;
        }
        tracing::info!(authority = self.issuer.policy.name(whom), "the rehearsal went well");
        self.keep().await?;
        self.desk.drop_attempt().await?;
        self.may_linger = false;
        Ok(())
    }

    fn failed(&mut self, whom: Whom, failure: &Failure) {
        let authority = self.issuer.policy.name(whom).unwrap_or_default();
        let facts = self.issuer.facts();
        let (code, hint) = (failure.code().as_str(), failure.hint());
        if failure.needs_a_human() || facts.is_none() {
            tracing::error!(authority, code, %failure, hint, "no certificate could be had");
        } else {
            tracing::warn!(authority, code, %failure, hint, "no new certificate could be had, the present one stays");
        }
        let (policy, now) = (&self.issuer.policy, wall());
        self.standing.failed(whom, failure, facts.as_ref(), policy, now, draw());
        self.is_new = true;
    }

    /// Ends what an order began: the certificate is kept, then that it was made, and only then is the attempt over.
    /// Each may have been broken off, by a crash or a full disk.
    async fn finish(&mut self) -> Result<(), Failure> {
        let Some(current) = &self.issuer.current else { return Ok(()) };
        if self.is_unkept {
            self.desk.keep_bundle(&current.pem).await?;
            self.is_unkept = false;
        }
        if !self.may_linger {
            return Ok(());
        }
        let attempt = self.desk.attempt().await?;
        let Some(attempt) = attempt.filter(|attempt| current.is_of(&attempt.key)) else { return Ok(()) };
        let id = Fingerprint::of(current.shown.leaf());
        if self.standing.origin.as_ref().is_none_or(|origin| origin.certificate != id) {
            self.standing.issued(self.issuer.whom(&attempt.authority), id, &self.issuer.policy, wall());
            self.is_new = true;
        }
        self.keep().await?;
        self.desk.drop_attempt().await?;
        self.may_linger = false;
        self.issuer.board.count(&attempt.authority, "install", Ok(()));
        Ok(())
    }

    async fn ask_window(&mut self, whom: Whom) {
        let Some(facts) = self.issuer.facts() else { return };
        let asked = self.window(whom).await;
        let (timers, now) = (&self.issuer.acme.timers, wall());
        match asked {
            Ok((window, again)) => {
                self.standing.told_window(&facts, window, Some(again), timers, now, draw());
            }
            Err(failure) => {
                let (code, hint) = (failure.code().as_str(), failure.hint());
                tracing::info!(code, %failure, hint, "renewal goes by the certificate's lifetime");
                self.standing.ari_failed(&facts, &failure, timers, now);
            }
        }
        self.is_new = true;
    }

    async fn window(&self, whom: Whom) -> Result<(plan::Window, Duration), Failure> {
        let nothing = || Failure::AriUnavailable("nothing identifies the certificate".to_owned());
        let current = self.issuer.current.as_ref().ok_or_else(nothing)?;
        let id = ca::identify(current.shown.leaf()).ok_or_else(nothing)?;
        let authority = self.issuer.authority(whom).ok_or_else(nothing)?;
        let deadline = Instant::now() + self.issuer.acme.timers.http;
        let ca = Ca::open(&self.issuer.acme, authority, &self.desk, deadline).await;
        let asked = match ca {
            Ok(ca) => ca.renewal(&id).await,
            Err(failure) => Err(failure),
        };
        self.issuer.board.count(&authority.name, "ari", asked.as_ref().map(|_| ()));
        asked
    }

    /// Removes what could not be removed before, if it is time for that.
    async fn sweep(&mut self) -> Result<(), Failure> {
        if Instant::now() < self.next_sweep {
            return Ok(());
        }
        self.next_sweep = Instant::now() + self.issuer.acme.timers.sweep;
        let all = self.desk.graveyard().await?;
        self.leftover = all.len();
        if all.is_empty() {
            return Ok(());
        }
        // What is wrong with the solver is told when something is ordered.
        if let Ok((solver, _)) = self.tools().await {
            self.leftover = sweep(&self.desk, &*solver).await?;
        }
        Ok(())
    }

    /// Keeps the standing, if it is not kept yet.
    async fn keep(&mut self) -> Result<(), Failure> {
        if self.is_new {
            self.desk.keep_standing(&self.standing).await?;
            self.is_new = false;
        }
        Ok(())
    }

    async fn tools(&self) -> Result<(Box<dyn Solver>, Lookup), Failure> {
        let acme = self.issuer.acme.clone();
        let records = self.issuer.server.as_ref().map(crate::dns::Server::records);
        // They read files.
        blocking(move || {
            Ok((challenge::solver(&acme, records)?, Lookup::new(&acme.resolvers, acme.timers.dns)?))
        })
        .await?
    }
}

/// A number that nobody knows before: clients spread out by it.
fn draw() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness, the middle.
    if getrandom::fill(&mut bytes).is_err() {
        return u64::MAX / 2;
    }
    u64::from_be_bytes(bytes)
}
