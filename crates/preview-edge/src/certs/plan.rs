//! Which DNS records the operator has to set, so that certificates can be had and previews are found.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::{CertsError, challenge_of};
use crate::cert::challenge::AcmeDns;
use crate::cert::journal::Account;
use crate::cert::lookup::issuers;
use crate::cert::vault::Dir;
use crate::config::{Acme, Authority, Config, Dns, DnsMode, Solver};

/// What stands for an address that is not known here.
const UNKNOWN: [&str; 2] = ["IPV4-OF-THE-EDGE", "IPV6-OF-THE-EDGE"];
/// Seconds for which what may move can be remembered, and what stays.
const TTL: (u32, u32) = (300, 3_600);

/// The records to set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Who writes the challenges, as configuration has it.
    pub solver: &'static str,
    /// The zone that the records stand in, if it was told; which one it is cannot be seen from a name.
    pub zone: Option<String>,
    /// In the order in which they are best set.
    pub records: Vec<Wanted>,
    /// What else is to be done.
    pub notes: Vec<String>,
}

/// A record to set. Names are lower case, without a final dot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Seconds.
    pub ttl: u32,
    /// Its data, as a form takes it: a name, an address, or `0 issuewild "…"`.
    pub value: String,
    /// What it is for.
    pub purpose: &'static str,
    /// Whether it can be left out.
    pub optional: bool,
}

/// What `config` needs; nobody is asked.
///
/// # Errors
/// [`CertsError::NotOrdered`], or what keeps the file of an acme-dns account from being read.
pub fn plan(config: &Config) -> Result<Plan, CertsError> {
    let acme = super::acme(config)?;
    let mut planner = Planner { config, acme, records: Vec::new(), notes: Vec::new() };
    planner.hosts();
    planner.challenges()?;
    planner.caa();
    let Planner { records, notes, .. } = planner;
    Ok(Plan { solver: name(&acme.solver), zone: acme.zone.clone(), records, notes })
}

struct Planner<'c> {
    config: &'c Config,
    acme: &'c Acme,
    records: Vec<Wanted>,
    notes: Vec<String>,
}

impl<'c> Planner<'c> {
    /// How previews and the daemon are found.
    fn hosts(&mut self) {
        let base = self.config.template.base().to_owned();
        if let Some(dns) = self.zone_server() {
            for ns in &dns.ns {
                self.add(&base, "NS", TTL.1, ns.clone(), "this edge answers for all below it");
            }
            self.servers(dns, "its address, beside the NS record (glue)");
        } else {
            let mut hosts = self.config.template.wildcard_names();
            hosts.push(base.clone());
            for host in hosts {
                self.addresses(&host, &self.edges(), "previews");
            }
        }
        if let Some(host) = self.config.daemon_host.clone()
            && !(self.zone_server().is_some() && is_within(&host, &base))
        {
            self.addresses(&host, &self.edges(), "the daemon's API");
        }
    }

    /// How the authority finds the challenges.
    fn challenges(&mut self) -> Result<(), CertsError> {
        let (acme, config) = (self.acme, self.config);
        let mut challenges: Vec<String> = acme.names.iter().map(|name| challenge_of(name)).collect();
        challenges.dedup();
        if let Some(alias) = &acme.alias {
            for challenge in &challenges {
                self.add(
                    challenge,
                    "CNAME",
                    TTL.0,
                    alias.clone(),
                    "leads challenges to where they are written",
                );
            }
            challenges = vec![alias.clone()];
        }
        match &acme.solver {
            Solver::Builtin(dns) => {
                challenges.retain(|name| dns.mode == DnsMode::Challenge || !is_within(name, &dns.base));
                for challenge in &challenges {
                    for ns in &dns.ns {
                        self.add(challenge, "NS", TTL.1, ns.clone(), "this edge answers for its challenges");
                    }
                }
                if dns.mode == DnsMode::Challenge {
                    self.servers(dns, "where the edge answers by DNS");
                }
                let at: Vec<String> = dns.listen.iter().map(ToString::to_string).collect();
                self.notes.push(format!(
                    "UDP and TCP port 53 must be open to everybody, at {} and whatever leads there",
                    at.join(", ")
                ));
                if dns.mode == DnsMode::Zone && dns.ns.len() < 2 {
                    self.notes.push(
                        "with one edge, every preview is gone while it restarts: name two in edge.acme.dns.ns"
                            .to_owned(),
                    );
                }
            }
            Solver::Rfc2136(rfc2136) => {
                let zone = acme.zone.as_deref().unwrap_or_default();
                let grants: Vec<String> = challenges
                    .iter()
                    .map(|name| format!("grant {} name {name}. TXT;", rfc2136.key_name))
                    .collect();
                self.notes.push(format!(
                    "on the primary server of {zone}: update-policy {{ {} }};",
                    grants.join(" ")
                ));
            }
            Solver::AcmeDns { account_file } => {
                let accounts = AcmeDns::new(account_file, acme.timers.http)?;
                for name in &acme.names {
                    let domain = name.trim_start_matches("*.");
                    let target = accounts.fulldomain(domain)?;
                    let challenge = challenge_of(name);
                    self.add(&challenge, "CNAME", TTL.0, target, "leads challenges to the acme-dns server");
                }
            }
            Solver::Exec(exec) => {
                let program = exec.program.display();
                self.notes.push(format!("{program} must be able to write TXT at {}", challenges.join(", ")));
            }
            Solver::HttpReq(httpreq) => {
                let endpoint = &httpreq.endpoint;
                self.notes.push(format!("{endpoint} must be able to write TXT at {}", challenges.join(", ")));
            }
            Solver::Hosted { provider, .. } => {
                let zone = acme.zone.as_deref().unwrap_or_default();
                self.notes.push(format!("the token for {provider} must be allowed to edit DNS of {zone}"));
            }
        }
        if acme.staging.is_none() && config.https.is_none() {
            self.notes
                .push("edge.https is null: certificates are ordered only where HTTPS is served".to_owned());
        }
        Ok(())
    }

    /// Who may issue. It is climbed to from every name (RFC 8659 §3), so it stands as low as it can.
    fn caa(&mut self) {
        let acme = self.acme;
        let authorities: Vec<&Authority> =
            [&acme.authority].into_iter().chain(&acme.staging).chain(&acme.fallback).collect();
        let mut places: Vec<(&str, &'static str)> = Vec::new();
        for name in &acme.names {
            let (domain, tag) = match name.strip_prefix("*.") {
                Some(domain) => (domain, "issuewild"),
                None => (name.as_str(), "issue"),
            };
            match self.zone_server() {
                Some(dns) if is_within(domain, &dns.base) => {}
                _ => places.push((domain, tag)),
            }
        }
        let is_pinned = !places.is_empty() && authorities.iter().any(|it| self.account(it).is_some());
        if let Some(staging) = acme.staging.as_ref().filter(|_| is_pinned) {
            self.notes.push(format!(
                "CAA records with accounturi allow these accounts alone: set all of them, or the rehearsal at {} is \
                 passed over",
                staging.name
            ));
        }
        for (domain, tag) in places {
            for authority in &authorities {
                let Some(issuer) = issuers(authority, &[]).into_iter().next() else { continue };
                let account = self.account(authority);
                if self.acme.staging.as_ref() == Some(authority) && account.is_none() {
                    // The first one's record allows it, unless that names an account.
                    continue;
                }
                let account = account.map(|id| format!("; accounturi={id}")).unwrap_or_default();
                let value = format!("0 {tag} \"{issuer}; validationmethods=dns-01{account}\"");
                let purpose = "recommended: nobody else may issue, and not in another way";
                let wanted = Wanted {
                    name: domain.to_owned(),
                    kind: "CAA",
                    ttl: TTL.1,
                    value,
                    purpose,
                    optional: true,
                };
                if !self.records.contains(&wanted) {
                    self.records.push(wanted);
                }
            }
        }
    }

    /// The account's URL, if there is one already.
    fn account(&self, authority: &Authority) -> Option<String> {
        let vault = Dir::new(self.config.state_dir.clone());
        let (account, _) = Account::load(&vault, &authority.name).ok()?;
        account.filter(|it| it.directory == authority.directory).map(|it| it.id)
    }

    /// The built-in server, if all of the previews' zone is delegated to it.
    fn zone_server(&self) -> Option<&'c Dns> {
        let acme = self.acme;
        match &acme.solver {
            Solver::Builtin(dns) if dns.mode == DnsMode::Zone => Some(dns),
            _ => None,
        }
    }

    /// Where the edges are reached, as far as that is known.
    fn edges(&self) -> Vec<IpAddr> {
        match &self.acme.solver {
            Solver::Builtin(dns) if dns.addresses.is_empty() => {
                dns.listen.iter().map(SocketAddr::ip).filter(is_public).collect()
            }
            Solver::Builtin(dns) => dns.addresses.clone(),
            _ => Vec::new(),
        }
    }

    /// Addresses of the name servers; those elsewhere have theirs already.
    fn servers(&mut self, dns: &Dns, purpose: &'static str) {
        let zone = self.acme.zone.as_deref().unwrap_or(&dns.base);
        for (index, ns) in dns.ns.iter().enumerate() {
            if is_within(ns, zone) || is_within(ns, &dns.base) {
                let own = dns.addresses_of(index);
                self.addresses(ns, &if own.is_empty() { self.edges() } else { own }, purpose);
            } else {
                self.notes.push(format!(
                    "{ns} must lead to an edge, and be a name of yours: who has it has the challenges"
                ));
            }
        }
    }

    fn addresses(&mut self, name: &str, known: &[IpAddr], purpose: &'static str) {
        let kind = |ip: &IpAddr| if ip.is_ipv4() { "A" } else { "AAAA" };
        for ip in known {
            self.add(name, kind(ip), TTL.0, ip.to_string(), purpose);
        }
        if known.is_empty() {
            self.add(name, "A", TTL.0, UNKNOWN[0].to_owned(), purpose);
            self.add(name, "AAAA", TTL.0, UNKNOWN[1].to_owned(), purpose);
            if let Some(last) = self.records.last_mut() {
                last.optional = true;
            }
        }
    }

    fn add(&mut self, name: &str, kind: &'static str, ttl: u32, value: String, purpose: &'static str) {
        let wanted = Wanted { name: name.to_owned(), kind, ttl, value, purpose, optional: false };
        if !self.records.contains(&wanted) {
            self.records.push(wanted);
        }
    }
}

/// A solver's name in configuration.
pub(super) const fn name(solver: &Solver) -> &'static str {
    match solver {
        Solver::Builtin(_) => "builtin",
        Solver::Rfc2136(_) => "rfc2136",
        Solver::Exec(_) => "exec",
        Solver::HttpReq(_) => "httpreq",
        Solver::AcmeDns { .. } => "acme-dns",
        Solver::Hosted { .. } => "hosted",
    }
}

fn is_within(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether others may reach it.
fn is_public(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !(ip.is_loopback() || ip.is_unspecified() || ip.is_private() || ip.is_link_local()),
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests;
