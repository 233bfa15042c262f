//! A record as an order would write it: written, looked for, removed.

use data_encoding::BASE64URL_NOPAD;

use super::names::Target;
use super::{Checks, Failure, Finding};
use crate::cert::challenge::{self, Record, Solver};
use crate::cert::desk::blocking;
use crate::cert::journal::Buried;
use crate::cert::vault::{Dir, VaultError};
use crate::clock::wall;
use crate::config::{self, Check};

const CHECK: &str = "txt";

impl<T: FnMut(Finding)> Checks<'_, T> {
    pub(super) async fn trial(&mut self, targets: &[Target]) {
        if self.builtin().is_some() && self.server.is_none() {
            if self.running.is_some() {
                self.tell(Finding::ok(CHECK, "not tried: only the running edge can write to its DNS server"));
            }
            return;
        }
        if matches!(self.acme.solver, config::Solver::AcmeDns { .. }) {
            let why =
                "an acme-dns server removes nothing, and keeps two values: a third takes an order's place";
            return self.tell(Finding::ok(CHECK, format!("not tried: {why}")));
        }
        let (acme, records) = (self.acme.clone(), self.server.as_ref().map(crate::dns::Server::records));
        let Ok(Ok(solver)) = blocking(move || challenge::solver(&acme, records)).await else {
            // Why not was told with the credentials.
            return;
        };
        let mut tried = Vec::new();
        for target in targets {
            if !tried.contains(&&target.fqdn) {
                tried.push(&target.fqdn);
                let finding = self.once(&*solver, target).await;
                self.tell(finding);
            }
        }
    }

    async fn once(&self, solver: &dyn Solver, target: &Target) -> Finding {
        let record = record(target);
        let buried = Buried { solver: solver.name().to_owned(), record: record.clone(), since: wall() };
        // Whatever ends this process, the record is known: `preview certs clean`, or an edge, removes it.
        if let Err(failure) = self.note(buried.clone(), |buried, vault| buried.add(vault)).await {
            return Finding::warn(CHECK, &failure);
        }
        let presented = solver.present(&record).await;
        let seen = match &presented {
            Ok(()) => self.lookup.seen(&record, self.acme.propagation, self.acme.timers.look).await,
            Err(failure) => Err(failure.clone()),
        };
        // What failed may have been done all the same.
        let mut removed = solver.remove(&record).await;
        if removed.is_ok() {
            removed = self.note(buried, |buried, vault| buried.forget(vault)).await;
        }
        match (seen, removed) {
            (Ok(()), Ok(())) if self.acme.propagation.check == Check::Off => {
                let detail = format!("{} was written and removed; nobody was asked for it", target.fqdn);
                Finding::ok(CHECK, detail)
            }
            (Ok(()), Ok(())) => {
                Finding::ok(CHECK, format!("{} was written, seen everywhere, and removed", target.fqdn))
            }
            (Err(failure), _) => Finding::fail(CHECK, &failure),
            (Ok(()), Err(failure)) => Finding::warn(CHECK, &failure),
        }
    }

    async fn note(
        &self,
        buried: Buried,
        note: impl FnOnce(Buried, &Dir) -> Result<(), VaultError> + Send + 'static,
    ) -> Result<(), Failure> {
        let vault = Dir::new(self.config.state_dir.clone());
        Ok(blocking(move || note(buried, &vault)).await??)
    }
}

/// A value as a challenge's is, which proves nothing.
fn record(target: &Target) -> Record {
    let text = || {
        let mut random = [0; 32];
        // Without randomness it is still a value that nobody waits for.
        let _ = getrandom::fill(&mut random);
        BASE64URL_NOPAD.encode(&random)
    };
    let (value, token) = (text(), text());
    let key_authorization = format!("{token}.{}", text());
    Record { fqdn: target.fqdn.clone(), value, domain: target.domain.clone(), token, key_authorization }
}
