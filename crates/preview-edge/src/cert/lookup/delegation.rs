//! What a parent says of a zone, and whether the zone's servers answer as authorities want it.

use std::net::IpAddr;

use hickory_proto::rr::{RData, RecordType};

use super::ask::{self, Over, Question};
use super::zone::{Server, server_name};
use super::{Failure, Lookup};

/// How a parent delegates a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delegation {
    /// The parent zone, lower case, without a final dot.
    pub(crate) parent: String,
    /// The names of the servers it is delegated to, sorted; none: it is not.
    pub(crate) ns: Vec<String>,
    /// The addresses that the parent hands out with them.
    pub(crate) glue: Vec<(String, IpAddr)>,
    /// Whether it is delegated as signed (DS record, RFC 4035 §2.4).
    pub(crate) signed: bool,
}

impl Lookup {
    /// What the parent of `zone` says of it, asked at the parent's own servers.
    pub(crate) async fn delegation(&self, zone: &str) -> Result<Delegation, Failure> {
        let above = zone.split_once('.').map_or("", |(_, above)| above);
        let parent = self.apex(above).await?;
        if parent.is_empty() && above.contains('.') {
            return Err(super::zone::of_registry(zone, &parent));
        }
        let mut failure = None;
        for server in self.servers(&parent).await? {
            match self.referral(&parent, &server, zone).await {
                Ok(delegation) => return Ok(delegation),
                Err(reason) => failure = Some(Failure::DnsUnreachable { server: server.text(), reason }),
            }
        }
        Err(failure.unwrap_or_else(|| Failure::DnsUnreachable {
            server: parent,
            reason: "it has no servers".to_owned(),
        }))
    }

    /// Demands that the parent delegates `zone` to exactly these servers.
    ///
    /// # Errors
    /// [`Failure::DelegationMissing`] with the records to set.
    pub(crate) async fn delegated(&self, zone: &str, ns: &[String]) -> Result<Delegation, Failure> {
        let delegation = self.delegation(zone).await?;
        let mut wanted = ns.to_vec();
        wanted.sort();
        if delegation.ns == wanted {
            return Ok(delegation);
        }
        let found = match delegation.ns.as_slice() {
            [] => format!("{} has no NS record for it", delegation.parent),
            other => format!("{} delegates it to {}", delegation.parent, other.join(", ")),
        };
        let records: Vec<String> = wanted.iter().map(|name| format!("{zone}. NS {name}.")).collect();
        Err(Failure::DelegationMissing { zone: zone.to_owned(), found, record: records.join("; ") })
    }

    /// Demands that a server answers for `zone` by UDP and by TCP, as one in charge, and keeps the case of questions;
    /// returns the zone's serial number there.
    pub(crate) async fn answers(&self, server: &Server, zone: &str) -> Result<u32, Failure> {
        let mut serial = 0;
        let question = Question { exact_case: true, ..Question::authoritative(zone, RecordType::SOA) };
        for over in [Over::Udp, Over::Tcp] {
            let checked = match ask::ask_over(over, server.at, question, self.timeout).await {
                Ok(answer) if !answer.is_usable() => {
                    Err(format!("it answers {} for {zone}", answer.code_text()))
                }
                Ok(answer) if !answer.is_authoritative() => Err(format!("it is not in charge of {zone}")),
                Ok(answer) => Ok(answer.answers().find_map(|(_, data)| serial_of(data)).unwrap_or(0)),
                Err(reason) => Err(reason),
            };
            serial = checked.map_err(|reason| Failure::DnsUnreachable { server: server.text(), reason })?;
        }
        Ok(serial)
    }

    /// Demands that resolvers which validate DNSSEC have answers for `name`.
    ///
    /// # Errors
    /// [`Failure::DnssecBroken`]; a resolver that does not validate finds nothing amiss.
    pub(crate) async fn dnssec(&self, name: &str) -> Result<(), Failure> {
        for kind in [RecordType::SOA, RecordType::TXT] {
            self.resolve(name, kind).await?;
        }
        Ok(())
    }

    async fn referral(&self, parent: &str, server: &Server, zone: &str) -> Result<Delegation, String> {
        let question = Question::authoritative(zone, RecordType::NS);
        let answer = ask::ask(server.at, question, self.timeout).await?;
        if !answer.is_usable() {
            return Err(format!("it answers {} for {zone}", answer.code_text()));
        }
        // A server of the parent that serves the zone too answers instead of referring.
        let mut ns: Vec<String> = answer
            .answers()
            .chain(answer.authorities())
            .filter(|(owner, _)| owner == zone)
            .filter_map(|(_, data)| server_name(data))
            .collect();
        ns.sort();
        ns.dedup();
        let glue = answer.additionals().filter_map(|(name, data)| Some((name, ask::address(data)?)));
        let glue = glue.filter(|(name, _)| ns.contains(name)).collect();
        let ds = ask::ask(server.at, Question::authoritative(zone, RecordType::DS), self.timeout).await?;
        let signed = ds.answers().any(|(_, data)| is_ds(data));
        Ok(Delegation { parent: parent.to_owned(), ns, glue, signed })
    }
}

fn serial_of(data: &RData) -> Option<u32> {
    match data {
        RData::SOA(soa) => Some(soa.serial),
        _ => None,
    }
}

fn is_ds(data: &RData) -> bool {
    data.record_type() == RecordType::DS
}
