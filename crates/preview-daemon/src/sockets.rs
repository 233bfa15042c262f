//! Who listens on this host now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use preview_core::listener::{Listener, Loopback};
use preview_core::ports::Port;
use preview_sockets::{Diag, DiagError, SocketSeen, receiving};

/// The daemon's line to the kernel; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Sockets {
    diag: Arc<Mutex<Diag>>,
}

/// All listening sockets at one moment, by port.
#[derive(Debug)]
pub(crate) struct Scan {
    by_port: HashMap<u16, Vec<SocketSeen>>,
}

impl Sockets {
    /// Opens the line.
    pub(crate) fn open() -> Result<Self, DiagError> {
        Ok(Self { diag: Arc::new(Mutex::new(Diag::open()?)) })
    }

    /// The socket that would get a connection to `listener` now. Takes microseconds.
    pub(crate) fn at(&self, listener: Listener) -> Result<Option<SocketSeen>, DiagError> {
        self.diag.lock().unwrap_or_else(PoisonError::into_inner).listener(listener.socket_addr())
    }

    /// All listening sockets; some milliseconds where there are thousands.
    pub(crate) async fn scan(&self) -> Result<Scan, DiagError> {
        let diag = Arc::clone(&self.diag);
        let look = move || diag.lock().unwrap_or_else(PoisonError::into_inner).listening();
        match tokio::task::spawn_blocking(look).await {
            Ok(all) => all.map(Scan::of),
            Err(error) => Err(DiagError::Io(std::io::Error::other(error))),
        }
    }
}

impl Scan {
    fn of(all: Vec<SocketSeen>) -> Self {
        let mut by_port: HashMap<u16, Vec<SocketSeen>> = HashMap::new();
        for socket in all {
            by_port.entry(socket.bound.port()).or_default().push(socket);
        }
        Self { by_port }
    }

    /// The sockets that would get a connection to `listener`: several only where one user's processes share it.
    pub(crate) fn at(&self, listener: Listener) -> Vec<SocketSeen> {
        self.by_port
            .get(&listener.port.get())
            .map(|sockets| receiving(sockets, listener.socket_addr()))
            .unwrap_or_default()
    }

    /// The loopback listeners that sockets with these inodes serve, in the order of their ports, `127.0.0.1` first.
    pub(crate) fn of_inodes(&self, is_one: impl Fn(u64) -> bool) -> Vec<Listener> {
        let ports = self.by_port.iter().filter(|(_, sockets)| sockets.iter().any(|s| is_one(s.inode)));
        let listeners = ports.filter_map(|(port, _)| Port::new(*port).ok()).flat_map(both);
        let mut own: Vec<Listener> =
            listeners.filter(|it| self.at(*it).iter().any(|socket| is_one(socket.inode))).collect();
        own.sort_by_key(|it| (it.port, it.address));
        own
    }
}

/// The two listeners that a port can have.
pub(crate) fn both(port: Port) -> [Listener; 2] {
    [Loopback::V4, Loopback::V6].map(|address| Listener { address, port })
}
