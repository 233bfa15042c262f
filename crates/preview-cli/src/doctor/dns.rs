//! `dns.wildcard`: every name below the base leads to the deployment, not only those somebody thought of.

use super::deployment::{Deployment, random_label};
use super::finding::Finding;

const CHECK: &str = "dns.wildcard";

pub(super) async fn wildcard(deployment: &Deployment) -> Finding {
    let base = &deployment.base.host;
    let labels = [random_label(), random_label()];
    let hosts = labels.map(|label| deployment.below(&label).host);
    if let Some(address) = deployment.given(&hosts[0]) {
        let fix = "run it again without --resolve once the record is there";
        return Finding::warn(CHECK, format!("*.{base} → {address} by --resolve; DNS was not asked"), fix);
    }
    let record =
        format!("add the record `*.{base} A ADDRESS-OF-THE-EDGE`; if it is new, wait as long as its TTL");
    let mut found = Vec::new();
    for host in &hosts {
        match deployment.addresses(host).await {
            Ok(addresses) if !addresses.is_empty() => found.push(addresses),
            Ok(_) => return Finding::fail(CHECK, format!("{host} has no address"), record),
            Err(error) => return Finding::fail(CHECK, format!("{host} does not resolve: {error}"), record),
        }
    }
    let told: Vec<String> = found[0].iter().map(ToString::to_string).collect();
    let told = format!("*.{base} → {}", told.join(", "));
    if found[0] == found[1] {
        return Finding::ok(CHECK, told);
    }
    let fix = "let one record, or one set of addresses, answer for all names";
    Finding::warn(CHECK, format!("{told}; another name leads elsewhere"), fix)
}
