//! Which zone a name lies in, and who serves it.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use hickory_proto::rr::{RData, RecordType};

use super::ask::{self, plain};
use super::{Failure, Lookup};

/// The port of DNS (RFC 1035 §4.2).
pub(super) const PORT: u16 = 53;

/// A zone and everybody who serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Its name, lower case, without a final dot.
    pub(crate) name: String,
    /// Each of its servers with each of its addresses; at least one.
    pub(crate) servers: Vec<Server>,
}

/// An address of a name server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// The server's name, lower case, without a final dot.
    pub(crate) name: String,
    /// Where it is asked.
    pub(crate) at: SocketAddr,
}

impl Server {
    /// For people: name and address.
    pub(crate) fn text(&self) -> String {
        format!("{} ({})", self.name, self.at.ip())
    }
}

impl Lookup {
    /// The zone that `name` lies in, with its servers: the nearest name upwards that has an SOA record.
    ///
    /// # Errors
    /// [`Failure::DelegationMissing`] if that is a registry's, which nobody writes challenges to.
    pub(crate) async fn zone(&self, name: &str) -> Result<Zone, Failure> {
        let found = self.apex(name).await?;
        if !found.contains('.') {
            return Err(of_registry(name, &found));
        }
        let servers = self.servers(&found).await?;
        Ok(Zone { name: found, servers })
    }

    /// The nearest name upwards that has an SOA record; empty for the root.
    pub(super) async fn apex(&self, name: &str) -> Result<String, Failure> {
        let mut at = name;
        while !at.is_empty() {
            let answer = self.resolve(at, RecordType::SOA).await?;
            if answer.answers().any(|(owner, data)| owner == at && matches!(data, RData::SOA(_))) {
                break;
            }
            at = at.split_once('.').map_or("", |(_, above)| above);
        }
        Ok(at.to_owned())
    }

    /// The servers of a zone, each with each of its addresses that this host has a route to.
    pub(super) async fn servers(&self, zone: &str) -> Result<Vec<Server>, Failure> {
        let answer = self.resolve(zone, RecordType::NS).await?;
        let mut names: Vec<String> = answer.answers().filter_map(|(_, data)| server_name(data)).collect();
        names.sort();
        names.dedup();
        let mut servers = Vec::new();
        for name in names {
            let addresses = self.addresses(&name).await?;
            let unreachable = |reason: &str| Failure::DnsUnreachable {
                server: format!("{name}, which serves {zone},"),
                reason: reason.to_owned(),
            };
            if addresses.is_empty() {
                return Err(unreachable("its name has no address"));
            }
            let routed: Vec<SocketAddr> = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, PORT))
                .filter(|at| has_route(*at))
                .collect();
            if routed.is_empty() {
                return Err(unreachable("this host has no route to any of its addresses"));
            }
            servers.extend(routed.into_iter().map(|at| Server { name: name.clone(), at }));
        }
        if servers.is_empty() {
            return Err(Failure::DelegationMissing {
                zone: zone.to_owned(),
                found: "it has no NS records".to_owned(),
                record: format!("{zone}. NS <each of its name servers>"),
            });
        }
        Ok(servers)
    }

    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let mut found = Vec::new();
        for kind in [RecordType::A, RecordType::AAAA] {
            let answer = self.resolve(name, kind).await?;
            found.extend(answer.answers().filter_map(|(_, data)| ask::address(data)));
        }
        Ok(found)
    }
}

/// The failure of a name above which there is no zone but a registry's, or the root's, which is empty.
pub(super) fn of_registry(name: &str, found: &str) -> Failure {
    let found = if found.is_empty() { "the root".to_owned() } else { format!("{found}.") };
    Failure::DelegationMissing {
        zone: name.to_owned(),
        found: format!("the nearest zone above it is {found}"),
        record: format!("the domain of {name} with a DNS provider, and its NS records with the registry"),
    }
}

/// The name that an NS record holds.
pub(super) fn server_name(data: &RData) -> Option<String> {
    match data {
        RData::NS(ns) => Some(plain(&ns.0)),
        _ => None,
    }
}

/// Whether packets have a way there: a host without IPv6 cannot judge a server's IPv6 addresses. Sends nothing.
fn has_route(at: SocketAddr) -> bool {
    let any: IpAddr = if at.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(at)).is_ok()
}
