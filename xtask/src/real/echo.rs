//! An app that sends back what it gets: requests, bodies, WebSocket messages, events on demand.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::fixture::{Fixture, Registry};
use super::{Process, Scratch};

pub(super) const FIXTURE: Fixture = Fixture { name: "echo", registry: Registry::Npm };

/// A running echo server; `xtask/real/echo/server.mjs` lists its paths.
#[derive(Debug)]
pub struct EchoServer {
    process: Process,
    port: u16,
    _folder: Scratch,
}

impl EchoServer {
    /// Starts it on 127.0.0.1.
    pub fn start(port: u16) -> Result<Self> {
        Self::start_at("127.0.0.1", port)
    }

    /// Starts it on an address such as `::1` or `0.0.0.0`.
    pub fn start_at(address: &str, port: u16) -> Result<Self> {
        let folder = Scratch::new()?;
        let dir = folder.join(FIXTURE.name);
        FIXTURE.checkout(&dir)?;
        let mut command = Command::new("node");
        command.args(["server.mjs", &port.to_string(), address]).current_dir(dir);
        let mut process = Process::spawn(&command)?;
        process.wait_for_line("listening", Duration::from_secs(30)).context("the echo server")?;
        Ok(Self { process, port, _folder: folder })
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The program, to signal or kill it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
