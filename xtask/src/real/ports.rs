//! Ports nobody else uses, also not a test that runs at the same time in another process.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

/// Where dev servers listen: inside the product's default `ports.allow`, clear of its edges.
const ATTACHABLE: RangeInclusive<u16> = 4000..=9899;

/// Where our own edges and daemons listen: outside `ports.allow`, below the ephemeral ports.
const OUTSIDE: RangeInclusive<u16> = 10_100..=30_000;

/// Never handed out: the product's default `ports.deny`, defaults of dev servers and of the product
/// itself, which a test may want for its own sake, and what Chromium refuses as unsafe.
const RESERVED: &[u16] = &[
    4045, 4190, 4200, 4321, 5000, 5060, 5061, 5173, 5174, 5432, 6000, 6379, 6566, 6665, 6666, 6667, 6668,
    6669, 6679, 6697, 7860, 8000, 8080, 8081, 8082, 8443, 8501, 8888, 9464, 9465,
];

/// Locks of the ports this process was given; the kernel drops them when it ends, however it ends.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A free port that a preview may be attached to; it stays this process's until the process ends.
pub fn free_port() -> Result<u16> {
    claim(ATTACHABLE)
}

/// A free port that no preview may be attached to: for edges, daemons, proxies.
pub fn free_port_outside() -> Result<u16> {
    claim(OUTSIDE)
}

fn claim(range: RangeInclusive<u16>) -> Result<u16> {
    let folder = lock_folder()?;
    let size = u32::from(range.end() - range.start()) + 1;
    // Processes that start together begin their search far from one another.
    let first = std::process::id().wrapping_mul(131) % size;
    for step in 0..size {
        let offset = u16::try_from((first + step) % size).context("a range of ports fits u16")?;
        let port = range.start() + offset;
        if RESERVED.contains(&port) {
            continue;
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(port.to_string()))?;
        if file.try_lock().is_ok() && is_free(port) {
            HELD.lock().map_err(|_| anyhow::anyhow!("a thread panicked while claiming a port"))?.push(file);
            return Ok(port);
        }
    }
    bail!("no free port in {range:?}: what listens there? (ss -tln)")
}

/// Whether nothing listens on the port, on either loopback or on all addresses.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
        && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        && (TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok() || !has_ipv6())
}

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn lock_folder() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join("preview-real-ports");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}
