//! What stands in the zones, and which answer follows (RFC 1034 §4.3.2; wildcards by RFC 4592).
//!
//! In challenge mode each `_acme-challenge.NAME` is a zone of its own with nothing below. In zone mode all below
//! the previews' domain has the edges' addresses, but for the names that are needed otherwise.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::rr::rdata::{A, AAAA, NS, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use preview_core::clock::Wall;

use super::Records;
use crate::cert::Failure;
use crate::cert::challenge::challenge_of;
use crate::config::{Dns, DnsMode};

/// Seconds for which it may be remembered that something is not there: a challenge must not wait for that.
const NEGATIVE: u32 = 5;
/// Seconds for which a challenge's value may be remembered.
const CHALLENGE: u32 = 1;
/// Seconds for which addresses and name servers may be remembered: an edge that moves is found in minutes.
const STEADY: u32 = 300;
/// Seconds after which a secondary server asks again, after which once more if that failed, and after which it
/// gives up. There is none, as nobody may transfer the zone: usual values (RFC 1912 §2.2).
const SECONDARY: [i32; 3] = [3_600, 600, 604_800];

/// All zones of a server, those with more labels first.
#[derive(Debug)]
pub(super) struct Zones {
    all: Vec<Zone>,
    records: Arc<Records>,
    serial: u32,
}

#[derive(Debug)]
struct Zone {
    apex: Name,
    ns: Vec<Name>,
    /// Who answers for it, in the form of RFC 1035 §8.
    contact: Name,
    /// Names that exist; one that has nothing is there because one below it is (RFC 4592 §2.2.2).
    nodes: BTreeMap<Name, Node>,
}

#[derive(Debug, Default)]
struct Node {
    addresses: Vec<IpAddr>,
    /// By which name the records know its TXT values.
    challenge: Option<String>,
}

/// What a question finds.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// These records.
    Records(Vec<Record>),
    /// The name exists, but not with this type: the zone's SOA.
    NoData(Record),
    /// There is no such name: the zone's SOA.
    NoName(Record),
    /// It lies in none of the zones.
    Elsewhere,
}

impl Zones {
    /// The zones for certificates of `names`, and for the name that the challenges' CNAMEs lead to. The serial
    /// number begins at `now`, so that it grows from start to start.
    pub(super) fn new(dns: &Dns, names: &[String], alias: Option<&str>, now: Wall) -> Result<Self, Failure> {
        let mut challenges: Vec<String> = names.iter().map(|name| challenge_of(name)).collect();
        challenges.extend(alias.map(|alias| alias.trim_end_matches('.').to_ascii_lowercase()));
        let mut zones = Vec::new();
        if dns.mode == DnsMode::Zone {
            zones.push(Zone::of_previews(dns)?);
        }
        for challenge in &challenges {
            let name = parse(challenge)?;
            let node = Node { challenge: Some(challenge.clone()), ..Node::default() };
            match zones.iter_mut().find(|zone: &&mut Zone| zone.apex.zone_of(&name)) {
                Some(zone) => zone.insert(name, node),
                None => zones.push(Zone::of_challenge(name, node, &dns.ns)?),
            }
        }
        zones.sort_by_key(|zone| std::cmp::Reverse(zone.apex.iter().count()));
        let ns = dns.ns.first().map_or("", String::as_str);
        let records = Arc::new(Records::new(challenges, ns));
        // RFC 1982 lets serial numbers wrap.
        #[expect(clippy::cast_possible_truncation, reason = "modulo 2^32 is what a serial number is")]
        let serial = now.as_secs() as u32;
        Ok(Self { all: zones, records, serial })
    }

    /// The values that stand at the challenges' names.
    pub(super) fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// What stands at `name`. The records have the question's spelling, as their names are compressed into it.
    pub(super) fn find(&self, name: &Name, kind: RecordType) -> Found {
        let Some(zone) = self.all.iter().find(|zone| zone.apex.zone_of(name)) else {
            return Found::Elsewhere;
        };
        let apex = name.trim_to(zone.apex.iter().count());
        let Some(node) = zone.node(name) else {
            return Found::NoName(self.soa(zone, apex));
        };
        let at_apex = *name == zone.apex;
        let data: Vec<(u32, RData)> = match kind {
            RecordType::SOA if at_apex => return Found::Records(vec![self.soa(zone, apex)]),
            RecordType::NS if at_apex => {
                zone.ns.iter().map(|ns| (STEADY, RData::NS(NS(ns.clone())))).collect()
            }
            RecordType::A | RecordType::AAAA => {
                node.addresses.iter().map(|ip| (STEADY, address(*ip))).collect()
            }
            RecordType::TXT => {
                let values = node.challenge.iter().flat_map(|challenge| self.records.values(challenge));
                values.map(|value| (CHALLENGE, RData::TXT(TXT::new(vec![value])))).collect()
            }
            // CAA among them: nobody has asked for one, and the authority climbs on to the parent (RFC 8659 §3).
            _ => Vec::new(),
        };
        let data = data.into_iter().filter(|(_, data)| data.record_type() == kind);
        let records: Vec<_> = data.map(|(ttl, data)| Record::from_rdata(name.clone(), ttl, data)).collect();
        if records.is_empty() { Found::NoData(self.soa(zone, apex)) } else { Found::Records(records) }
    }

    fn soa(&self, zone: &Zone, apex: Name) -> Record {
        let [refresh, retry, expire] = SECONDARY;
        let serial = self.serial.wrapping_add(self.records.changes());
        let primary = zone.ns.first().unwrap_or(&zone.apex).clone();
        let soa = SOA::new(primary, zone.contact.clone(), serial, refresh, retry, expire, NEGATIVE);
        Record::from_rdata(apex, NEGATIVE, RData::SOA(soa))
    }
}

impl Zone {
    fn of_challenge(apex: Name, node: Node, ns: &[String]) -> Result<Self, Failure> {
        let contact = hostmaster(&apex.base_name());
        let mut zone = Self { apex: apex.clone(), ns: parse_all(ns)?, contact, nodes: BTreeMap::new() };
        zone.insert(apex, node);
        Ok(zone)
    }

    fn of_previews(dns: &Dns) -> Result<Self, Failure> {
        let apex = parse(&dns.base)?;
        let contact = hostmaster(&apex);
        let mut zone = Self { apex: apex.clone(), ns: parse_all(&dns.ns)?, contact, nodes: BTreeMap::new() };
        let edges = || Node { addresses: dns.addresses.clone(), challenge: None };
        zone.insert(apex.clone(), edges());
        zone.insert(parse(&format!("*.{}", dns.base))?, edges());
        for (index, ns) in zone.ns.clone().into_iter().enumerate() {
            if apex.zone_of(&ns) {
                zone.insert(ns, Node { addresses: dns.addresses_of(index), challenge: None });
            }
        }
        Ok(zone)
    }

    /// Puts what `node` has to what is at the name, and lets the names between it and the apex exist.
    fn insert(&mut self, name: Name, node: Node) {
        let mut above = name.clone();
        while above != self.apex && !above.is_root() {
            above = above.base_name();
            self.nodes.entry(above.clone()).or_default();
        }
        let there = self.nodes.entry(name).or_default();
        if there.addresses.is_empty() {
            there.addresses = node.addresses;
        }
        there.challenge = there.challenge.take().or(node.challenge);
    }

    /// What is at `name`: the node itself, else the wildcard's right below the last name above that exists.
    fn node(&self, name: &Name) -> Option<&Node> {
        if let Some(node) = self.nodes.get(name) {
            return Some(node);
        }
        let mut encloser = name.base_name();
        while !self.nodes.contains_key(&encloser) {
            if encloser.is_root() {
                return None;
            }
            encloser = encloser.base_name();
        }
        self.nodes.get(&encloser.prepend_label("*").ok()?)
    }
}

fn address(ip: IpAddr) -> RData {
    match ip {
        IpAddr::V4(ip) => RData::A(A(ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
    }
}

fn hostmaster(domain: &Name) -> Name {
    // A domain so long that the label does not fit answers for itself.
    domain.prepend_label("hostmaster").unwrap_or_else(|_| domain.clone())
}

fn parse_all(names: &[String]) -> Result<Vec<Name>, Failure> {
    names.iter().map(|name| parse(name)).collect()
}

fn parse(name: &str) -> Result<Name, Failure> {
    Name::from_ascii(format!("{name}."))
        .map_err(|error| Failure::NameForbidden(format!("{name} cannot stand in DNS ({error})")))
}
