//! The conversation with the kernel.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use netlink_packet_core::DecodeError;
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use thiserror::Error;

use crate::SocketSeen;
use crate::message::{self, Answer};

/// Bytes; the kernel fills a dump's datagrams to at most this.
const DATAGRAM: usize = 32 * 1024;
/// How often a dump is begun anew because sockets came and went while it ran.
const DUMPS: u32 = 4;
/// The errno of a look-up that finds no socket.
const ENOENT: i32 = 2;

/// An open line to the kernel, to be kept and used again.
#[derive(Debug)]
pub struct Diag {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

/// The kernel did not answer as it should.
#[derive(Debug, Error)]
pub enum DiagError {
    /// It refused; EACCES or EPROTONOSUPPORT mean that a sandbox forbids `AF_NETLINK` sockets.
    #[error("the kernel does not tell about sockets (sock_diag; a sandbox must allow AF_NETLINK)")]
    Io(#[source] io::Error),
    /// Its answer makes no sense.
    #[error("the kernel's answer about sockets makes no sense")]
    Answer(#[source] DecodeError),
}

impl Diag {
    /// Opens a line.
    ///
    /// # Errors
    /// [`DiagError::Io`] if the kernel gives none.
    pub fn open() -> Result<Self, DiagError> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG).map_err(DiagError::Io)?;
        socket.bind_auto().map_err(DiagError::Io)?;
        socket.connect(&netlink_sys::SocketAddr::new(0, 0)).map_err(DiagError::Io)?;
        Ok(Self { socket, sequence: 0, buffer: Vec::with_capacity(DATAGRAM) })
    }

    /// The listening socket that would get a connection to `to` now, wildcards included. Where several share the
    /// address by `SO_REUSEPORT` it is one of them.
    ///
    /// # Errors
    /// [`DiagError`]; that nothing listens is `None`.
    pub fn listener(&mut self, to: SocketAddr) -> Result<Option<SocketSeen>, DiagError> {
        Ok(self.one(to, None)?.filter(|(_, listens)| *listens).map(|(socket, _)| socket))
    }

    /// The server's end of a connection from `client` to `server`, as soon as it is established: uid and cgroup
    /// are those of the listener that got it, even before anybody accepts it.
    ///
    /// # Errors
    /// [`DiagError`]; that there is no such connection is `None`.
    pub fn server_end(
        &mut self,
        server: SocketAddr,
        client: SocketAddr,
    ) -> Result<Option<SocketSeen>, DiagError> {
        Ok(self.one(server, Some(client))?.filter(|(_, listens)| !listens).map(|(socket, _)| socket))
    }

    /// All listening sockets of this network namespace.
    ///
    /// # Errors
    /// [`DiagError`].
    pub fn listening(&mut self) -> Result<Vec<SocketSeen>, DiagError> {
        let mut all = self.dump(Ipv4Addr::UNSPECIFIED.into())?;
        all.extend(self.dump(Ipv6Addr::UNSPECIFIED.into())?);
        Ok(all)
    }

    fn one(
        &mut self,
        to: SocketAddr,
        from: Option<SocketAddr>,
    ) -> Result<Option<(SocketSeen, bool)>, DiagError> {
        self.sequence = self.sequence.wrapping_add(1);
        self.send(&message::one(self.sequence, to, from))?;
        let mut found = None;
        self.receive(|socket, listens| {
            found = Some((socket, listens));
            true
        })?;
        Ok(found)
    }

    fn dump(&mut self, like: IpAddr) -> Result<Vec<SocketSeen>, DiagError> {
        let mut sockets = Vec::new();
        for _ in 0..DUMPS {
            sockets.clear();
            self.sequence = self.sequence.wrapping_add(1);
            self.send(&message::all(self.sequence, like))?;
            let whole = self.receive(|socket, _| {
                sockets.push(socket);
                false
            })?;
            if whole {
                break;
            }
        }
        Ok(sockets)
    }

    fn send(&self, question: &[u8]) -> Result<(), DiagError> {
        let sent = uninterrupted(|| self.socket.send(question, 0)).map_err(DiagError::Io)?;
        if sent == question.len() {
            return Ok(());
        }
        Err(DiagError::Io(io::ErrorKind::WriteZero.into()))
    }

    /// Hands the sockets of the answer to the last question to `take`, with whether they listen, until that says
    /// it is enough or there are no more; says whether none can be missing.
    fn receive(&mut self, mut take: impl FnMut(SocketSeen, bool) -> bool) -> Result<bool, DiagError> {
        let mut whole = true;
        loop {
            self.buffer.clear();
            uninterrupted(|| self.socket.recv(&mut self.buffer, 0)).map_err(DiagError::Io)?;
            let mut rest = self.buffer.as_slice();
            while !rest.is_empty() {
                let message = message::read(rest).map_err(DiagError::Answer)?;
                rest = rest.get(message.taken..).unwrap_or_default();
                // What an earlier question left behind.
                if message.sequence != self.sequence {
                    continue;
                }
                whole &= !message.interrupted;
                match message.answer {
                    Answer::Done | Answer::Error(0 | ENOENT) => return Ok(whole),
                    Answer::Error(errno) => {
                        return Err(DiagError::Io(io::Error::from_raw_os_error(errno)));
                    }
                    Answer::Socket(socket, listens) if take(socket, listens) => return Ok(whole),
                    Answer::Socket(..) | Answer::Other => {}
                }
            }
        }
    }
}

fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
