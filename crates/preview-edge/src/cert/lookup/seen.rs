//! Waiting until a record is seen by those that the authority will ask.

use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::rr::RecordType;
use tokio::time::{Instant, sleep};

use super::ask::{self, Answer, Question};
use super::zone::Server;
use super::{Failure, Lookup};
use crate::cert::challenge::Record;
use crate::config::{Check, Propagation};

/// How many TXT records may stand at one name: some 20 of a challenge's fit into an answer of 1232 bytes, and an
/// authority need not ask again by TCP.
const MOST: usize = 20;

/// What a server showed.
#[derive(Debug)]
enum Look {
    Shown,
    Missing,
    TooMany(usize),
    Unreachable(String),
}

impl Lookup {
    /// Waits until everybody whom `propagation` names shows the record, looking every `pause`.
    ///
    /// # Errors
    /// After its time-out what is still amiss; at once [`Failure::TxtTooMany`], as waiting does not mend that.
    pub(crate) async fn seen(
        &self,
        record: &Record,
        propagation: Propagation,
        pause: Duration,
    ) -> Result<(), Failure> {
        let servers = match propagation.check {
            Check::Off => return Ok(()),
            Check::All => self.zone(&record.fqdn).await?.servers,
            Check::Resolver => {
                let name = "the resolver".to_owned();
                self.resolvers.iter().map(|at| Server { name: name.clone(), at: *at }).collect()
            }
        };
        let needs_all = propagation.check == Check::All;
        let end = Instant::now() + propagation.timeout;
        loop {
            let looks = join_all(servers.iter().map(|server| self.look(server, record, needs_all))).await;
            let shown = looks.iter().filter(|look| matches!(look, Look::Shown)).count();
            if shown == servers.len() || !needs_all && shown > 0 {
                return Ok(());
            }
            let failure = judge(record, &servers, &looks);
            if matches!(failure, Failure::TxtTooMany { .. }) || Instant::now() + pause > end {
                return Err(failure);
            }
            tracing::debug!(%failure, "the record is not seen yet");
            sleep(pause).await;
        }
    }

    /// The TXT values that stand at `fqdn`, as the first server of its zone that answers says.
    pub(crate) async fn values(&self, fqdn: &str) -> Result<Vec<String>, Failure> {
        let mut reasons = Vec::new();
        for server in self.zone(fqdn).await?.servers {
            let question = Question::authoritative(fqdn, RecordType::TXT);
            match ask::ask(server.at, question, self.timeout).await {
                Ok(answer) if answer.is_usable() => return Ok(answer.txt(fqdn)),
                Ok(answer) => reasons.push((server, format!("it answers {}", answer.code_text()))),
                Err(reason) => reasons.push((server, reason)),
            }
        }
        let (server, reason) = reasons.pop().map_or_else(Default::default, |(it, why)| (it.text(), why));
        Err(Failure::DnsUnreachable { server, reason })
    }

    async fn look(&self, server: &Server, record: &Record, authoritative: bool) -> Look {
        let question = if authoritative {
            Question::authoritative(&record.fqdn, RecordType::TXT)
        } else {
            Question::recursive(&record.fqdn, RecordType::TXT)
        };
        match ask::ask(server.at, question, self.timeout).await {
            Ok(answer) if !answer.is_usable() => {
                Look::Unreachable(format!("it answers {} for {}", answer.code_text(), record.fqdn))
            }
            Ok(answer) if authoritative && !answer.is_authoritative() => {
                Look::Unreachable(format!("it is not in charge of {}", record.fqdn))
            }
            Ok(answer) => read(&answer, record),
            Err(reason) => Look::Unreachable(reason),
        }
    }
}

fn read(answer: &Answer, record: &Record) -> Look {
    let values = answer.txt(&record.fqdn);
    if values.len() > MOST || answer.truncated {
        return Look::TooMany(values.len());
    }
    if values.contains(&record.value) { Look::Shown } else { Look::Missing }
}

/// The failure that says most, when not all have shown the record.
fn judge(record: &Record, servers: &[Server], looks: &[Look]) -> Failure {
    let fqdn = record.fqdn.clone();
    let (mut shown, mut missing, mut unreachable) = (false, None, None);
    for (server, look) in servers.iter().zip(looks) {
        match look {
            Look::TooMany(count) => return Failure::TxtTooMany { fqdn, count: *count },
            Look::Shown => shown = true,
            Look::Missing => missing = missing.or(Some(server)),
            Look::Unreachable(reason) => unreachable = unreachable.or(Some((server, reason))),
        }
    }
    match (missing, unreachable) {
        (Some(server), _) if shown => Failure::NsDisagree { fqdn, ns: server.text() },
        (Some(server), _) => Failure::TxtNotSeen { fqdn, ns: server.text() },
        (None, Some((server, reason))) => {
            Failure::DnsUnreachable { server: server.text(), reason: reason.clone() }
        }
        (None, None) => Failure::TxtNotSeen { fqdn, ns: "no name server".to_owned() },
    }
}
