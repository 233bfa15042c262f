//! dnsmasq: every name below the previews' domain is one address, for rehearsals.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use preview_core::refusal::Code;

use super::plan::Plan;
use super::{File, fill};
use crate::failure::Failure;

pub(super) fn files(plan: &Plan) -> Result<Vec<File>, Failure> {
    let base = plan.template.base();
    if base == "localhost" || base.ends_with(".localhost") {
        return Err(Failure::found(
            Code::TemplateInvalid,
            format!("names below {base} lead to the loopback by themselves, without any DNS"),
            "leave dnsmasq out, or rehearse with the domain that the previews will have",
        ));
    }
    let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST)];
    let addresses = if plan.place.addresses.is_empty() { &loopback[..] } else { &plan.place.addresses };
    let mut records = String::new();
    for address in addresses {
        let _ = writeln!(records, "address=/{base}/{address}");
    }
    if let Some((host, _)) = &plan.daemon_host {
        for address in addresses {
            let _ = writeln!(records, "address=/{host}/{address}");
        }
    }
    let values = [("TEMPLATE", plan.template.as_str()), ("BASE", base), ("RECORDS", &records)];
    Ok(vec![File { name: "preview-dnsmasq.conf", text: fill(TEMPLATE, &values) }])
}

const TEMPLATE: &str = "\
# dnsmasq for @TEMPLATE@: rehearse without a DNS zone.
#
# Made by `preview render dnsmasq`. /etc/dnsmasq.d/preview.conf, then `systemctl restart dnsmasq`; this host must ask
# dnsmasq (127.0.0.1) for names. `dig @127.0.0.1 any-name.@BASE@` shows whether it answers.

# The domain, and every name below it. Remove this when the real zone is there: it hides the zone from this host.
@RECORDS@

# Only this host is answered.
listen-address=127.0.0.1
bind-interfaces
";
