//! What operators and their programs ask the edge itself: metrics, health, readiness, and a new certificate.
//!
//! Two doors: `edge.metrics.listen` by TCP, where everybody who reaches it may look, and `control.sock` in the edge's
//! own folder, which its user alone can open and which also takes commands. Nothing here holds a secret.

mod answer;
mod metrics;

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

pub(crate) use answer::Facts;

use crate::config::Config;
use crate::listen::{self, BindError};
use answer::Door;

/// The control socket's name in the edge's folder.
pub(crate) const SOCKET: &str = "control.sock";
/// Connections that are served at one time by each door: a crowd at one must not keep people from the other.
const MOST: usize = 32;
/// For one connection, which carries one request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that a request's header may have.
const HEADER: usize = 16 * 1024;
/// The rest of a door that cannot accept.
const REST: Duration = Duration::from_millis(200);

/// The doors, bound and not served yet.
#[derive(Debug)]
pub(crate) struct Doors {
    tcp: Vec<std::net::TcpListener>,
    /// Where the first is reached, with the ports that the system chose where 0 was asked for.
    pub(crate) addresses: Vec<SocketAddr>,
    unix: Option<std::os::unix::net::UnixListener>,
    _claims: Vec<Option<std::os::unix::net::UnixListener>>,
}

impl Doors {
    /// Binds what `config` says; the state folder must have been taken. An address that nobody asked for by name may be
    /// held: then another edge of this host has it.
    pub(crate) fn bind(config: &Config) -> Result<Self, BindError> {
        let (mut tcp, mut addresses, mut claims) = (Vec::new(), Vec::new(), Vec::new());
        match config.metrics.map(|metrics| (metrics, listen::bind(metrics.listen, 1))) {
            None => {}
            Some((_, Ok(bound))) => {
                tcp = bound.threads.into_iter().flatten().collect();
                (addresses, claims) = (bound.addresses, bound.claims);
            }
            Some((metrics, Err(error))) if metrics.required => return Err(error),
            Some((_, Err(error))) => {
                tracing::warn!(%error, "there are no metrics of this edge: set edge.metrics.listen");
            }
        }
        let socket = config.state_dir.join(SOCKET);
        let unix = control(&socket).map_err(|error| {
            tracing::warn!(%error, socket = %socket.display(), "`preview certs` cannot talk to this edge");
        });
        Ok(Self { tcp, addresses, unix: unix.ok(), _claims: claims })
    }

    /// Serves them until it is dropped.
    pub(crate) async fn serve(self, facts: Facts) {
        let (facts, [network, control]) = (Arc::new(facts), [(); 2].map(|()| Arc::new(Semaphore::new(MOST))));
        for (listener, address) in self.tcp.into_iter().zip(&self.addresses) {
            let Ok(listener) = TcpListener::from_std(listener) else { continue };
            let door = if address.ip().is_loopback() { Door::Loopback } else { Door::Network };
            let (facts, places) = (Arc::clone(&facts), Arc::clone(&network));
            tokio::spawn(async move {
                loop {
                    match listener.accept().await {
                        Ok((stream, _)) => admit(stream, door, &facts, &places).await,
                        Err(_) => sleep(REST).await,
                    }
                }
            });
        }
        let Some(Ok(listener)) = self.unix.map(UnixListener::from_std) else {
            return std::future::pending().await;
        };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => admit(stream, Door::Control, &facts, &control).await,
                Err(_) => sleep(REST).await,
            }
        }
    }
}

/// Where the control socket of an edge with this folder is.
pub(crate) fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join(SOCKET)
}

/// Whoever was there before has let go of the folder, so its socket is nobody's.
fn control(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves one request once there is a place for it.
async fn admit<IO>(stream: IO, door: Door, facts: &Arc<Facts>, places: &Arc<Semaphore>)
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Ok(place) = Arc::clone(places).acquire_owned().await else { return };
    let facts = Arc::clone(facts);
    tokio::spawn(async move {
        let answer = service_fn(move |request| {
            let response = answer::answer(&request, door, &facts, crate::clock::wall());
            std::future::ready(Ok::<_, std::convert::Infallible>(response))
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).keep_alive(false).max_buf_size(HEADER);
        // A client that breaks off is nothing to us.
        let _ = timeout(PATIENCE, http.serve_connection(TokioIo::new(stream), answer)).await;
        drop(place);
    });
}
