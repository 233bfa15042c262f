//! BIND's `named` on port 53 of a loopback address of its own.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::address::{Assigned, DNS_PORT, interfaces_lock};
use super::dig::dig;
use super::fixture::run;
use super::zone::{Role, TsigKey, Zone};
use super::{Process, Scratch};

/// How long it may take to be ready: it starts slowly on a loaded machine.
const START: Duration = Duration::from_secs(30);

/// A root below which there is nothing.
const ROOT: &str = "$TTL 1\n. SOA . . 1 3600 600 86400 1\n. NS ns.\nns. A 127.0.0.1\n";

/// What it serves, and how.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Its zones.
    pub zones: Vec<Zone>,
    /// The keys it knows.
    pub keys: Vec<TsigKey>,
    /// Whether it answers for others too, as a resolver does. Names outside its zones do not exist for it: it
    /// never asks beyond the loopback.
    pub recursion: bool,
    /// The anchors with which it validates DNSSEC, as its `trust-anchors` clause wants them; empty: it does not.
    pub trust_anchors: String,
    /// Further lines among its options.
    pub options: String,
    /// Further clauses of its configuration.
    pub clauses: String,
}

/// A running `named`.
#[derive(Debug)]
pub struct Named {
    /// Where it listens, on port 53 by UDP and TCP.
    pub address: Ipv4Addr,
    setup: Setup,
    scratch: Scratch,
    // Before the address, which it needs.
    process: Option<Process>,
    _assigned: Assigned,
}

impl Named {
    /// Starts it on `address` ([`free_address`](super::free_address)) and waits until it answers.
    pub fn start(address: Ipv4Addr, setup: Setup) -> Result<Self> {
        let scratch = Scratch::new()?;
        let mut named = Self { address, setup, scratch, process: None, _assigned: Assigned::new(address)? };
        for zone in &named.setup.zones {
            if let Role::Primary { records, .. } = &zone.role {
                named.scratch.write(format!("{}.zone", zone.name), records)?;
            }
        }
        named.scratch.write("root.zone", ROOT)?;
        named.scratch.write("named.conf", named.configuration())?;
        named.resume()?;
        Ok(named)
    }

    /// Address and port.
    #[must_use]
    pub fn place(&self) -> SocketAddr {
        SocketAddr::from((self.address, DNS_PORT))
    }

    /// Ends it; nobody answers at the address.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again after [`Named::stop`], with the records it had.
    pub fn resume(&mut self) -> Result<()> {
        let words = ["named", "-4", "-n", "1", "-f", "-g", "-c", "named.conf"];
        let listing = interfaces_lock()?;
        let mut process = Process::spawn_line(&words, self.scratch.path())?;
        // Its first lines say that it is "running on Linux" and "running as: named".
        process.wait_for("the line that it runs", START, |output| {
            output.lines().any(|line| line.ends_with(" running")).then_some(())
        })?;
        drop(listing);
        for zone in &self.setup.zones {
            if matches!(zone.role, Role::Secondary(_)) {
                let needle = format!("zone {}/IN: transferred serial", zone.name);
                process.wait_for_line(&needle, START)?;
            }
        }
        self.process = Some(process);
        Ok(())
    }

    /// Adds a TXT record, by BIND's own tool and a key that was granted the name.
    pub fn add_txt(&self, key: &TsigKey, name: &str, value: &str) -> Result<()> {
        let TsigKey { name: key, algorithm, secret } = key;
        let script = format!(
            "server {}\nkey {algorithm}:{key} {secret}\nupdate add {name} 1 TXT {value}\nsend\n",
            self.address
        );
        let file = self.scratch.write("update", script)?;
        run(Command::new("nsupdate").arg(file))
    }

    /// What it wrote since it was started last.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.as_ref().map(Process::output).unwrap_or_default()
    }

    /// The TXT values it shows at `name`, sorted.
    pub fn txt(&self, name: &str) -> Result<Vec<String>> {
        super::dig::txt(self.address, name)
    }

    /// The data of the records it shows, as `dig +short` prints them.
    pub fn ask(&self, name: &str, kind: &str) -> Result<Vec<String>> {
        dig(self.address, name, kind, false)
    }

    /// The same with what it finds at other servers.
    pub fn resolve(&self, name: &str, kind: &str) -> Result<Vec<String>> {
        dig(self.address, name, kind, true)
    }

    fn configuration(&self) -> String {
        let Setup { zones, keys, recursion, trust_anchors, options, clauses, .. } = &self.setup;
        let (folder, address) = (self.scratch.path().display(), self.address);
        let recursion = if *recursion { "yes" } else { "no" };
        let validation = if trust_anchors.is_empty() { "no" } else { "yes" };
        let mut text = String::new();
        for TsigKey { name, algorithm, secret } in keys {
            let _ = writeln!(text, "key \"{name}\" {{ algorithm {algorithm}; secret \"{secret}\"; }};");
        }
        let _ = writeln!(
            text,
            "controls {{ }};
options {{
    directory \"{folder}\";
    pid-file \"{folder}/named.pid\";
    session-keyfile \"{folder}/session.key\";
    lock-file none;
    listen-on port {DNS_PORT} {{ {address}; }};
    listen-on-v6 {{ none; }};
    query-source address {address};
    transfer-source {address};
    notify-source {address};
    allow-transfer {{ any; }};
    recursion {recursion};
    dnssec-validation {validation};
    automatic-interface-scan no;
    interface-interval 0;
    empty-zones-enable no;
    {options}
}};
{clauses}"
        );
        if !trust_anchors.is_empty() {
            let _ = writeln!(text, "trust-anchors {{ {trust_anchors} }};");
        }
        if !zones.iter().any(|zone| zone.name == ".") {
            text.push_str("zone \".\" { type primary; file \"root.zone\"; };\n");
        }
        for zone in zones {
            text.push_str(&clause(zone));
        }
        text
    }
}

fn clause(Zone { name, role, options }: &Zone) -> String {
    let body = match role {
        Role::Primary { grants, .. } => {
            let mut policy = String::new();
            for (key, name) in grants {
                let _ = write!(policy, "grant {key} name {name}. TXT; ");
            }
            let policy = if policy.is_empty() { policy } else { format!("update-policy {{ {policy}}};") };
            format!("type primary; file \"{name}.zone\"; {policy}")
        }
        Role::Secondary(of) => format!("type secondary; primaries {{ {of}; }}; file \"{name}.copy\";"),
        Role::Stub(at) => format!("type static-stub; server-addresses {{ {at}; }};"),
    };
    format!("zone \"{name}\" {{ {body} {options} }};\n")
}
