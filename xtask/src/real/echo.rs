//! An app that sends back what it gets: requests, bodies, WebSocket messages, events on demand.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::fixture::{Fixture, Registry};
use super::{Certificate, Process, Scratch};

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
        let process = node(&dir, &["server.mjs", &port.to_string(), address])?;
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

/// What one types after `preview run --` to start the server, from a folder in `scratch`; `{port}` stands for
/// the port.
pub fn command(scratch: &Scratch) -> Result<Vec<String>> {
    let dir = scratch.join(FIXTURE.name);
    FIXTURE.checkout(&dir)?;
    Ok(vec!["node".to_owned(), dir.join("server.mjs").display().to_string(), "{port}".to_owned()])
}

/// A client that says `hello` over a WebSocket and prints what happens, from a folder in `scratch`; its arguments
/// follow (`xtask/real/echo/ws-client.mjs`).
pub fn ws_client(scratch: &Scratch) -> Result<Vec<String>> {
    let dir = scratch.join(FIXTURE.name);
    if !dir.exists() {
        FIXTURE.checkout(&dir)?;
    }
    Ok(vec!["node".to_owned(), dir.join("ws-client.mjs").display().to_string()])
}

/// Serves one page over TLS, by HTTP/2 with extended CONNECT or by HTTP/1.1, from a folder in `scratch`: it sets
/// cookies of each kind, shows those it got back, and opens a WebSocket.
pub fn serve_tls(port: u16, certificate: &Certificate, scratch: &Scratch) -> Result<Process> {
    let dir = scratch.join(FIXTURE.name);
    FIXTURE.checkout(&dir)?;
    let (chain, key) = (certificate.chain.to_string_lossy(), certificate.key.to_string_lossy());
    node(&dir, &["tls.mjs", &port.to_string(), &chain, &key])
}

fn node(dir: &Path, words: &[&str]) -> Result<Process> {
    let mut process = Process::spawn(Command::new("node").args(words).current_dir(dir))?;
    process.wait_for_line("listening", Duration::from_secs(30))?;
    Ok(process)
}
