//! Pebble with a proxy before it, and BIND with the previews' zone.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use xtask::real::{
    Front, Named, Pebble, Scratch, TsigKey, Zone, free_address, free_port_outside, named, pebble,
};

/// The zone of the previews, and of their challenges.
pub(crate) const ZONE: &str = "preview.test";
/// Where the authority looks for its records.
pub(crate) const CHALLENGE: &str = "_acme-challenge.preview.test";
/// A preview.
pub(crate) const HOST: &str = "app.preview.test";

/// An authority and a name server that takes updates.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) front: Front,
    pub(crate) pebble: Pebble,
    pub(crate) named: Named,
    pub(crate) key: TsigKey,
    pub(crate) scratch: Scratch,
}

/// What is special about a world.
pub(crate) struct Special {
    pub(crate) pebble: pebble::Settings,
    /// The zone, served at this address.
    pub(crate) zone: Box<dyn FnOnce(Ipv4Addr) -> Zone>,
    /// What the name server is told beside its zone and key.
    pub(crate) named: named::Setup,
    /// Whose TXT records may be changed.
    pub(crate) grants: Vec<&'static str>,
}

impl Default for Special {
    fn default() -> Self {
        // No nonce is refused and nothing is reused, so that requests can be counted.
        let pebble = pebble::Settings { nonce_reject: 0, ..pebble::Settings::default() };
        Self { pebble, zone: Box::new(previews), named: named::Setup::default(), grants: vec![CHALLENGE] }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Special::default())
    }

    /// Where Pebble refuses this many of a hundred nonces.
    pub(crate) fn refusing_nonces(percent: u8) -> Self {
        let special = Special::default();
        Self::with(Special {
            pebble: pebble::Settings { nonce_reject: percent, ..special.pebble },
            ..special
        })
    }

    pub(crate) fn with(special: Special) -> Self {
        let scratch = Scratch::new().expect("a folder");
        let at = free_address().expect("an address");
        let key = TsigKey::new("preview-key");
        let zone = special.grants.iter().fold((special.zone)(at), |zone, name| zone.grant(&key, name));
        let setup = special.named;
        let zones = std::iter::once(zone).chain(setup.zones).collect();
        let keys = std::iter::once(key.clone()).chain(setup.keys).collect();
        let named = Named::start(at, named::Setup { zones, keys, ..setup }).expect("BIND");
        let dns = special.pebble.dns.unwrap_or(named.place());
        let pebble = Pebble::start(&pebble::Settings { dns: Some(dns), ..special.pebble }).expect("Pebble");
        let front = Front::start(&pebble).expect("a front");
        scratch.write("tsig.secret", &key.secret).expect("written");
        close(&scratch.join("tsig.secret"));
        Self { front, pebble, named, key, scratch }
    }

    /// A configuration for `*.preview.test` by this authority, with updates to this name server.
    pub(crate) fn config(&self) -> Value {
        let state = self.scratch.path().display().to_string();
        let place = || format!("127.0.0.1:{}", free_port_outside().expect("a port"));
        json!({
            "public_url_template": "https://{name}.preview.test",
            "state_dir": state,
            "edge": {
                "http": place(),
                "https": place(),
                "metrics": { "listen": place() },
                "state_dir": self.state_dir(),
                "daemon": format!("{state}/run/edge.sock"),
                "limits": { "misses_per_minute": 1_000_000, "drain": "1s" },
                "tls": { "mode": "acme" },
                "acme": {
                    "directory": self.front.directory(),
                    "ca_roots_file": self.front.roots_file(),
                    "contact": "mailto:operator@preview.test",
                    "accept_tos": true,
                    "solver": "rfc2136",
                    "zone": ZONE,
                    "resolvers": [self.named.place().to_string()],
                    // A test's folder may lie in memory; what is done about that is a test of its own.
                    "allow_ephemeral_state": true,
                    "rfc2136": {
                        "server": self.named.place().to_string(),
                        "key_name": self.key.name,
                        "secret_file": self.scratch.join("tsig.secret"),
                    },
                },
            },
        })
    }

    /// Where an edge of that configuration keeps its state.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.scratch.join("edge")
    }

    /// The same with these keys below `edge.acme`.
    pub(crate) fn config_with(&self, acme: Value) -> Value {
        let mut config = self.config();
        merge(&mut config["edge"]["acme"], acme);
        config
    }

    /// The root that certificates lead to: PEM.
    pub(crate) fn issuing_root(&self) -> Vec<u8> {
        std::fs::read(self.pebble.issuing_root().expect("Pebble tells")).expect("a file")
    }

    /// The TXT values at the challenge's name.
    pub(crate) fn left(&self) -> Vec<String> {
        self.named.txt(CHALLENGE).expect("BIND answers")
    }
}

/// How long a certificate may take from nothing, on a loaded machine, with the timers that are shipped.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The zone as most have it.
pub(crate) fn previews(at: Ipv4Addr) -> Zone {
    Zone::primary(ZONE, &[at]).record("@ A 127.0.0.1").record("* A 127.0.0.1")
}

/// Puts `more` into `into`, object by object.
pub(crate) fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

/// Closes a secret to others.
pub(crate) fn close(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).expect("mine");
}
