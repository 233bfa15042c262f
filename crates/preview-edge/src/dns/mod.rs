//! The built-in DNS server: authoritative for what is delegated to this edge, and for nothing else. It resolves
//! nothing, transfers nothing, and never says more than was asked for.
//!
//! The codec is hickory's; sockets and handling are our own, since hickory's server answers malformed answers,
//! takes any number of connections and makes a task of each packet. A thread of its own serves: a flood of
//! questions must not hold up the route feed.

mod records;
mod zone;
mod message;
mod limit;
mod counts;
mod serve;
mod tcp;
mod bind;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use preview_core::clock::Wall;
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

pub(crate) use counts::{Answered, Counts};
#[cfg(test)]
pub(crate) use message::Proto;
pub(crate) use records::Records;

use crate::again::again;
use crate::cert::Failure;
use crate::config::Dns;
use bind::{Sockets, bind};
use limit::Limiter;
use serve::Desk;
use tcp::Crowd;
use zone::Zones;

/// A DNS server that serves. Dropped, it stops and leaves its ports.
#[derive(Debug)]
pub(crate) struct Server {
    records: Arc<Records>,
    counts: Arc<Counts>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// Starts to serve what certificates of `names` need, and in zone mode the previews' whole zone; `alias` is the
/// name that the challenges' CNAMEs lead to.
///
/// # Errors
/// [`Failure::DnsBind`] if an address cannot be listened on; then none is.
pub(crate) fn start(dns: &Dns, names: &[String], alias: Option<&str>, now: Wall) -> Result<Server, Failure> {
    let zones = Zones::new(dns, names, alias, now)?;
    let sockets = bind(&dns.listen)?;
    let (addresses, records) = (sockets.addresses.clone(), Arc::clone(zones.records()));
    let counts = Arc::new(Counts::default());
    let desk = Desk { zones, limiter: Limiter::new(dns.rate, Instant::now()), counts: Arc::clone(&counts) };
    let stop = CancellationToken::new();
    let thread = serving(sockets, Arc::new(desk), stop.clone()).map_err(|error| Failure::DnsBind {
        at: addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        reason: format!("no thread can be started ({error})"),
    })?;
    if addresses.iter().any(|at| at.ip().is_unspecified()) {
        tracing::warn!(
            "edge.acme.dns.listen names no address: answers may leave from another one than was asked"
        );
    }
    tracing::info!(?addresses, mode = ?dns.mode, "the built-in DNS server answers");
    Ok(Server { records, counts, stop, thread: Some(thread) })
}

impl Server {
    /// The challenges' values.
    pub(crate) fn records(&self) -> Arc<Records> {
        Arc::clone(&self.records)
    }

    /// What was asked so far.
    pub(crate) fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the built-in DNS server ended in a panic");
        }
    }
}

fn serving(sockets: Sockets, desk: Arc<Desk>, stop: CancellationToken) -> std::io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (mut udp, mut tcp) = (Vec::new(), Vec::new());
    {
        let _inside = runtime.enter();
        for socket in sockets.udp {
            udp.push(Arc::new(UdpSocket::from_std(socket)?));
        }
        for socket in sockets.tcp {
            tcp.push(Arc::new(TcpListener::from_std(socket)?));
        }
    }
    thread::Builder::new().name("edge-dns".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let crowd = Arc::new(Crowd::default());
            for socket in udp {
                let desk = Arc::clone(&desk);
                tokio::spawn(unending(move || serve::udp(Arc::clone(&socket), Arc::clone(&desk))));
            }
            for socket in tcp {
                let (desk, crowd) = (Arc::clone(&desk), Arc::clone(&crowd));
                tokio::spawn(unending(move || {
                    tcp::tcp(Arc::clone(&socket), Arc::clone(&desk), Arc::clone(&crowd))
                }));
            }
            stop.cancelled().await;
        });
    })
}

/// Serves again after a packet made it panic: nobody may end the service by asking.
async fn unending<F: Future<Output = ()> + Send + 'static>(serve: impl FnMut() -> F) {
    again("answering by DNS", Duration::ZERO, serve).await;
}
