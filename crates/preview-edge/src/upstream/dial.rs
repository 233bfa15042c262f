//! New connections: to exactly the listener that was attached, and only if it is still whose it was.

use std::io;
use std::path::Path;
use std::rc::Rc;

use hyper::client::conn::http1::Builder;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::Failure;
use super::pool::{Lease, Pool};
use crate::body::Body;
use crate::owner::OwnerRefused;
use crate::request::quota::{Kind, Place};
use crate::route::Entry;
use crate::shared::Thread;

/// Whom a request is for.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    /// An attachment's dev server.
    DevServer(&'a Entry),
    /// The daemon, at its socket for what comes from outside.
    Daemon(&'a Path),
}

/// Bytes of a dev server that are read ahead of the client, and the most its headers may have.
const READ_AHEAD: usize = 64 * 1024;

/// A new connection, checked, before its first byte.
pub(super) async fn connect(thread: &Thread, target: Target<'_>, pool: &Rc<Pool>) -> Result<Lease, Failure> {
    match target {
        Target::DevServer(entry) => {
            let place = place(thread, pool)?;
            let stream = dev_server(thread, entry).await?;
            speak(TokioIo::new(stream), Some(place), pool).await
        }
        Target::Daemon(socket) => {
            let limit = thread.shared.config.times.connect;
            let stream = timeout(limit, UnixStream::connect(socket)).await;
            let stream = stream.map_err(|_| Failure::Slow)?.map_err(Failure::Down)?;
            speak(TokioIo::new(stream), None, pool).await
        }
    }
}

fn place(thread: &Thread, pool: &Pool) -> Result<Place, Failure> {
    let most = thread.shared.config.limits.per_attachment;
    pool.live().and_then(|live| Place::take(live, Kind::Connection, most)).ok_or(Failure::Full)
}

async fn dev_server(thread: &Thread, entry: &Entry) -> Result<TcpStream, Failure> {
    let connecting = TcpStream::connect(entry.route.listener.socket_addr());
    let stream = timeout(thread.shared.config.times.connect, connecting).await;
    let stream = stream.map_err(|_| Failure::Slow)?.map_err(Failure::Down)?;
    let local = stream.local_addr().map_err(Failure::Down)?;
    let peer = stream.peer_addr().map_err(Failure::Down)?;
    // Without a listener the kernel may connect a port of the ephemeral range to itself.
    if local == peer {
        return Err(Failure::Owner(OwnerRefused::Gone));
    }
    if entry.computed.has_owner {
        thread.shared.owner.check(entry, local, peer).await.map_err(Failure::Owner)?;
    }
    // Else small writes would wait for the dev server's acknowledgement.
    stream.set_nodelay(true).map_err(Failure::Down)?;
    Ok(stream)
}

async fn speak<T>(io: T, place: Option<Place>, pool: &Rc<Pool>) -> Result<Lease, Failure>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (sender, connection) = Builder::new()
        .max_buf_size(READ_AHEAD)
        .handshake::<_, Body>(io)
        .await
        .map_err(|error| Failure::Down(io::Error::other(error)))?;
    let link = pool.run(place, |_| async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a connection to a dev server broke off"
            );
        }
    });
    Ok(Lease::new(sender, link))
}
