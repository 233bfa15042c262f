//! Binding UDP and TCP at each address, and naming whoever is there already.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use procfs::ProcResult;
use procfs::net::TcpState;
use procfs::process::{FDTarget, Process, all_processes};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::message::Proto;
use crate::cert::Failure;

/// Connections that wait to be accepted, at each address.
const BACKLOG: i32 = 128;

/// Bound sockets, not blocking.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    /// In the order of the addresses.
    pub(super) udp: Vec<UdpSocket>,
    /// The same.
    pub(super) tcp: Vec<TcpListener>,
    /// With the port that the system chose where 0 was asked for.
    pub(super) addresses: Vec<SocketAddr>,
}

/// Binds all of `listen`, or nothing.
pub(super) fn bind(listen: &[SocketAddr]) -> Result<Sockets, Failure> {
    let mut sockets = Sockets::default();
    for address in listen {
        let tcp: TcpListener =
            socket(*address, Proto::Tcp).map_err(|it| failed(*address, Proto::Tcp, &it))?.into();
        let address = tcp.local_addr().map_err(|it| failed(*address, Proto::Tcp, &it))?;
        let udp = socket(address, Proto::Udp).map_err(|it| failed(address, Proto::Udp, &it))?;
        sockets.udp.push(udp.into());
        sockets.tcp.push(tcp);
        sockets.addresses.push(address);
    }
    Ok(sockets)
}

fn socket(address: SocketAddr, proto: Proto) -> io::Result<Socket> {
    let (kind, protocol) = match proto {
        Proto::Udp => (Type::DGRAM, Protocol::UDP),
        Proto::Tcp => (Type::STREAM, Protocol::TCP),
    };
    let socket = Socket::new(Domain::for_address(address), kind.nonblocking(), Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if proto == Proto::Tcp {
        // Connections of a process before us may linger. With UDP it would let another process take half of ours.
        socket.set_reuse_address(true)?;
        socket.set_tcp_nodelay(true)?;
    }
    socket.bind(&address.into())?;
    if proto == Proto::Tcp {
        socket.listen(BACKLOG)?;
    }
    Ok(socket)
}

fn failed(address: SocketAddr, proto: Proto, error: &io::Error) -> Failure {
    let is = |errno: Errno| error.raw_os_error() == Some(errno.raw_os_error());
    let reason = if is(Errno::ADDRINUSE) {
        holder(address, proto).unwrap_or_else(|| "another program is there already".to_owned())
    } else if is(Errno::ADDRNOTAVAIL) {
        "this host has no such address".to_owned()
    } else if is(Errno::ACCESS) {
        "ports below 1024 need the capability CAP_NET_BIND_SERVICE".to_owned()
    } else {
        error.to_string()
    };
    Failure::DnsBind { at: address.to_string(), reason }
}

/// Who is in the way at `address`: program, process and where exactly it is bound.
fn holder(address: SocketAddr, proto: Proto) -> Option<String> {
    let (bound, uid, inode) = bound(proto).ok()?.into_iter().find(|(bound, ..)| clash(*bound, address))?;
    let by = match proto {
        Proto::Udp => "UDP",
        Proto::Tcp => "TCP",
    };
    let who = match program(inode) {
        Some((name, pid)) => format!("{name} (process {pid})"),
        // The processes of others are closed to all but root.
        None => format!("a program of user {uid}"),
    };
    Some(format!("{who} has {bound} by {by}"))
}

fn clash(bound: SocketAddr, wanted: SocketAddr) -> bool {
    let all = bound.ip().is_unspecified() || wanted.ip().is_unspecified();
    // `::` may take IPv4 as well.
    let family = bound.is_ipv4() == wanted.is_ipv4() || bound.ip() == IpAddr::from([0_u16; 8]);
    bound.port() == wanted.port() && (bound.ip() == wanted.ip() || (all && family))
}

fn bound(proto: Proto) -> ProcResult<Vec<(SocketAddr, u32, u64)>> {
    Ok(match proto {
        Proto::Udp => {
            let all = procfs::net::udp()?.into_iter().chain(procfs::net::udp6()?);
            all.map(|it| (it.local_address, it.uid, it.inode)).collect()
        }
        Proto::Tcp => {
            let all = procfs::net::tcp()?.into_iter().chain(procfs::net::tcp6()?);
            let listening = all.filter(|it| it.state == TcpState::Listen);
            listening.map(|it| (it.local_address, it.uid, it.inode)).collect()
        }
    })
}

/// The name and number of a process that has the socket.
fn program(inode: u64) -> Option<(String, i32)> {
    let has = |process: &Process| {
        let mut open = process.fd().ok()?.filter_map(Result::ok);
        open.any(|it| matches!(it.target, FDTarget::Socket(its) if its == inode)).then_some(())
    };
    let mut processes = all_processes().ok()?.filter_map(Result::ok);
    processes.find_map(|process| {
        has(&process)?;
        Some((process.stat().ok()?.comm, process.pid))
    })
}
