//! Whether a dialled socket is the one that was attached: a port is not an identity.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use preview_core::id::AttachmentId;
use preview_core::route::{Entry, RouteOwner};
use preview_core::wire::watch::{ListenerAdmitted, ListenerSeen};
use preview_sockets::{Diag, DiagError, SocketSeen};
use thiserror::Error;

use crate::control::{Daemon, DaemonError};

/// Checks the listeners of new upstream connections.
#[derive(Debug)]
pub(crate) struct Check {
    daemon: Daemon,
    admitted: Mutex<HashMap<AttachmentId, Admitted>>,
}

/// Sockets that the daemon found to be an attachment's, other than the one its route names.
#[derive(Debug)]
struct Admitted {
    /// Good as long as the route says this.
    route: RouteOwner,
    /// Inode and cgroup of each.
    sockets: Vec<(u64, Option<u64>)>,
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
    /// A new socket listens there, and the daemon, who would know whose it is, does not say.
    #[error("a new socket listens there, and the daemon does not say whose it is")]
    Unverified(#[source] DaemonError),
    /// The kernel does not say who listens.
    #[error("the kernel does not say who listens there")]
    Unseen(#[from] DiagError),
}

impl Check {
    pub(crate) fn new(daemon: Daemon) -> Self {
        Self { daemon, admitted: Mutex::default() }
    }

    /// Whether the listener that got the connection from `local` to `peer` is whom `entry` means. To be asked after
    /// each connect, before the first byte.
    pub(crate) async fn check<X>(
        &self,
        entry: &Entry<X>,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> Result<(), OwnerRefused> {
        let seen = look(local, peer)?.ok_or(OwnerRefused::Gone)?;
        let route = &entry.route;
        if seen.uid != route.owner.uid {
            return Err(OwnerRefused::Changed);
        }
        let socket = (seen.inode, seen.cgroup);
        let is_recorded = socket == (route.owner.inode, route.owner.cgroup);
        if is_recorded || self.has_admitted(route.id, route.owner, socket) {
            return Ok(());
        }
        self.ask(route.id, seen).await?;
        self.admit(route.id, route.owner, socket);
        Ok(())
    }

    /// Forgets what was admitted for an attachment that is gone.
    pub(crate) fn forget(&self, id: AttachmentId) {
        self.admitted.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    async fn ask(&self, id: AttachmentId, seen: SocketSeen) -> Result<(), OwnerRefused> {
        let seen = ListenerSeen { uid: seen.uid, inode: seen.inode, cgroup: seen.cgroup };
        match self.daemon.post::<ListenerAdmitted>(&format!("/v1/attachments/{id}/listener"), &seen).await {
            Ok(ListenerAdmitted { .. }) => Ok(()),
            Err(DaemonError::Refused(
                StatusCode::CONFLICT | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND,
            )) => Err(OwnerRefused::Changed),
            Err(error) => Err(OwnerRefused::Unverified(error)),
        }
    }

    fn has_admitted(&self, id: AttachmentId, route: RouteOwner, socket: (u64, Option<u64>)) -> bool {
        let admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        admitted.get(&id).is_some_and(|it| it.route == route && it.sockets.contains(&socket))
    }

    fn admit(&self, id: AttachmentId, route: RouteOwner, socket: (u64, Option<u64>)) {
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        let it = admitted.entry(id).or_insert_with(|| Admitted { route, sockets: Vec::new() });
        if it.route != route {
            *it = Admitted { route, sockets: Vec::new() };
        }
        // Several servers may share an address; more than this many is one that binds anew all the time.
        if it.sockets.len() == 16 {
            it.sockets.remove(0);
        }
        it.sockets.push(socket);
    }
}

thread_local! {
    /// This thread's line to the kernel: opened once, asked in microseconds.
    static KERNEL: RefCell<Option<Diag>> = const { RefCell::new(None) };
}

/// The listener that got the connection from `local` to `peer`: who accepted, as the connection itself tells, and
/// by which listening socket.
fn look(local: SocketAddr, peer: SocketAddr) -> Result<Option<SocketSeen>, DiagError> {
    KERNEL.with_borrow_mut(|line| {
        let kernel = match line {
            Some(kernel) => kernel,
            None => line.insert(Diag::open()?),
        };
        let Some(accepting) = kernel.server_end(peer, local)? else { return Ok(None) };
        let listening = kernel.listener(peer)?.filter(|listening| listening.uid == accepting.uid);
        let Some(listening) = listening else { return Ok(None) };
        Ok(Some(SocketSeen { inode: listening.inode, ..accepting }))
    })
}
