//! Which attempt is walked, and what becomes of one that nobody will take up.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Issuer, Shift, vault};
use crate::cert::Failure;
use crate::cert::challenge::Solver;
use crate::cert::desk::blocking;
use crate::cert::journal::Attempt;
use crate::cert::lookup::Lookup;
use crate::cert::order::{Bundle, Way, may_be_spent};
use crate::cert::plan::Whom;
use crate::clock::wall;

impl Shift<'_> {
    /// Orders at `whom`, and says who has made the certificate: what is all but made elsewhere is asked for once more.
    pub(super) async fn order(&mut self, whom: Whom, replaces: bool) -> Result<(Whom, Bundle), Failure> {
        let Issuer { acme, vault, .. } = &*self.issuer;
        if !acme.allow_ephemeral_state {
            let place = vault.place();
            blocking(move || vault::outlives_a_restart(&place)).await??;
        }
        self.issuer.serve_dns(wall())?;
        let (solver, lookup) = self.tools().await?;
        self.may_linger = true;
        if let Some(attempt) = self.desk.attempt().await?
            && may_be_spent(&attempt)
            && self.whose(&attempt) != Some(whom)
        {
            if let Some(other) = self.whose(&attempt).filter(|other| *other != Whom::Staging) {
                match self.walk(other, false, &*solver, &lookup).await {
                    Ok(bundle) => return Ok((other, bundle)),
                    Err(failure) => {
                        tracing::warn!(%failure, "a certificate that was ordered elsewhere is given up");
                    }
                }
            }
            self.write_off(attempt, &*solver, &lookup).await?;
            let facts = self.issuer.facts();
            if let Some(limited) = self.standing.budget(whom, facts.as_ref(), &self.issuer.policy, wall()) {
                return Err(limited);
            }
        }
        Ok((whom, self.walk(whom, replaces, &*solver, &lookup).await?))
    }

    /// Ends an attempt that nobody will take up, as nothing is due.
    pub(super) async fn tidy(&mut self) -> Result<(), Failure> {
        if !self.may_linger {
            return Ok(());
        }
        if let Some(attempt) = self.desk.attempt().await? {
            let Ok((solver, lookup)) = self.tools().await else { return Ok(()) };
            self.write_off(attempt, &*solver, &lookup).await?;
        }
        self.may_linger = false;
        Ok(())
    }

    async fn walk(
        &mut self,
        whom: Whom,
        replaces: bool,
        solver: &dyn Solver,
        lookup: &Lookup,
    ) -> Result<Bundle, Failure> {
        let way = self.way(whom, replaces, solver, lookup)?;
        let walked = way.walk().await;
        if way.has_lost_account.load(Ordering::Relaxed) {
            let authority = &way.authority.name.clone();
            self.standing.account_lost(authority);
            self.is_new = true;
        }
        walked
    }

    /// Whose attempt it is, if anybody can take it up.
    fn whose(&self, attempt: &Attempt) -> Option<Whom> {
        let is_theirs = |whom: &Whom| {
            self.issuer.authority(*whom).is_some_and(|it| {
                (&it.name, &it.directory) == (&attempt.authority, &attempt.directory)
                    && self.issuer.policy.names == attempt.names
            })
        };
        [Whom::First, Whom::Fallback, Whom::Staging].into_iter().find(is_theirs)
    }

    /// Ends an attempt, and counts the certificate that may have been made for it.
    async fn write_off(
        &mut self,
        attempt: Attempt,
        solver: &dyn Solver,
        lookup: &Lookup,
    ) -> Result<(), Failure> {
        let is_rehearsal = self.issuer.policy.staging.as_ref() == Some(&attempt.authority);
        if may_be_spent(&attempt) && !is_rehearsal {
            self.standing.spend(&attempt.names, wall());
            self.is_new = true;
            self.keep().await?;
        }
        self.way(Whom::First, false, solver, lookup)?.abandon(attempt).await
    }

    fn way<'a>(
        &'a self,
        whom: Whom,
        replaces: bool,
        solver: &'a dyn Solver,
        lookup: &'a Lookup,
    ) -> Result<Way<'a>, Failure> {
        // The plan names no authority that the policy has not.
        let authority = self.issuer.authority(whom).ok_or(Failure::Pending)?;
        let replaces = self.issuer.current.as_ref().filter(|_| replaces).map(|current| &current.shown);
        let (acme, desk, board) = (&self.issuer.acme, &self.desk, &*self.issuer.board);
        let has_lost_account = AtomicBool::default();
        Ok(Way { acme, authority, desk, solver, lookup, board, replaces, has_lost_account })
    }
}
