//! Pebble, BIND with the previews' zone, and a home whose configuration orders from them.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use xtask::real::{
    Front, Named, Pebble, Process, TsigKey, Zone, bin, free_address, free_port_outside, named, pebble,
};

use crate::home::{Home, SOON};

pub(crate) const ZONE: &str = "preview.test";
pub(crate) const CHALLENGE: &str = "_acme-challenge.preview.test";

/// An authority, a name server that takes updates, and somebody who runs an edge.
pub(crate) struct World {
    pub(crate) home: Home,
    pub(crate) front: Front,
    pub(crate) pebble: Pebble,
    pub(crate) named: Named,
    pub(crate) key: TsigKey,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|at| Zone::primary(ZONE, &[at]))
    }

    /// With another zone, which takes updates of the challenge.
    pub(crate) fn with(zone: impl FnOnce(Ipv4Addr) -> Zone) -> Self {
        let at = free_address().expect("an address");
        Self::at(at, zone(at))
    }

    /// At this address.
    pub(crate) fn at(at: Ipv4Addr, zone: Zone) -> Self {
        let home = Home::new();
        let (key, stranger) = (TsigKey::new("preview-key"), TsigKey::new("stranger"));
        let (zones, keys) = (vec![zone.grant(&key, CHALLENGE)], vec![key.clone(), stranger]);
        let named = Named::start(at, named::Setup { zones, keys, ..named::Setup::default() }).expect("BIND");
        let settings = pebble::Settings { dns: Some(named.place()), ..pebble::Settings::default() };
        let pebble = Pebble::start(&settings).expect("Pebble");
        let front = Front::start(&pebble).expect("a front");
        home.secret("tsig.secret", &key.secret);
        Self { home, front, pebble, named, key }
    }

    /// A configuration for `*.preview.test` by this authority, with updates to this name server.
    pub(crate) fn config(&self) -> Value {
        let place = || format!("127.0.0.1:{}", free_port_outside().expect("a port"));
        json!({
            "public_url_template": "https://{name}.preview.test",
            "state_dir": self.home.path().join("state"),
            "edge": {
                "http": place(),
                "https": place(),
                "metrics": { "listen": place() },
                "tls": { "mode": "acme" },
                "acme": {
                    "directory": self.front.directory(),
                    "ca_roots_file": self.front.roots_file(),
                    "accept_tos": true,
                    "solver": "rfc2136",
                    "zone": ZONE,
                    "resolvers": [self.named.place().to_string()],
                    // A test's folder may lie in memory.
                    "allow_ephemeral_state": true,
                    "propagation": { "timeout": "3s" },
                    "rfc2136": {
                        "server": self.named.place().to_string(),
                        "key_name": self.key.name,
                        "secret_file": self.home.path().join("tsig.secret"),
                    },
                },
            },
        })
    }

    /// The same with these keys below `edge.acme`.
    pub(crate) fn config_with(&self, acme: Value) -> Value {
        let mut config = self.config();
        merge(&mut config["edge"]["acme"], acme);
        config
    }

    /// Writes a configuration to where everything finds it.
    pub(crate) fn configure(&self, config: &Value) {
        let text = json!({ "web_preview": config }).to_string();
        self.home.write(".config/preview/config.yaml", &text);
    }

    /// The edge as a service, once it takes commands.
    pub(crate) fn edge(&self) -> Process {
        let mut command = Command::new(bin("preview-edge").expect("built"));
        command.current_dir(self.home.path()).env("HOME", self.home.path());
        let mut edge = Process::spawn(&command).expect("it starts");
        edge.wait_for_line("the edge serves", SOON).expect("it serves");
        edge
    }

    /// The TXT values at the challenge's name.
    pub(crate) fn left(&self) -> Vec<String> {
        self.named.txt(CHALLENGE).expect("BIND answers")
    }

    /// Installs a program that updates the name server as lego's `exec` is documented, and fails at `cleanup` as long
    /// as the file `broken` is there.
    pub(crate) fn hook(&self) -> PathBuf {
        let script = format!(
            "#!/bin/sh\ncase $1 in\npresent) update=\"add $2 1 TXT \\\"$3\\\"\" ;;\n\
             cleanup) [ -e {} ] && exit 3; update=\"delete $2 TXT \\\"$3\\\"\" ;;\nesac\n\
             nsupdate -y {}:{}:{} <<end\nserver {}\nzone {ZONE}\nupdate $update\nsend\nend\n",
            self.home.path().join("broken").display(),
            self.key.algorithm,
            self.key.name,
            self.key.secret,
            self.named.address,
        );
        let path = self.home.write("hook", &script);
        chmod(&path, 0o700);
        path
    }
}

impl Home {
    /// A file that nobody else can read.
    pub(crate) fn secret(&self, name: &str, content: &str) -> PathBuf {
        let path = self.write(name, content);
        chmod(&path, 0o600);
        path
    }
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("mine");
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
