//! Binding: every thread its own socket on the same address, and no other process any.
//!
//! `SO_REUSEPORT` lets any process of the same user share an address, and the kernel would silently give it half of
//! the connections. So an address is first bound without it, which fails if anybody listens there, and a name that
//! only one process can hold keeps a second edge from doing the same at the same moment.

use std::io;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use thiserror::Error;

use crate::config::Listen;

/// Connections that wait to be accepted, per socket; the kernel takes `net.core.somaxconn` if that is less.
const BACKLOG: i32 = 4_096;
/// A client that vanished without a word is found after about two minutes.
const KEEP_ALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_mins(1))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);

/// Sockets on all addresses of one door.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The addresses, with the ports that the system chose where 0 was asked for.
    pub(crate) addresses: Vec<SocketAddr>,
    /// For each thread one socket per address.
    pub(crate) threads: Vec<Vec<std::net::TcpListener>>,
    /// Held as long as the sockets.
    pub(crate) claims: Vec<Option<UnixListener>>,
}

impl Bound {
    /// A door that is not there.
    pub(crate) fn nowhere(threads: usize) -> Self {
        let none = || (0..threads).map(|_| Vec::new()).collect();
        Self { addresses: Vec::new(), threads: none(), claims: Vec::new() }
    }
}

/// An address that cannot be listened on.
#[derive(Debug, Error)]
pub enum BindError {
    /// Somebody listens there.
    #[error("{0} is in use: another program listens there; stop it, or choose another port")]
    InUse(SocketAddr),
    /// An edge listens there.
    #[error("{0} is in use by another edge (state_in_use); stop it, or choose another port")]
    OtherEdge(SocketAddr),
    /// The system says no.
    #[error("cannot listen on {0} ({1})")]
    Io(SocketAddr, io::Error),
    /// None of its addresses exists on this host.
    #[error("{0}: this host has no such address")]
    NoAddress(Listen),
}

/// Binds `listen` once for each of `threads`.
pub(crate) fn bind(listen: Listen, threads: usize) -> Result<Bound, BindError> {
    let mut bound = Bound::nowhere(threads);
    let mut port = listen.port;
    for mut address in listen.addresses() {
        // The second loopback gets the port that the system chose on the first.
        address.set_port(port);
        let probe = match probe(address) {
            Ok(probe) => probe,
            Err(error) if lacks_address(&error) => continue,
            Err(error) => return Err(failed(address, error)),
        };
        let io = |error| failed(address, error);
        let actual = probe.local_addr().map_err(io)?.as_socket().unwrap_or(address);
        port = actual.port();
        bound.claims.push(claim(actual)?);
        drop(probe);
        for listeners in &mut bound.threads {
            let socket = socket(actual, true).map_err(io)?;
            socket.listen(BACKLOG).map_err(io)?;
            listeners.push(socket.into());
        }
        bound.addresses.push(actual);
    }
    if bound.addresses.is_empty() { Err(BindError::NoAddress(listen)) } else { Ok(bound) }
}

/// Fails if anybody listens on the address, whether they share it or not.
fn probe(address: SocketAddr) -> io::Result<Socket> {
    let socket = socket(address, false)?;
    socket.listen(1)?;
    Ok(socket)
}

/// A bound socket whose options its connections inherit.
fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&KEEP_ALIVE)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Takes the name that stands for the address among edges of this user. A name that another user holds is
/// nothing to us: they cannot share our address.
fn claim(address: SocketAddr) -> Result<Option<UnixListener>, BindError> {
    let io = |error| BindError::Io(address, error);
    let name = format!("preview-edge/{}/{address}", geteuid().as_raw());
    let name = UnixAddr::from_abstract_name(name).map_err(io)?;
    match UnixListener::bind_addr(&name) {
        Ok(claim) => Ok(Some(claim)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let holder = UnixStream::connect_addr(&name).and_then(|it| Ok(socket_peercred(&it)?.uid));
            match holder {
                Ok(uid) if uid != geteuid() => Ok(None),
                _ => Err(BindError::OtherEdge(address)),
            }
        }
        Err(error) => Err(io(error)),
    }
}

fn lacks_address(error: &io::Error) -> bool {
    let none = [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT];
    none.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn failed(address: SocketAddr, error: io::Error) -> BindError {
    match error.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address),
        _ => BindError::Io(address, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_an_address_that_nobody_else_gets() {
        let bound = bind(localhost(0), 2).expect("a free port");
        assert!(bound.threads.iter().all(|listeners| listeners.len() == bound.addresses.len()));
        let port = bound.addresses[0].port();
        assert!(bound.addresses.iter().all(|address| address.port() == port));
        assert!(matches!(bind(localhost(port), 1), Err(BindError::InUse(_))));
    }

    #[test]
    fn two_edges_that_start_at_once_do_not_share_either() {
        let address = "127.0.0.1:1".parse().expect("an address");
        let _first = claim(address).expect("free");
        assert!(matches!(claim(address), Err(BindError::OtherEdge(_))));
    }

    fn localhost(port: u16) -> Listen {
        Listen { host: crate::config::ListenHost::Localhost, port }
    }
}
