//! Debian's `HAProxy`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::Process;
use super::fixture::run;

/// How long it may take to listen.
const START: Duration = Duration::from_secs(30);

/// Starts it with this configuration, and waits until it listens on the port.
pub fn start(config: &Path, port: u16) -> Result<Process> {
    let mut process = Process::spawn(Command::new("haproxy").arg("-db").arg("-f").arg(config))?;
    process.wait_for_port(port, START)?;
    Ok(process)
}

/// Whether it takes a configuration; its words if not.
pub fn check(config: &Path) -> Result<()> {
    run(Command::new("haproxy").arg("-c").arg("-f").arg(config))
}
