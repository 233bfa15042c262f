//! `dig`, the plainest resolver there is.

use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The data of the records that the server at `address` shows, as `dig +short` prints them; TCP is taken where
/// an answer does not fit.
pub fn dig(address: Ipv4Addr, name: &str, kind: &str, recursive: bool) -> Result<Vec<String>> {
    let recursive = if recursive { "+recurse" } else { "+norecurse" };
    let output = Command::new("dig")
        .args([&format!("@{address}"), "+short", recursive, "+time=5", "+tries=2", name, kind])
        .output()
        .context("cannot run dig (Debian: bind9-dnsutils)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("dig @{address} {name} {kind}: {text}");
    }
    Ok(text.lines().map(str::to_owned).collect())
}

/// The TXT values that the server at `address` shows at `name`, sorted and without their quotes.
pub fn txt(address: Ipv4Addr, name: &str) -> Result<Vec<String>> {
    let mut values: Vec<String> =
        dig(address, name, "TXT", false)?.iter().map(|value| value.trim_matches('"').to_owned()).collect();
    values.sort();
    Ok(values)
}
