//! The doors: sockets at which connections arrive, and what is known of whoever comes through each.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::socket::{self, Access, Bound};
use crate::config::{ApiConfig, InvalidConfig, TasksConfig};
use crate::failure::StartError;

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// `api.sock`: the daemon's own user and root are admins here.
    Api,
    /// `edge.sock`: edges ask for routes and report activity.
    Edge,
    /// `public.sock`: what an edge forwards from outside. Nobody is trusted for who connects.
    Public,
    /// `verify.sock`: other proxies and apps ask whether a visit or token is good.
    Verify,
    /// TCP: only keys count.
    Tcp,
}

/// Who connected, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A process of this user.
    Uid(u32),
    /// Somebody at this address.
    Ip(IpAddr),
}

/// By which door a request came, and from whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) door: Door,
    pub(crate) peer: Peer,
}

/// The doors, bound; nobody is served yet, but connections wait.
pub(crate) struct Bind {
    unix: Vec<(Door, UnixListener)>,
    tcp: Option<TcpListener>,
    files: Vec<Bound>,
    folder: PathBuf,
}

/// Open doors.
pub(crate) struct Open {
    folder: PathBuf,
    tcp: Option<SocketAddr>,
    files: Vec<Bound>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Door {
    const UNIX: [Self; 4] = [Self::Api, Self::Edge, Self::Public, Self::Verify];

    const fn file(self) -> &'static str {
        match self {
            Self::Api => "api.sock",
            Self::Edge => "edge.sock",
            Self::Public => "public.sock",
            Self::Verify => "verify.sock",
            Self::Tcp => "tcp",
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "uid {uid}"),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

impl Bind {
    /// Binds all doors.
    pub(crate) async fn new(
        folder: &Path,
        config: &ApiConfig,
        tasks: &TasksConfig,
    ) -> Result<Self, StartError> {
        let edge = access("api.edge_group", config.edge_group.as_deref(), tasks)?;
        let verify = access("api.verify_group", config.verify_group.as_deref(), tasks)?;
        let is_shared = [&edge, &verify].into_iter().any(|it| matches!(it, Access::Group(_)));
        socket::folder(folder, is_shared).map_err(not_open(&folder.display()))?;
        let mut this = Self { unix: Vec::new(), tcp: None, files: Vec::new(), folder: folder.to_owned() };
        for door in Door::UNIX {
            let access = match door {
                Door::Api | Door::Tcp => &Access::Owner,
                Door::Edge | Door::Public => &edge,
                Door::Verify => &verify,
            };
            let at = folder.join(door.file());
            let bound = socket::bind(folder, door.file(), access)
                .and_then(|(listener, file)| Ok((UnixListener::from_std(listener)?, file)));
            let (listener, file) = bound.map_err(not_open(&at.display()))?;
            this.unix.push((door, listener));
            this.files.push(file);
        }
        if let Some(address) = config.listen {
            this.tcp = Some(TcpListener::bind(address).await.map_err(not_open(&address))?);
        }
        Ok(this)
    }

    /// Serves each door its router until `stop`, which also ends answers that never end by themselves. `tasks` are
    /// those that closing waits for.
    pub(crate) fn serve(
        self,
        router: impl Fn(Door) -> Router,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Open {
        let tcp = self.tcp.as_ref().and_then(|listener| listener.local_addr().ok());
        let serve = |door| Serve {
            door,
            service: TowerToHyperService::new(router(door)),
            stop: stop.clone(),
            tasks: tasks.clone(),
            room: Arc::new(Semaphore::new(CONNECTIONS)),
        };
        for (door, listener) in self.unix {
            tasks.spawn(serve(door).accept(Listener::Unix(listener)));
        }
        if let Some(listener) = self.tcp {
            tasks.spawn(serve(Door::Tcp).accept(Listener::Tcp(listener)));
        }
        Open { folder: self.folder, tcp, files: self.files, stop, tasks }
    }
}

impl Open {
    /// The folder of the sockets.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The TCP door's address, its port known.
    pub(crate) fn tcp(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// Takes no more connections, lets answers end that are being given, and removes the sockets.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        drop(self.files);
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Connections of one door at a time; more wait to be accepted.
const CONNECTIONS: usize = 1_024;

/// How long a request's head may take to arrive, and a connection may lie idle.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// How long an answer that is being given when the daemon stops may still take.
const GRACE: Duration = Duration::from_secs(5);

/// How long to rest when no connection can be accepted, for want of file descriptors say.
const REST: Duration = Duration::from_millis(50);

/// What serving one door takes.
#[derive(Clone)]
struct Serve {
    door: Door,
    service: TowerToHyperService<Router>,
    stop: CancellationToken,
    tasks: TaskTracker,
    room: Arc<Semaphore>,
}

/// Where connections of one door arrive.
enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

type Stream = Either<UnixStream, TcpStream>;

impl Listener {
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred()?.uid();
                Ok((Either::Left(stream), Peer::Uid(uid)))
            }
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Either::Right(stream), Peer::Ip(peer.ip().to_canonical())))
            }
        }
    }
}

impl Serve {
    async fn accept(self, listener: Listener) {
        loop {
            let arrived = async {
                let room = Arc::clone(&self.room).acquire_owned().await.map_err(io::Error::other)?;
                listener.accept().await.map(|(stream, peer)| (stream, peer, room))
            };
            let arrived = tokio::select! {
                () = self.stop.cancelled() => return,
                arrived = arrived => arrived,
            };
            match arrived {
                Ok((stream, peer, room)) => {
                    let connection = self.clone().connection(stream, peer);
                    self.tasks.spawn(async move {
                        connection.await;
                        drop(room);
                    });
                }
                Err(error) => {
                    tracing::warn!(door = %self.door, %error, "no connection accepted");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    async fn connection(self, stream: Stream, peer: Peer) {
        let arrival = Arrival { door: self.door, peer };
        let service = service_fn(|mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(arrival);
            self.service.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::time::timeout(GRACE, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(door = %self.door, %error, "connection ended early");
        }
    }
}

/// Who may connect to the sockets of a group: never tasks, which could then speak as an edge or proxy.
fn access(key: &'static str, name: Option<&str>, tasks: &TasksConfig) -> Result<Access, InvalidConfig> {
    let Some(name) = name else { return Ok(Access::Owner) };
    let invalid = |problem| InvalidConfig { key, problem };
    let group = socket::group(name).map_err(invalid)?;
    match &tasks.user {
        Some(user) if socket::holds(&group, user).map_err(invalid)? => Err(invalid(format!(
            "group {name:?} holds {user:?}, as whom tasks run (tasks.user): give the socket a group of its own"
        ))),
        _ => Ok(Access::Group(group)),
    }
}

fn not_open(door: &impl fmt::Display) -> impl FnOnce(io::Error) -> StartError {
    let door = door.to_string();
    |source| StartError::Door { door, source }
}
