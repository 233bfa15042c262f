//! What DNS says of the names that are to be proved.

use super::{Checks, Finding};
use crate::cert::challenge::AcmeDns;
use crate::certs::{Failure, challenge_of};
use crate::config::{DnsMode, Solver};

/// A name to prove, and where its record is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The domain, without `*.`.
    pub(super) domain: String,
    /// The record's name.
    pub(super) fqdn: String,
}

impl<T: FnMut(Finding)> Checks<'_, T> {
    /// Looks at each name; returns those whose record has a place.
    pub(super) async fn names(&mut self) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        for name in &self.acme.names {
            let domain = name.strip_prefix("*.").unwrap_or(name).to_owned();
            if targets.iter().any(|it| it.domain == domain) {
                continue;
            }
            let looked = self.target(&domain).await;
            match looked {
                Ok(fqdn) => targets.push(Target { domain, fqdn }),
                Err(failure) => self.tell(Finding::fail("cname", &failure)),
            }
        }
        let mut places: Vec<String> = targets.iter().map(|it| it.fqdn.clone()).collect();
        places.sort();
        places.dedup();
        for place in &places {
            if self.builtin().is_some() {
                self.delegated(place).await;
            } else {
                self.zone(place).await;
            }
            self.dnssec(place).await;
        }
        targets
    }

    /// Where the record of a domain is written, if its CNAMEs lead where they should.
    async fn target(&mut self, domain: &str) -> Result<String, Failure> {
        const CHECK: &str = "cname";
        let challenge = challenge_of(domain);
        let wanted = match (&self.acme.solver, &self.acme.alias) {
            (Solver::AcmeDns { account_file }, _) => {
                Some(AcmeDns::new(account_file, self.acme.timers.http)?.fulldomain(domain)?)
            }
            (_, Some(alias)) => Some(alias.clone()),
            (Solver::Builtin(_), None) => Some(challenge.clone()),
            (_, None) => None,
        };
        let target = self.lookup.target(&challenge).await?;
        match wanted {
            Some(wanted) if wanted != target => {
                let found = if target == challenge {
                    "it has no CNAME".to_owned()
                } else {
                    format!("its CNAME leads to {target}")
                };
                let record = if wanted == challenge {
                    format!("{challenge}. NS to this edge instead of the CNAME")
                } else {
                    format!("{challenge}. CNAME {wanted}.")
                };
                return Err(Failure::DelegationMissing { zone: challenge, found, record });
            }
            _ => {}
        }
        let detail = if target == challenge {
            format!("{challenge} has none, and no wildcard stands in its place")
        } else {
            format!("{challenge} leads to {target}")
        };
        self.tell(Finding::ok(CHECK, detail));
        Ok(target)
    }

    /// Whether the parent delegates to this edge, and whether all that it delegates to answers.
    async fn delegated(&mut self, challenge: &str) {
        const CHECK: &str = "delegation";
        let Some(dns) = self.builtin().cloned() else { return };
        let is_in_zone = challenge.strip_suffix(&dns.base).is_some_and(|rest| rest.ends_with('.'));
        let zone =
            if dns.mode == DnsMode::Zone && is_in_zone { dns.base.clone() } else { challenge.to_owned() };
        let delegation = match self.lookup.delegated(&zone, &dns.ns).await {
            Ok(delegation) => delegation,
            Err(failure) => return self.tell(Finding::fail(CHECK, &failure)),
        };
        if delegation.signed {
            self.tell(Finding::fail("dnssec", &Failure::DnssecBroken(zone)));
            return;
        }
        let (parent, ns) = (&delegation.parent, delegation.ns.join(", "));
        self.tell(Finding::ok(CHECK, format!("{parent} delegates {zone} to {ns}")));
        if self.is_served() {
            self.answers(&zone).await;
        }
    }

    /// Whether the record's zone is the one that is written to, and all its servers answer.
    async fn zone(&mut self, place: &str) {
        const CHECK: &str = "zone";
        let found = match self.lookup.zone(place).await {
            Ok(zone) => zone.name,
            Err(failure) => return self.tell(Finding::fail(CHECK, &failure)),
        };
        let writes_to = match self.acme.solver {
            Solver::Rfc2136(_) | Solver::Hosted { .. } => self.acme.zone.clone(),
            _ => None,
        };
        if let Some(wrong) = writes_to.filter(|zone| *zone != found) {
            let server = format!("edge.acme.zone is {wrong}; the server of {place}");
            let failure = Failure::ZoneOrClock { server, zone: wrong };
            let fix = Some(format!("set edge.acme.zone: {found}"));
            return self.tell(Finding { fix, ..Finding::fail(CHECK, &failure) });
        }
        self.tell(Finding::ok(CHECK, format!("{place} lies in {found}")));
        self.answers(&found).await;
    }

    /// Whether every server of a zone answers by UDP and TCP, and all have the same of it.
    async fn answers(&mut self, zone: &str) {
        const CHECK: &str = "nameservers";
        let servers = match self.lookup.zone(zone).await {
            Ok(zone) => zone.servers,
            Err(failure) => return self.tell(Finding::fail(CHECK, &failure)),
        };
        let mut serials = Vec::new();
        for server in &servers {
            match self.lookup.answers(server, zone).await {
                Ok(serial) => serials.push((serial, server)),
                Err(failure) => self.tell(Finding::fail(CHECK, &failure)),
            }
        }
        let newest = serials.iter().map(|(serial, _)| *serial).max();
        for (serial, server) in &serials {
            // The edges' own servers count apart.
            if Some(*serial) != newest && self.builtin().is_none() {
                let ns = format!("{}, whose serial is {serial},", server.text());
                self.tell(Finding::warn(CHECK, &Failure::NsDisagree { fqdn: zone.to_owned(), ns }));
            }
        }
        if serials.len() == servers.len() {
            let names: Vec<String> = servers.iter().map(crate::cert::lookup::Server::text).collect();
            self.tell(Finding::ok(CHECK, format!("{} answer by UDP and TCP", names.join(", "))));
        }
    }

    async fn dnssec(&mut self, place: &str) {
        match self.lookup.dnssec(place).await {
            Ok(()) => self.tell(Finding::ok("dnssec", format!("resolvers have answers for {place}"))),
            Err(failure @ Failure::DnssecBroken(_)) => self.tell(Finding::fail("dnssec", &failure)),
            // That no server answers was told before.
            Err(_) => {}
        }
    }
}
