//! Questions to `sock_diag` and its answers, in the kernel's form.

use std::net::{IpAddr, SocketAddr};

use netlink_packet_core::{
    DecodeError, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP, TCP_LISTEN};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags};

use crate::SocketSeen;

/// `linux/inet_diag.h`; the attribute came with Linux 5.9.
const INET_DIAG_CGROUP_ID: u16 = 21;
/// The kernel's `LOOPBACK_IFINDEX`: `lo` has this index in every network namespace. Asked with it, a socket bound
/// to the device `lo` is found where it would get the connection.
const LOOPBACK_INTERFACE: u32 = 1;

/// One message of an answer.
pub(crate) enum Answer {
    /// A socket; the second says that it listens.
    Socket(SocketSeen, bool),
    /// There is no more.
    Done,
    /// The kernel's refusal, as an errno.
    Error(i32),
    /// Of no interest.
    Other,
}

/// An answer's message with what its header says.
pub(crate) struct Message {
    /// Which question it answers.
    pub(crate) sequence: u32,
    /// How many bytes of the buffer it takes, with padding.
    pub(crate) taken: usize,
    /// Sockets came or went while a dump ran: it may have left out some.
    pub(crate) interrupted: bool,
    /// What it says.
    pub(crate) answer: Answer,
}

/// Asks for the socket that has, or would get, a connection from `from` to `to`.
pub(crate) fn one(sequence: u32, to: SocketAddr, from: Option<SocketAddr>) -> Vec<u8> {
    let interface_id = if to.ip().is_loopback() { LOOPBACK_INTERFACE } else { 0 };
    let mut socket_id = SocketId { interface_id, ..unspecific(to.ip()) };
    socket_id.source_address = to.ip();
    socket_id.source_port = to.port();
    if let Some(from) = from {
        socket_id.destination_address = from.ip();
        socket_id.destination_port = from.port();
    }
    write(sequence, NLM_F_REQUEST, family(to.ip()), StateFlags::all(), socket_id)
}

/// Asks for all listening sockets of the family of `like`.
pub(crate) fn all(sequence: u32, like: IpAddr) -> Vec<u8> {
    write(sequence, NLM_F_REQUEST | NLM_F_DUMP, family(like), StateFlags::LISTEN, unspecific(like))
}

/// Reads the first message of an answer.
pub(crate) fn read(bytes: &[u8]) -> Result<Message, DecodeError> {
    let message = NetlinkMessage::<SockDiagMessage>::deserialize(bytes)?;
    let answer = match message.payload {
        NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
            Answer::Socket(seen(&response), response.header.state == TCP_LISTEN)
        }
        NetlinkPayload::Done(_) => Answer::Done,
        NetlinkPayload::Error(error) => Answer::Error(error.raw_code().abs()),
        _ => Answer::Other,
    };
    let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
    Ok(Message {
        sequence: message.header.sequence_number,
        taken: length.next_multiple_of(4),
        interrupted: message.header.flags & NLM_F_DUMP_INTR != 0,
        answer,
    })
}

fn write(sequence: u32, flags: u16, family: u8, states: StateFlags, socket_id: SocketId) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = sequence;
    let extensions = ExtensionFlags::empty();
    let request = InetRequest { family, protocol: IPPROTO_TCP, extensions, states, socket_id };
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn seen(response: &InetResponse) -> SocketSeen {
    let header = &response.header;
    let cgroup = response.nlas.iter().find_map(|nla| match nla {
        Nla::Other(other) => cgroup(other),
        _ => None,
    });
    SocketSeen {
        bound: SocketAddr::new(header.socket_id.source_address, header.socket_id.source_port),
        v6_only: response.nlas.iter().any(|nla| matches!(nla, Nla::SkV6Only(true))),
        uid: header.uid,
        inode: header.inode.into(),
        cgroup,
    }
}

fn cgroup(nla: &impl netlink_packet_core::Nla) -> Option<u64> {
    let mut value = [0; 8];
    let is_cgroup = nla.kind() == INET_DIAG_CGROUP_ID && nla.value_len() == value.len();
    is_cgroup.then(|| {
        nla.emit_value(&mut value);
        u64::from_ne_bytes(value)
    })
}

/// An id that fits every socket of the family; all ones is the cookie that is not looked at.
fn unspecific(like: IpAddr) -> SocketId {
    let id = if like.is_ipv4() { SocketId::new_v4() } else { SocketId::new_v6() };
    SocketId { cookie: [0xff; 8], ..id }
}

fn family(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { AF_INET } else { AF_INET6 }
}
