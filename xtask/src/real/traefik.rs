//! Traefik, repackaged for PyPI: Debian has none.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::fixture::{Fixture, Registry};
use super::{Process, Scratch, poll};

pub(super) const FIXTURE: Fixture = Fixture { name: "traefik", registry: Registry::Pip };

/// How long it may take to listen, and to have read where requests go.
const START: Duration = Duration::from_mins(1);

/// A running Traefik.
#[derive(Debug)]
pub struct Traefik {
    process: Process,
    _home: Scratch,
}

impl Traefik {
    /// Starts it with this static configuration, and waits until it listens on the port.
    pub fn start(config: &Path, port: u16) -> Result<Self> {
        let program = FIXTURE.install()?.join(".venv/bin/traefik");
        let home = Scratch::new()?;
        let config = format!("--configFile={}", config.display());
        let mut process = Process::spawn(Command::new(program).arg(config).env("HOME", home.path()))?;
        process.wait_for_port(port, START)?;
        Ok(Self { process, _home: home })
    }

    /// Waits until `look` finds something. Traefik listens before it has its certificates and knows where requests
    /// go, so what fails until then is asked again.
    pub fn wait_for<T>(&mut self, what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let found = poll(what, START, || match self.process.try_wait()? {
            Some(status) => bail!("Traefik ended: {status}"),
            None => Ok(look().ok().flatten()),
        });
        found.with_context(|| format!("Traefik wrote: {}", self.process.output()))
    }

    /// What it wrote.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }
}
