//! Proving that names are ours: records are written down, then written, seen by everybody, and only then shown to the
//! authority (RFC 8555 §8.4).

use super::{Way, bury};
use crate::cert::Failure;
use crate::cert::ca::{Order, Proof};
use crate::cert::challenge::Record;
use crate::cert::journal::{Attempt, Phase, Txt};
use crate::config::{Check, DnsMode, Solver};

impl Way<'_> {
    /// Proves what is still to be proved. Records of one name, as an apex and its wildcard need them, stand together.
    pub(super) async fn prove(&self, attempt: &mut Attempt, order: &mut Order) -> Result<(), Failure> {
        let proofs = self.count("order", order.pending().await)?;
        let mut records = Vec::with_capacity(proofs.len());
        for proof in &proofs {
            let record = self.count("present", self.record(proof).await)?;
            self.note(attempt, &record).await?;
            self.count("present", self.solver.present(&record).await)?;
            records.push(record);
        }
        self.reach(attempt, Phase::Presented).await?;
        for record in &records {
            let seen = self.lookup.seen(record, self.acme.propagation, self.acme.timers.look).await;
            let seen = match seen {
                Err(failure) => Err(self.reason(record, failure).await),
                seen => seen,
            };
            self.count("seen", seen)?;
        }
        self.reach(attempt, Phase::Seen).await?;
        // Written down first: from here on a failure may be the authority's verdict.
        self.reach(attempt, Phase::Validating).await?;
        for proof in &proofs {
            self.count("validate", order.set_ready(proof).await)?;
        }
        self.count("validate", order.validated(self.acme.timers.poll).await)
    }

    /// Why a record is not seen. Where our own server shows it, most often since the parent leads elsewhere.
    async fn reason(&self, record: &Record, failure: Failure) -> Failure {
        let (Solver::Builtin(dns), Failure::TxtNotSeen { .. }) = (&self.acme.solver, &failure) else {
            return failure;
        };
        let zone = match dns.mode {
            DnsMode::Challenge => &record.fqdn,
            DnsMode::Zone => &dns.base,
        };
        match self.lookup.delegated(zone, &dns.ns).await {
            Err(missing @ Failure::DelegationMissing { .. }) => missing,
            _ => failure,
        }
    }

    /// Removes all records of the attempt. What cannot be removed now is remembered, and tried again later.
    pub(super) async fn clear(&self, attempt: &mut Attempt) -> Result<(), Failure> {
        if attempt.txt.iter().all(|txt| txt.done) {
            return Ok(());
        }
        for txt in attempt.txt.iter_mut().filter(|txt| !txt.done) {
            let removed = if txt.solver == self.solver.name() {
                self.solver.remove(&txt.record).await
            } else {
                Err(Failure::ProviderRefused {
                    provider: txt.solver.clone(),
                    reason: "it is not the solver any more".to_owned(),
                })
            };
            if let Err(failure) = self.count("remove", removed) {
                bury(self.desk, txt, &failure).await?;
            }
            txt.done = true;
        }
        self.desk.keep_attempt(attempt).await
    }

    /// The record of a proof, where CNAMEs want it.
    async fn record(&self, proof: &Proof) -> Result<Record, Failure> {
        let fqdn = match &self.acme.alias {
            Some(alias) => alias.clone(),
            None => match self.lookup.target(&proof.fqdn()).await {
                // Nobody is asked whether it is seen: perhaps since nobody can be asked.
                Err(Failure::DnsUnreachable { .. }) if self.acme.propagation.check == Check::Off => {
                    proof.fqdn()
                }
                target => target?,
            },
        };
        Ok(Record {
            fqdn,
            value: proof.value.clone(),
            domain: proof.domain.clone(),
            token: proof.token.clone(),
            key_authorization: proof.key_authorization.clone(),
        })
    }

    /// Keeps that the record may stand there from now on.
    async fn note(&self, attempt: &mut Attempt, record: &Record) -> Result<(), Failure> {
        match attempt.txt.iter_mut().find(|txt| txt.record == *record && txt.solver == self.solver.name()) {
            Some(txt) if !txt.done => return Ok(()),
            Some(txt) => txt.done = false,
            None => attempt.txt.push(Txt {
                solver: self.solver.name().to_owned(),
                record: record.clone(),
                done: false,
            }),
        }
        self.desk.keep_attempt(attempt).await
    }
}
