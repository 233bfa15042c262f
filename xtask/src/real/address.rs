//! Loopback addresses nobody else uses: DNS servers need port 53, so each gets an address of its own.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

/// The port of DNS (RFC 1035 §4.2).
pub const DNS_PORT: u16 = 53;

/// How many addresses there are: 127.53.0.1 to 127.53.255.254.
const ADDRESSES: u32 = 65_534;

/// How many of them, the first, the loopback interface is given before the suite begins. A browser takes a change of
/// any interface for one of its network and drops what it is loading (`ERR_NETWORK_CHANGED`), sockets too.
const POOL: u32 = 64;

/// Locks of the addresses this process was given; the kernel drops them when it ends, however it ends.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A loopback address whose port 53 is free by UDP and TCP; it stays this process's until the process ends.
pub fn free_address() -> Result<Ipv4Addr> {
    let folder = lock_folder()?;
    // Processes that start together begin their search far from one another.
    let first = std::process::id().wrapping_mul(131);
    let pool = (0..POOL).map(|step| first.wrapping_add(step) % POOL);
    let others = (0..ADDRESSES).map(|step| (first % ADDRESSES + step) % ADDRESSES);
    for nth in pool.chain(others) {
        let address = nth_address(nth)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(address.to_string()))?;
        if file.try_lock().is_ok() && is_free(address)? {
            HELD.lock()
                .map_err(|_| anyhow::anyhow!("a thread panicked while claiming an address"))?
                .push(file);
            return Ok(address);
        }
    }
    bail!("no free address in 127.53.0.0/16: what listens there? (ss -lnp)")
}

/// Gives the loopback interface the addresses that [`free_address`] hands out first. They stay until the host is
/// started anew.
///
/// # Errors
/// When the user may not do so: root may, or who has `CAP_NET_ADMIN`.
pub fn give_pool() -> Result<()> {
    for nth in 0..POOL {
        give(nth_address(nth)?)?;
    }
    Ok(())
}

/// An address that the loopback interface has been given: `named` binds none that no interface has, although
/// all of 127.0.0.0/8 is bindable without.
#[derive(Debug)]
pub(super) struct Assigned {
    address: Ipv4Addr,
    /// Whether it had it before, and keeps it.
    stays: bool,
}

impl Assigned {
    pub(super) fn new(address: Ipv4Addr) -> Result<Self> {
        Ok(Self { address, stays: !give(address)? })
    }
}

impl Drop for Assigned {
    fn drop(&mut self) {
        if !self.stays {
            let _lock = interfaces_lock();
            let _ = ip("del", self.address).output();
        }
    }
}

/// Gives the loopback interface an address, and says whether it had not had it.
fn give(address: Ipv4Addr) -> Result<bool> {
    let _lock = interfaces_lock()?;
    let output = ip("add", address).output().context("cannot run ip (Debian: iproute2)")?;
    let text = String::from_utf8_lossy(&output.stderr);
    // The kernel's own words where it has some, else those of EEXIST.
    let has_it = text.contains("already assigned") || text.contains("File exists");
    if !output.status.success() && !has_it {
        bail!("cannot give {address} to the loopback interface (root, or CAP_NET_ADMIN, may): {text}");
    }
    Ok(output.status.success())
}

/// Held by whoever changes the addresses of interfaces, and by whoever lists them: a list that is made while they
/// change may lack some that are there.
pub(super) fn interfaces_lock() -> Result<File> {
    let lock = File::create(lock_folder()?.join("interfaces"))?;
    lock.lock()?;
    Ok(lock)
}

/// Of those there are, counted from 0.
fn nth_address(nth: u32) -> Result<Ipv4Addr> {
    let [third, fourth] = u16::try_from(nth + 1).context("an offset fits u16")?.to_be_bytes();
    Ok(Ipv4Addr::new(127, 53, third, fourth))
}

fn ip(verb: &str, address: Ipv4Addr) -> Command {
    let mut command = Command::new("ip");
    command.args(["address", verb, &format!("{address}/32"), "dev", "lo"]);
    command
}

/// Whether nothing listens on the address's port 53.
fn is_free(address: Ipv4Addr) -> Result<bool> {
    let bound = UdpSocket::bind((address, DNS_PORT))
        .and_then(|udp| TcpListener::bind((address, DNS_PORT)).map(|tcp| (udp, tcp)));
    match bound {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            bail!("port {DNS_PORT} may not be bound: run as root, or with CAP_NET_BIND_SERVICE")
        }
        Err(_) => Ok(false),
    }
}

fn lock_folder() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join("preview-real-addresses");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}
