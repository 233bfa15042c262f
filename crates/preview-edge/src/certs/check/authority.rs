//! What the authorities say, as far as it can be had without an account.

use super::{Checks, Finding};
use crate::cert::ca::survey;
use crate::cert::desk::blocking;
use crate::cert::journal::Account;
use crate::cert::lookup::{Request, issuers};
use crate::cert::vault::Dir;
use crate::certs::Failure;
use crate::config::Authority;

impl<T: FnMut(Finding)> Checks<'_, T> {
    /// Whether each authority can be asked and would take the order; returns the names of the first in CAA records.
    pub(super) async fn authorities(&mut self) -> Vec<String> {
        let acme = self.acme;
        let mut names = issuers(&acme.authority, &[]);
        let others = acme.staging.iter().chain(&acme.fallback);
        for authority in [&acme.authority].into_iter().chain(others) {
            let is_first = *authority == acme.authority;
            if let Some(told) = self.authority(authority, is_first).await
                && is_first
                && !told.is_empty()
            {
                names = told;
            }
        }
        names
    }

    async fn authority(&mut self, authority: &Authority, is_first: bool) -> Option<Vec<String>> {
        const CHECK: &str = "authority";
        // Without a rehearsal or a fallback a certificate can be had all the same.
        let amiss = |failure: &Failure| {
            if is_first { Finding::fail(CHECK, failure) } else { Finding::warn(CHECK, failure) }
        };
        let surveyed = match survey(self.acme, authority).await {
            Ok(surveyed) => surveyed,
            Err(failure @ Failure::ClockWrong(_)) => {
                self.tell(Finding::fail("clock", &failure));
                return None;
            }
            Err(failure) => {
                self.tell(amiss(&failure));
                return None;
            }
        };
        if is_first {
            self.tell(Finding::ok("clock", format!("agrees with that of {}", authority.name)));
        }
        if surveyed.refusals.is_empty() {
            let profile = surveyed.profile.map_or_else(String::new, |it| format!(", profile {it}"));
            self.tell(Finding::ok(CHECK, format!("{} answers{profile}", authority.name)));
        }
        for failure in &surveyed.refusals {
            self.tell(amiss(failure));
        }
        Some(surveyed.issuers)
    }

    /// Whether CAA records let the authority issue.
    pub(super) async fn caa(&mut self, issuers: &[String]) {
        const CHECK: &str = "caa";
        let account = self.account().await;
        let acme = self.acme;
        let mut allowed = 0;
        for name in &acme.names {
            let wildcard = name.starts_with("*.");
            let domain = name.strip_prefix("*.").unwrap_or(name);
            let request = Request { domain, wildcard, issuers, account: account.as_deref() };
            match self.lookup.caa(&request).await {
                Ok(()) => allowed += 1,
                Err(failure) => self.tell(Finding::fail(CHECK, &failure)),
            }
        }
        if allowed == acme.names.len() {
            let who = issuers.first().map_or("the authority", String::as_str);
            self.tell(Finding::ok(CHECK, format!("nothing forbids {who} to issue")));
        }
    }

    /// The account's URL, if there is one and its files are ours.
    async fn account(&self) -> Option<String> {
        let (root, name) = (self.config.state_dir.clone(), self.acme.authority.name.clone());
        let loaded = blocking(move || Account::load(&Dir::new(root), &name)).await.ok()?;
        let (account, _) = loaded.ok()?;
        account.filter(|it| it.directory == self.acme.authority.directory).map(|it| it.id)
    }
}
