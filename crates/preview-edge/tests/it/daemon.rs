//! What an edge sees of a daemon: `edge.sock` with a route feed that the test writes.

use std::convert::Infallible;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use preview_core::attachment::Visibility;
use preview_core::grant::GrantKey;
use preview_core::id::{AttachmentId, SessionId, UserId};
use preview_core::listener::{Listener, Loopback};
use preview_core::ports::Port;
use preview_core::route::{Route, RouteOwner};
use preview_core::share::Shares;
use preview_core::template::Rendered;
use preview_core::token::{Token, Tokens};
use preview_core::verdict::{HostPolicy, ServerState};
use preview_core::wire::watch::{
    ActivityReport, FEED_VERSION, FeedLine, KeyRow, ListenerAdmitted, ListenerSeen,
};
use preview_sockets::Diag;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use xtask::real::Scratch;

type Body = Either<Full<Bytes>, Channel<Bytes, Infallible>>;

/// A daemon; dropped, it is gone, and with it its connections and its socket.
pub(crate) struct FakeDaemon {
    folder: PathBuf,
    state: Arc<State>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

struct State {
    told: Mutex<Told>,
    /// Raised by each change of the routes.
    revision: watch::Sender<u64>,
}

#[derive(Default)]
struct Told {
    routes: Vec<Route>,
    reports: Vec<ActivityReport>,
    asked: Vec<ListenerSeen>,
    admits: bool,
    /// Whether questions about listeners stay without an answer.
    hangs: bool,
}

impl FakeDaemon {
    /// A daemon without routes, whose socket lies in `scratch`.
    pub(crate) fn start(scratch: &Scratch) -> Self {
        Self::with_routes(scratch, Vec::new())
    }

    pub(crate) fn with_routes(scratch: &Scratch, routes: Vec<Route>) -> Self {
        let folder = folder(scratch);
        std::fs::create_dir_all(&folder).expect("a folder");
        let _ = std::fs::remove_file(folder.join("edge.sock"));
        let listener = StdUnixListener::bind(folder.join("edge.sock")).expect("a socket");
        listener.set_nonblocking(true).expect("not blocking");
        let told = Mutex::new(Told { routes, ..Told::default() });
        let state = Arc::new(State { told, revision: watch::Sender::new(1) });
        let stop = CancellationToken::new();
        let (serving, stopping) = (Arc::clone(&state), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = UnixListener::from_std(listener).expect("a socket");
                tokio::select! {
                    () = accept(listener, serving) => {}
                    () = stopping.cancelled() => {}
                }
            });
        });
        Self { folder, state, stop, thread: Some(thread) }
    }

    pub(crate) fn put(&self, route: Route) {
        {
            let mut told = self.told();
            told.routes.retain(|it| it.id != route.id);
            told.routes.push(route);
        }
        self.state.revision.send_modify(|revision| *revision += 1);
    }

    pub(crate) fn remove(&self, id: AttachmentId) {
        self.told().routes.retain(|it| it.id != id);
        self.state.revision.send_modify(|revision| *revision += 1);
    }

    /// From now on, whether new listeners are said to be the attachment's.
    pub(crate) fn admit(&self, admits: bool) {
        self.told().admits = admits;
    }

    /// From now on, questions about listeners get no answer.
    pub(crate) fn hang(&self) {
        self.told().hangs = true;
    }

    /// What was asked about listeners.
    pub(crate) fn asked(&self) -> Vec<ListenerSeen> {
        self.told().asked.clone()
    }

    pub(crate) fn reports(&self) -> Vec<ActivityReport> {
        self.told().reports.clone()
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.state.told.lock().expect("sound")
    }
}

impl Drop for FakeDaemon {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the daemon's thread");
        }
        let _ = std::fs::remove_file(self.folder.join("edge.sock"));
    }
}

/// The folder of the daemon's sockets.
pub(crate) fn folder(scratch: &Scratch) -> PathBuf {
    scratch.path().join("run")
}

/// A public route of `http://NAME.preview.test` to a port of 127.0.0.1, with who listens there now.
pub(crate) fn route(name: &str, port: u16) -> Route {
    route_to(name, Loopback::V4, port)
}

pub(crate) fn route_to(name: &str, address: Loopback, port: u16) -> Route {
    let listener = Listener { address, port: Port::new(port).expect("not zero") };
    let seen =
        Diag::open().and_then(|mut kernel| kernel.listener(listener.socket_addr())).expect("the kernel");
    let owner = seen.map_or(RouteOwner { uid: 0, inode: 0, cgroup: None }, |seen| RouteOwner {
        uid: seen.uid,
        inode: seen.inode,
        cgroup: seen.cgroup,
    });
    let mut entropy = [9; 17];
    for (at, byte) in name.bytes().enumerate() {
        entropy[at % 17] ^= byte;
    }
    let host = format!("{name}.preview.test");
    Route {
        id: AttachmentId::from_entropy(entropy),
        session: SessionId::new("s").expect("valid"),
        user: UserId::new("u").expect("valid"),
        url: Rendered { origin: format!("http://{host}"), host },
        listener,
        owner,
        policy: HostPolicy::Preserve,
        state: ServerState::Live,
        visibility: Visibility::Public,
        tokens: Tokens::new(Token::from_entropy([1; 32]).digest()),
        shares: Shares::default(),
        epoch: 0,
    }
}

async fn accept(listener: UnixListener, state: Arc<State>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&state)));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    if path == "/v1/routes" {
        return Ok(Response::new(Either::Right(feed(state))));
    }
    let bytes = request.into_body().collect().await.expect("a body").to_bytes();
    let (hangs, answer) = state.note(&path, &bytes);
    if hangs {
        std::future::pending::<()>().await;
    }
    Ok(answer.map(|body| Either::Left(Full::new(body.into()))))
}

impl State {
    /// Notes what an edge says, and gives the answer.
    fn note(&self, path: &str, body: &[u8]) -> (bool, Response<String>) {
        let mut told = self.told.lock().expect("sound");
        if path == "/v1/activity" {
            told.reports.push(serde_json::from_slice(body).expect("a report"));
            return (false, status(StatusCode::NO_CONTENT, String::new()));
        }
        assert!(path.ends_with("/listener"), "{path}");
        told.asked.push(serde_json::from_slice(body).expect("a listener"));
        let admitted = serde_json::to_string(&ListenerAdmitted { revision: 1 }).expect("JSON");
        let answer = if told.admits {
            status(StatusCode::OK, admitted)
        } else {
            status(StatusCode::CONFLICT, String::new())
        };
        (told.hangs, answer)
    }
}

fn status(status: StatusCode, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// A snapshot, and another one with every change: an edge may not tell the difference.
fn feed(state: Arc<State>) -> Channel<Bytes, Infallible> {
    let (mut sender, body) = Channel::new(64);
    tokio::spawn(async move {
        let mut revision = state.revision.subscribe();
        let key = KeyRow::from(&GrantKey::new(1, [4; 32]));
        let first = [
            FeedLine::Hello { version: FEED_VERSION, node: "test".to_owned() },
            FeedLine::Keys { keys: vec![key] },
        ];
        let mut lines: Vec<FeedLine> = first.into();
        loop {
            lines.extend(snapshot(&state, *revision.borrow_and_update()));
            for line in lines.drain(..) {
                let mut text = serde_json::to_vec(&line).expect("JSON");
                text.push(b'\n');
                if sender.send_data(text.into()).await.is_err() {
                    return;
                }
            }
            if revision.changed().await.is_err() {
                return;
            }
        }
    });
    body
}

fn snapshot(state: &State, revision: u64) -> Vec<FeedLine> {
    let told = state.told.lock().expect("sound");
    let put = |route: &Route| FeedLine::Put { revision, route: Box::new(route.into()) };
    let mut lines = vec![FeedLine::Snapshot { revision, count: told.routes.len() }];
    lines.extend(told.routes.iter().map(put));
    lines.push(FeedLine::SnapshotEnd { revision });
    lines
}

/// Whether the edge has kept a table with this host name on disk.
pub(crate) fn has_kept(state_dir: &Path, host: &str) -> bool {
    std::fs::read_to_string(state_dir.join("table.json")).is_ok_and(|text| text.contains(host))
}
