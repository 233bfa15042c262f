//! Starting and stopping: threads that serve, and the one that keeps them supplied.

use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use preview_core::ports::Port;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch::channel;
use tokio::task::LocalSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::cert::{CertError, Keeper};
use crate::clock;
use crate::config::{Config, Listen, Mode};
use crate::control::Daemon;
use crate::limits::Connections;
use crate::listen::{self, BindError, Bound, Door};
use crate::ops::{Doors, Facts};
use crate::owner::Check;
use crate::report;
use crate::request::Global;
use crate::route::Table;
use crate::shared::{Shared, Thread};
use crate::state::{self, StateError};
use crate::tls;
use crate::watch;

/// How long a start waits for the daemon's first table, so that routes are there when the doors open.
const FIRST_TABLE: Duration = Duration::from_millis(300);

/// Why the edge does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its certificate cannot be shown.
    #[error(transparent)]
    Certificate(#[from] CertError),
    /// TLS cannot be spoken.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The endpoint that says who is let in cannot be asked.
    #[error("access.forward_url cannot be asked: {0}")]
    Login(String),
    /// The system gives no threads.
    #[error("threads cannot be started")]
    Threads(#[source] io::Error),
}

/// An edge that serves. Dropped, it stops without waiting; [`Running::stop`] lets requests end.
#[derive(Debug)]
pub struct Running {
    http: Vec<SocketAddr>,
    https: Vec<SocketAddr>,
    metrics: Vec<SocketAddr>,
    stop: CancellationToken,
    threads: Vec<JoinHandle<()>>,
    _claims: Vec<Option<UnixListener>>,
    _lock: state::Lock,
}

/// Starts an edge: one thread for each core, and one that keeps routes, reports and certificates.
///
/// # Errors
/// [`StartError`], before anything is served.
pub fn start(mut config: Config) -> Result<Running, StartError> {
    let lock = state::take(&config.state_dir)?;
    let count = threads(&config);
    let mut http = bind(config.http, count)?;
    let mut https = bind(config.https, count)?;
    // Where the system chose a port, nobody could have told us.
    let doors = Doors::bind(&config)?;
    let bound = http.addresses.iter().chain(&https.addresses).chain(&doors.addresses);
    config.ports.own.extend(bound.filter_map(|it| Port::new(it.port()).ok()));
    let keeper = config.https.is_some().then(|| Keeper::start(&config, clock::wall())).transpose()?;
    let resolver = keeper.as_ref().map(|keeper| Arc::clone(&keeper.resolver));
    let facts = Facts { board: keeper.as_ref().map(|keeper| Arc::clone(&keeper.board)) };
    let acceptor = resolver.clone().map(tls::acceptor).transpose().map_err(StartError::Tls)?;
    let shared = Arc::new(share(config, resolver)?);

    let stop = CancellationToken::new();
    let mut running = Running {
        http: http.addresses.clone(),
        https: https.addresses.clone(),
        metrics: doors.addresses.clone(),
        stop: stop.clone(),
        threads: Vec::with_capacity(count + 1),
        _claims: http.claims.into_iter().chain(https.claims).collect(),
        _lock: lock,
    };
    running.threads.push(control(&shared, keeper, (doors, facts), stop.clone())?);
    for number in 0..count {
        let plain = http.threads.pop().unwrap_or_default().into_iter().map(|it| (it, Door::Plain));
        let secure = https.threads.pop().unwrap_or_default().into_iter();
        let secure = secure.zip(acceptor.clone().into_iter().cycle()).map(|(it, tls)| (it, Door::Tls(tls)));
        running.threads.push(serving(number, &shared, plain.chain(secure).collect(), stop.clone())?);
    }
    Ok(running)
}

impl Running {
    /// Where plain HTTP is served.
    #[must_use]
    pub fn http(&self) -> &[SocketAddr] {
        &self.http
    }

    /// Where HTTPS is served.
    #[must_use]
    pub fn https(&self) -> &[SocketAddr] {
        &self.https
    }

    /// Where metrics, health and readiness are served.
    #[must_use]
    pub fn metrics(&self) -> &[SocketAddr] {
        &self.metrics
    }

    /// Closes the doors, lets what is under way end within `times.drain`, and returns when all is over.
    pub fn stop(mut self) {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the edge ended in a panic");
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn threads(config: &Config) -> usize {
    match config.threads {
        0 => thread::available_parallelism().map_or(1, NonZero::get),
        count => count,
    }
}

fn bind(listen: Option<Listen>, threads: usize) -> Result<Bound, BindError> {
    listen.map_or_else(|| Ok(Bound::nowhere(threads)), |listen| listen::bind(listen, threads))
}

fn share(config: Config, certificate: Option<Arc<crate::cert::Resolver>>) -> Result<Shared, StartError> {
    let table = match config.mode {
        Mode::Daemon => watch::load(&config.state_dir)?,
        Mode::Static => Table::of_ports(&config),
    };
    let daemon = Daemon::in_dir(&config.daemon_dir);
    let limits = config.limits;
    Ok(Shared {
        table: Arc::new(ArcSwap::from_pointee(table)),
        owner: Check::new(daemon.clone()),
        daemon,
        connections: Connections::new(limits.connections, limits.per_client, config.trusted_proxies.clone()),
        certificate,
        global: Global::new(&config)?,
        config,
    })
}

/// The thread beside the request path. Returns when the first table is there, or will not be for now.
fn control(
    shared: &Arc<Shared>,
    keeper: Option<Keeper>,
    (doors, facts): (Doors, Facts),
    stop: CancellationToken,
) -> Result<JoinHandle<()>, StartError> {
    let runtime = runtime()?;
    let shared = Arc::clone(shared);
    let (ready, started) = mpsc::channel();
    let run = async move {
        let (progress, seen) = channel(watch::Progress::default());
        if let Some(keeper) = keeper {
            tokio::spawn(keeper.keep(Arc::clone(&shared)));
        }
        tokio::spawn(doors.serve(facts));
        if shared.config.mode == Mode::Daemon {
            tokio::spawn(watch::follow(Arc::clone(&shared), progress));
            tokio::spawn(watch::keep(Arc::clone(&shared), seen.clone()));
            tokio::spawn(report::run(shared, seen.clone()));
            // Without a daemon the first attempt ends at once.
            let _ = timeout(FIRST_TABLE, seen.clone().wait_for(|it| it.tried)).await;
        }
        // Who started us may have given up.
        let _ = ready.send(());
        stop.cancelled().await;
    };
    let handle = spawn("edge-control".to_owned(), move || runtime.block_on(run))?;
    // A control thread that died is found when it is joined.
    let _ = started.recv();
    Ok(handle)
}

/// A thread that serves at its own sockets.
fn serving(
    number: usize,
    shared: &Arc<Shared>,
    doors: Vec<(std::net::TcpListener, Door)>,
    stop: CancellationToken,
) -> Result<JoinHandle<()>, StartError> {
    let runtime = runtime()?;
    let shared = Arc::clone(shared);
    spawn(format!("edge-{number}"), move || {
        LocalSet::new().block_on(&runtime, async move {
            let drain = shared.config.times.drain;
            let thread = Thread::new(shared, stop.clone());
            let mut accepting = Vec::new();
            for (listener, door) in doors {
                match TcpListener::from_std(listener) {
                    Ok(listener) => accepting.push(tokio::task::spawn_local(listen::accept(
                        listener,
                        door,
                        std::rc::Rc::clone(&thread),
                    ))),
                    Err(error) => tracing::error!(%error, "a socket cannot be served"),
                }
            }
            stop.cancelled().await;
            for task in accepting {
                task.abort();
            }
            thread.open.close();
            if timeout(drain, thread.open.wait()).await.is_err() {
                tracing::info!(?drain, "requests and tunnels that have not ended are cut off");
            }
        });
    })
}

fn runtime() -> Result<Runtime, StartError> {
    Builder::new_current_thread().enable_all().build().map_err(StartError::Threads)
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    thread::Builder::new().name(name).spawn(run).map_err(StartError::Threads)
}
