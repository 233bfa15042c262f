//! Knot DNS on port 53 of a loopback address of its own.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;

use super::address::DNS_PORT;
use super::zone::{Role, TsigKey, Zone};
use super::{Process, Scratch};

/// How long it may take to be ready.
const START: Duration = Duration::from_secs(30);

/// A running `knotd`.
#[derive(Debug)]
pub struct Knot {
    /// Where it listens, on port 53 by UDP and TCP.
    pub address: Ipv4Addr,
    _process: Process,
    _scratch: Scratch,
}

impl Knot {
    /// Starts it on `address` ([`free_address`](super::free_address)) and waits until it answers. It takes
    /// [`Role::Primary`] zones only.
    pub fn start(address: Ipv4Addr, zones: &[Zone], keys: &[TsigKey]) -> Result<Self> {
        Self::run(&["knotd"], address, zones, keys)
    }

    /// The same with a clock that is off, by what `faketime -f` understands: `+10m`. (BIND's allocator asks for the
    /// time before that is faked, and hangs.)
    pub fn with_clock(offset: &str, address: Ipv4Addr, zones: &[Zone], keys: &[TsigKey]) -> Result<Self> {
        Self::run(&["faketime", "-f", offset, "knotd"], address, zones, keys)
    }

    /// Address and port.
    #[must_use]
    pub fn place(&self) -> SocketAddr {
        SocketAddr::from((self.address, DNS_PORT))
    }

    /// The TXT values it shows at `name`, sorted.
    pub fn txt(&self, name: &str) -> Result<Vec<String>> {
        super::dig::txt(self.address, name)
    }

    fn run(words: &[&str], address: Ipv4Addr, zones: &[Zone], keys: &[TsigKey]) -> Result<Self> {
        let scratch = Scratch::new()?;
        for zone in zones {
            if let Role::Primary { records, .. } = &zone.role {
                scratch.write(format!("{}.zone", zone.name), records)?;
            }
        }
        std::fs::create_dir(scratch.join("db"))?;
        scratch.write("knot.conf", configuration(address, scratch.path(), zones, keys))?;
        let words: Vec<&str> = words.iter().copied().chain(["-c", "knot.conf"]).collect();
        let mut process = Process::spawn_line(&words, scratch.path())?;
        process.wait_for_line("server started", START)?;
        for zone in zones {
            process.wait_for_line(&format!("[{}.] loaded", zone.name), START)?;
        }
        Ok(Self { address, _process: process, _scratch: scratch })
    }
}

fn configuration(address: Ipv4Addr, folder: &std::path::Path, zones: &[Zone], keys: &[TsigKey]) -> String {
    let folder = folder.display();
    let mut text = format!(
        "server:
    listen: {address}@{DNS_PORT}
    rundir: {folder}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: info
database:
    storage: {folder}/db
"
    );
    for (index, TsigKey { name, algorithm, secret }) in keys.iter().enumerate() {
        let head = if index == 0 { "key:\n" } else { "" };
        let _ = write!(text, "{head}  - id: {name}\n    algorithm: {algorithm}\n    secret: {secret}\n");
    }
    let grants = zones.iter().flat_map(|zone| match &zone.role {
        Role::Primary { grants, .. } => grants.as_slice(),
        Role::Secondary(_) | Role::Stub(_) => &[],
    });
    for (index, (key, name)) in grants.enumerate() {
        let head = if index == 0 { "acl:\n" } else { "" };
        let _ = write!(
            text,
            "{head}  - id: acl{index}
    key: {key}
    action: update
    update-type: TXT
    update-owner: name
    update-owner-match: equal
    update-owner-name: {name}.
"
        );
    }
    text.push_str("zone:\n");
    let mut acl = 0;
    for Zone { name, role, .. } in zones {
        let Role::Primary { grants, .. } = role else { continue };
        let _ = write!(text, "  - domain: {name}\n    storage: {folder}\n    file: {name}.zone\n");
        let ids: Vec<String> = (acl..acl + grants.len()).map(|index| format!("acl{index}")).collect();
        acl += grants.len();
        if !ids.is_empty() {
            let _ = writeln!(text, "    acl: [{}]", ids.join(", "));
        }
    }
    text
}
