//! Debian's Caddy.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::fixture::run;
use super::{Process, Scratch};

/// How long it may take to listen.
const START: Duration = Duration::from_secs(30);

/// A running Caddy.
#[derive(Debug)]
pub struct Caddy {
    process: Process,
    _home: Scratch,
}

impl Caddy {
    /// Starts it with this Caddyfile, and waits until it listens on the port.
    pub fn start(config: &Path, port: u16) -> Result<Self> {
        let home = Scratch::new()?;
        let mut process = Process::spawn(&command("run", config, home.path()))?;
        process.wait_for_port(port, START)?;
        Ok(Self { process, _home: home })
    }

    /// What it wrote.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }
}

/// Whether it takes a Caddyfile; its words if not.
pub fn check(config: &Path) -> Result<()> {
    let home = Scratch::new()?;
    run(&mut command("validate", config, home.path()))
}

fn command(verb: &str, config: &Path, home: &Path) -> Command {
    let mut command = Command::new("caddy");
    command.args([verb, "--adapter", "caddyfile", "--config"]).arg(config).env("HOME", home);
    for name in ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "CADDY_ADMIN"] {
        command.env_remove(name);
    }
    command
}
