//! Certificates that the edge orders itself: what was kept is shown at once, what is due is ordered, for as long as
//! the edge runs. What happens when is the plan's to say, how it happens the order's.

mod shift;
mod telling;
mod by_hand;

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use preview_core::clock::Wall;
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use super::desk::{Desk, blocking};
use super::order::Bundle;
use super::plan::{Facts, Policy, Whom};
use super::self_signed::SelfSigned;
use super::vault::{self, Dir, Item, Lease, Vault};
use super::{Board, CertError, Failure, Resolver};
use crate::clock::wall;
use crate::config::{Acme, Authority, Config, Solver};
use crate::dns;
use shift::Shift;

pub(crate) use by_hand::{clean, once, peek};

/// How often an edge without the lease looks for it, and for what the one that has it made.
const LOOK: Duration = Duration::from_secs(2);

/// Who looks after one set of names.
pub(crate) struct Issuer {
    acme: Acme,
    policy: Policy,
    /// Tells these settings from others: SHA-256 in hexadecimal.
    settings: String,
    /// The set's name among those in the vault: the domain that previews are below. Names may be added to a set.
    set: String,
    vault: Arc<dyn Vault>,
    resolver: Arc<Resolver>,
    board: Arc<Board>,
    /// What was ordered, and is in force.
    current: Option<Bundle>,
    /// The server that shows challenges, where that is our own.
    server: Option<dns::Server>,
}

impl Issuer {
    /// Shows what was kept, even if its time is over: a browser says so, and a person may go on. Nothing is ordered
    /// before [`Self::keep`].
    pub(super) fn start(
        config: &Config,
        acme: &Acme,
        resolver: Arc<Resolver>,
        board: Arc<Board>,
        now: Wall,
    ) -> Result<Self, CertError> {
        let mut issuer = Self::new(config, acme, resolver, board);
        let (current, trouble) = issuer.kept();
        issuer.current = current;
        if let Some(failure) = &trouble {
            tracing::error!(%failure, "the certificate that was kept cannot be used");
        }
        if let Some(bundle) = &issuer.current {
            issuer.resolver.put(bundle.shown.clone());
        } else if acme.self_signed_first {
            let (_, shown) = SelfSigned::load(&config.state_dir, acme.names.clone(), now)?;
            issuer.resolver.put(shown);
        }
        let trouble = issuer.serve_dns(now).err().or(trouble);
        issuer.tell_at_start(trouble.as_ref(), now);
        Ok(issuer)
    }

    fn new(config: &Config, acme: &Acme, resolver: Arc<Resolver>, board: Arc<Board>) -> Self {
        let name = |authority: &Option<Authority>| authority.as_ref().map(|it| it.name.clone());
        let policy = Policy {
            first: acme.authority.name.clone(),
            staging: name(&acme.staging),
            fallback: name(&acme.fallback),
            names: acme.names.clone(),
            timers: acme.timers.clone(),
        };
        Self {
            acme: acme.clone(),
            policy,
            settings: HEXLOWER.encode(&Sha256::digest(format!("{acme:?}"))),
            set: config.template.base().to_owned(),
            vault: Arc::new(Dir::new(config.state_dir.clone())),
            resolver,
            board,
            current: None,
            server: None,
        }
    }

    /// Looks after the certificate for ever. It may be dropped at any moment: whoever comes next goes on from there.
    pub(super) async fn keep(mut self) {
        loop {
            let lease = self.lease().await;
            let desk = Desk::new(Arc::clone(&self.vault), lease, &self.set);
            if let Some(mut shift) = Shift::begin(&mut self, desk).await {
                shift.work().await;
            }
            tracing::warn!("another edge may look after the certificate now");
        }
    }

    /// Waits for the lease, and shows what the edge that has it makes meanwhile.
    async fn lease(&mut self) -> Box<dyn Lease> {
        let mut told = false;
        loop {
            match self.try_lease().await {
                Ok(Some(lease)) => return lease,
                Ok(None) if !told => {
                    tracing::info!("another edge looks after the certificate, this one shows it");
                }
                Ok(None) => {}
                Err(failure) => self.tell_at_start(Some(&failure), wall()),
            }
            told = true;
            sleep(LOOK.min(self.acme.timers.scan)).await;
            self.follow().await;
        }
    }

    async fn try_lease(&self) -> Result<Option<Box<dyn Lease>>, Failure> {
        let vault = Arc::clone(&self.vault);
        Ok(blocking(move || vault.lease()).await??)
    }

    /// Shows what was made elsewhere, if it is new.
    async fn follow(&mut self) {
        let (vault, item) = (Arc::clone(&self.vault), Item::Bundle(self.set.clone()));
        let Ok(Ok((Some(pem), _))) = blocking(move || vault.load(&item)).await else { return };
        if self.current.as_ref().is_some_and(|current| current.pem == pem) {
            return;
        }
        match Bundle::read(pem) {
            Ok(bundle) => {
                self.show(bundle);
                self.tell_at_start(None, wall());
            }
            Err(error) => tracing::error!(%error, "a certificate that was made elsewhere cannot be used"),
        }
    }

    /// Puts a certificate in force.
    fn show(&mut self, bundle: Bundle) {
        let shown = &bundle.shown;
        let (names, issuer, until) = (shown.names.list(), &shown.issuer, shown.expires.as_secs());
        tracing::info!(?names, issuer, until, "a new certificate is in force");
        self.resolver.put(shown.clone());
        self.current = Some(bundle);
    }

    /// What was kept; the pair before it, if that is damaged.
    fn kept(&self) -> (Option<Bundle>, Option<Failure>) {
        let read = |item: Item| {
            let (pem, _) = self.vault.load(&item)?;
            let read = pem.map(Bundle::read).transpose();
            read.map_err(|error| Failure::BadCertificate(format!("what was kept {}", error.problem)))
        };
        match read(Item::Bundle(self.set.clone())) {
            Ok(current) => (current, None),
            Err(failure) => (read(Item::Previous(self.set.clone())).unwrap_or_default(), Some(failure)),
        }
    }

    /// Runs the DNS server of our own, where the solver is that.
    fn serve_dns(&mut self, now: Wall) -> Result<(), Failure> {
        if let (Solver::Builtin(dns), None) = (&self.acme.solver, &self.server) {
            let server = dns::start(dns, &self.acme.names, self.acme.alias.as_deref(), now)?;
            self.board.tell_dns(server.counts());
            self.server = Some(server);
        }
        Ok(())
    }

    fn facts(&self) -> Option<Facts> {
        self.current.as_ref().map(|current| Facts::of(&current.shown, &self.policy.names))
    }

    /// The authority's part; one that configuration does not name any more counts as the first.
    fn whom(&self, authority: &str) -> Whom {
        if self.policy.fallback.as_deref() == Some(authority) { Whom::Fallback } else { Whom::First }
    }

    /// How long to wait before what cannot be read or written is tried again.
    fn retry(&self) -> Duration {
        self.acme.timers.backoff.first().copied().unwrap_or(LOOK)
    }

    fn authority(&self, whom: Whom) -> Option<&Authority> {
        match whom {
            Whom::First => Some(&self.acme.authority),
            Whom::Staging => self.acme.staging.as_ref(),
            Whom::Fallback => self.acme.fallback.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests;
