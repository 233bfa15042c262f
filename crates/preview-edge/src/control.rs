//! The daemon's door for edges, `edge.sock`: HTTP/1.1 over a Unix socket.

use std::path::PathBuf;

/// Where the daemon is asked.
#[derive(Clone, Debug)]
pub(crate) struct Daemon {
    socket: PathBuf,
}

impl Daemon {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }
}
