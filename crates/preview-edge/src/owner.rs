//! Whether a dialled socket is the one that was attached: a port is not an identity.

use std::net::SocketAddr;

use preview_core::route::Entry;
use thiserror::Error;

use crate::control::Daemon;
use crate::route::Computed;

/// Checks listeners of new upstream connections.
pub(crate) struct Check {
    daemon: Daemon,
}

/// Why a connection must be dropped before its first byte.
#[derive(Debug, Error)]
pub(crate) enum OwnerRefused {
    /// Nobody listens there any more.
    #[error("nothing listens there")]
    Gone,
    /// Another program or user listens there than when it was attached.
    #[error("another program or user listens there now")]
    Changed,
    /// A new socket listens there, and the daemon, who would know whose it is, does not answer.
    #[error("a new socket listens there, and the daemon does not say whose it is")]
    Unverified,
}

impl Check {
    pub(crate) fn new(daemon: Daemon) -> Self {
        Self { daemon }
    }

    /// Whether who accepted the connection from `local` to `peer` (the listener's address) is whom `entry` means.
    /// To be asked after each connect, before the first byte.
    pub(crate) async fn check(
        &self,
        _entry: &Entry<Computed>,
        _local: SocketAddr,
        _peer: SocketAddr,
    ) -> Result<(), OwnerRefused> {
        let _ = &self.daemon;
        Err(OwnerRefused::Unverified)
    }
}
