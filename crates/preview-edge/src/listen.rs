//! Doors: sockets that listen, and the connections that come in by them.

mod bind;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

pub use bind::BindError;
pub(crate) use bind::{Bound, bind};

use crate::limits::Full;
use crate::serve;
use crate::shared::Thread;

/// The first rest of a door that cannot accept, and the longest.
const REST: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];
/// Clients per door that are told at one time that there is no place; others are hung up on.
const TOLD: usize = 64;
/// How long such a client may take to hang up itself.
const PARTING: Duration = Duration::from_secs(1);

/// What is spoken at a door.
#[derive(Clone)]
pub(crate) enum Door {
    /// Plain HTTP/1.1.
    Plain,
    /// TLS, then HTTP/2 or HTTP/1.1.
    Tls(TlsAcceptor),
}

/// Accepts connections until it is dropped.
pub(crate) async fn accept(listener: TcpListener, door: Door, thread: Rc<Thread>) {
    let mut rest = REST[0];
    // Counts by its holders.
    let told = Rc::new(());
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                rest = REST[0];
                admit(stream, peer, &door, &thread, &told);
            }
            Err(error) if is_ours(&error) => {
                tracing::error!(%error, ?rest, "cannot accept connections, resting");
                tokio::time::sleep(rest).await;
                rest = (rest * 2).min(REST[1]);
            }
            // The client gave up before it was accepted.
            Err(error) => tracing::debug!(%error, "a connection was gone before it was accepted"),
        }
    }
}

fn admit(stream: TcpStream, peer: SocketAddr, door: &Door, thread: &Rc<Thread>, told: &Rc<()>) {
    match (thread.shared.connections.admit(peer.ip()), door) {
        (Ok(permit), _) => {
            let connection = serve::connection(Rc::clone(thread), stream, peer, door.clone(), permit);
            tokio::task::spawn_local(connection);
        }
        (Err(full), Door::Plain) if Rc::strong_count(told) <= TOLD => {
            let told = Rc::clone(told);
            tokio::task::spawn_local(async move {
                let _ = timeout(PARTING, refuse(stream, full)).await;
                drop(told);
            });
        }
        // By TLS nothing can be told without a handshake, which costs most of what a request does.
        (Err(_), Door::Plain | Door::Tls(_)) => {}
    }
}

/// Tells a client that there is no place for it, and reads what it sends: an answer is lost where the socket is
/// closed over unread bytes.
async fn refuse(mut stream: TcpStream, full: Full) -> io::Result<()> {
    let status = match full {
        Full::All => "503 Service Unavailable",
        Full::Client => "429 Too Many Requests",
    };
    let answer =
        format!("HTTP/1.1 {status}\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    while stream.read(&mut [0; 4096]).await? > 0 {}
    Ok(())
}

/// Whether an accept failed for want of something that this process or host has too little of.
fn is_ours(error: &io::Error) -> bool {
    let short = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    short.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
