//! A server of a test, and those who ask it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::ops::Deref;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, Record, RecordType};
use preview_core::clock::Wall;
use xtask::real::{free_address, poll_for};

use crate::cert::Failure;
use crate::config::{Dns, DnsMode};
use crate::dns::{self, Server};

pub(super) const CHALLENGE: &str = "_acme-challenge.preview.example.test";
/// How long an answer may take on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// More than a test asks for.
pub(super) const UNLIMITED: u32 = 1_000_000;

/// In challenge mode, for a wildcard with its apex and one further name.
pub(super) fn challenge() -> Dns {
    Dns {
        listen: vec![SocketAddr::new(free_address().expect("a free address").into(), 53)],
        ns: vec!["acme-ns.example.test".to_owned()],
        mode: DnsMode::Challenge,
        base: "preview.example.test".to_owned(),
        addresses: Vec::new(),
        rate: UNLIMITED,
    }
}

/// In zone mode, with two edges that have IPv4 alone.
pub(super) fn zone() -> Dns {
    Dns {
        ns: ["ns1.preview.example.test", "ns2.dns.preview.example.test", "ns.elsewhere.test"]
            .map(str::to_owned)
            .into(),
        mode: DnsMode::Zone,
        addresses: vec![v4(1), v4(2)],
        ..challenge()
    }
}

pub(super) fn v4(host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, host))
}

/// For names of the base, and one beside it.
pub(super) fn start(dns: &Dns) -> Served {
    try_to_start(dns).expect("starts")
}

/// At a port that was taken until now: a program that another test starts holds our sockets until it is one.
pub(super) fn start_again(dns: &Dns) -> Served {
    poll_for("the port", PATIENCE, || try_to_start(dns).ok()).expect("is left")
}

fn try_to_start(dns: &Dns) -> Result<Served, Failure> {
    with_alias(dns, None)
}

pub(super) fn with_alias(dns: &Dns, alias: Option<&str>) -> Result<Served, Failure> {
    let names = ["*.preview.example.test", "preview.example.test", "daemon.example.test"].map(str::to_owned);
    let server = dns::start(dns, &names, alias, Wall::from_millis(1_800_000_000_000))?;
    Ok(Served { server, at: dns.listen[0] })
}

/// A server, and its only address.
pub(super) struct Served {
    server: Server,
    at: SocketAddr,
}

impl Deref for Served {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

pub(super) fn at(server: &Served) -> SocketAddr {
    server.at
}

/// A question as resolvers ask it: with EDNS and no wish for recursion.
pub(super) fn question(name: &str, kind: RecordType) -> Message {
    let mut message = plain(name, kind);
    message.set_edns(Edns::new().set_max_payload(1_232).clone());
    message
}

/// The same without EDNS.
pub(super) fn plain(name: &str, kind: RecordType) -> Message {
    static NUMBER: AtomicU16 = AtomicU16::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut message = Message::new(number, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(format!("{name}.")).expect("a name"), kind));
    message
}

pub(super) fn bytes(message: &Message) -> Vec<u8> {
    message.to_vec().expect("a message")
}

pub(super) fn read(bytes: &[u8]) -> Message {
    Message::from_vec(bytes).unwrap_or_else(|error| panic!("no message: {error}: {bytes:02x?}"))
}

/// The answer by UDP and by TCP; both must say the same.
pub(super) fn ask(at: SocketAddr, question: &Message) -> Message {
    let by_udp = Asker::udp(at).ask(&bytes(question)).expect("an answer");
    let by_tcp = Asker::tcp(at).ask(&bytes(question)).expect("an answer");
    assert_eq!(by_udp, by_tcp, "{question}");
    read(&by_udp)
}

/// `NAME TTL TYPE DATA` of each record.
pub(super) fn lines(records: &[Record]) -> Vec<String> {
    let line =
        |record: &Record| format!("{} {} {} {}", record.name, record.ttl, record.record_type(), record.data);
    records.iter().map(line).collect()
}

/// A client with a socket of its own.
pub(super) enum Asker {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Asker {
    pub(super) fn udp(at: SocketAddr) -> Self {
        let own = if at.is_ipv4() { "127.0.0.1" } else { "::1" };
        let socket = UdpSocket::bind((own, 0)).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        socket.connect(at).expect("an address");
        Self::Udp(socket)
    }

    pub(super) fn tcp(at: SocketAddr) -> Self {
        let stream = TcpStream::connect(at).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_nodelay(true).expect("an option");
        Self::Tcp(stream)
    }

    pub(super) fn ask(&mut self, packet: &[u8]) -> io::Result<Vec<u8>> {
        self.send(packet)?;
        self.receive()
    }

    pub(super) fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(packet).map(drop),
            Self::Tcp(stream) => stream.write_all(&framed(packet)),
        }
    }

    pub(super) fn receive(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Udp(socket) => {
                let mut packet = vec![0; 65_535];
                let length = socket.recv(&mut packet)?;
                packet.truncate(length);
                Ok(packet)
            }
            Self::Tcp(stream) => {
                let mut length = [0; 2];
                stream.read_exact(&mut length)?;
                let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut packet)?;
                Ok(packet)
            }
        }
    }
}

/// A message as it stands in a connection (RFC 1035 §4.2.2).
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("a short message");
    [length.to_be_bytes().as_slice(), message].concat()
}
