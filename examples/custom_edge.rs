//! A ten-minute edge of one's own: the daemon's route feed, core's route table, core's access decision, and a
//! plain HTTP/1.1 proxy around them. It has no TLS, no limits and no WebSockets; ours does.
//!
//! `cargo run -p preview-examples --bin custom_edge -- /run/preview/edge.sock http://{id}.localhost:8099 8099`

#![expect(clippy::print_stdout, reason = "the program's output is its purpose")]

use std::net::Ipv4Addr;
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{COOKIE, HOST, HeaderValue, SET_COOKIE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use preview_core::access::{AccessMode, AccessPolicy, Decision, Exempt, GivenToken, HeldGrant, Visit};
use preview_core::clock::Wall;
use preview_core::grant::{GrantKey, GrantKeys};
use preview_core::route::{Route, RouteTable};
use preview_core::wire::watch::FeedLine;
use tokio::net::{TcpListener, TcpStream, UnixStream};

type Body = BoxBody<Bytes, hyper::Error>;

/// What the feed has told so far.
#[derive(Default)]
struct Known {
    routes: RouteTable,
    keys: GrantKeys,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [socket, template, port] = args.as_slice() else {
        anyhow::bail!("usage: custom_edge EDGE_SOCK TEMPLATE PORT");
    };
    let policy = Arc::new(AccessPolicy {
        mode: AccessMode::Token,
        app_origins: Vec::new(),
        template: template.parse()?,
        grant_life: Duration::from_hours(8),
        exempt: Exempt::default(),
    });
    let known = Arc::new(RwLock::new(Known::default()));
    tokio::spawn(follow(socket.clone(), Arc::clone(&known)));

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse()?)).await?;
    println!("serving on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let (known, policy) = (Arc::clone(&known), Arc::clone(&policy));
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| serve(request, &known, &policy));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// One request: find the route, decide, forward.
async fn serve(
    request: Request<Incoming>,
    known: &RwLock<Known>,
    policy: &AccessPolicy,
) -> anyhow::Result<Response<Body>> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let (route, decision, cookie) = {
        let known = known.read().expect("no thread panics while it writes");
        let route = known.routes.find(&host).map(|entry| entry.route.clone());
        let query = request.uri().query().unwrap_or_default();
        let held: Vec<HeldGrant> = cookie(&request)
            .and_then(|value| known.keys.open(value, &host))
            .map(|grant| HeldGrant { grant, unpartitioned: false })
            .into_iter()
            .collect();
        let token = parameter(query, "session_id").zip(parameter(query, "token"));
        let visit = Visit {
            token: token.map(|(session, token)| GivenToken::Query { session, token }),
            ..Visit::default()
        };
        let decision = policy.decide(route.as_ref(), &visit, &held, |_, _| false, wall()?);
        let cookie = match decision {
            Decision::Exchange(grant) => known.keys.seal(&grant, &host),
            _ => None,
        };
        (route, decision, cookie)
    };
    match (route, decision) {
        (Some(route), Decision::Allow(_) | Decision::Exchange(_)) => forward(request, &route, cookie).await,
        _ => Ok(status(StatusCode::BAD_GATEWAY)),
    }
}

/// Dials exactly the route's listener and passes the request on.
async fn forward(
    mut request: Request<Incoming>,
    route: &Route,
    cookie: Option<String>,
) -> anyhow::Result<Response<Body>> {
    let Ok(stream) = TcpStream::connect(route.listener.socket_addr()).await else {
        return Ok(status(StatusCode::SERVICE_UNAVAILABLE));
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    request.headers_mut().remove(COOKIE);
    request.headers_mut().insert(HOST, HeaderValue::from_str(&format!("localhost:{}", route.listener.port))?);
    let mut response = sender.send_request(request).await?.map(BodyExt::boxed);
    if let Some(value) = cookie {
        let cookie = format!("{COOKIE_NAME}={value}; Path=/; Secure; HttpOnly; SameSite=None; Partitioned");
        response.headers_mut().append(SET_COOKIE, HeaderValue::from_str(&cookie)?);
    }
    Ok(response)
}

const COOKIE_NAME: &str = "__Host-preview";

fn cookie(request: &Request<Incoming>) -> Option<&str> {
    let cookies = request.headers().get(COOKIE)?.to_str().ok()?;
    cookies.split("; ").find_map(|pair| pair.strip_prefix(COOKIE_NAME)?.strip_prefix('='))
}

fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn status(status: StatusCode) -> Response<Body> {
    let body =
        Full::from(status.canonical_reason().unwrap_or_default()).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// Follows the route feed, for ever: after a break it starts with a fresh snapshot.
async fn follow(socket: String, known: Arc<RwLock<Known>>) {
    loop {
        if let Err(error) = follow_once(&socket, &known).await {
            println!("feed broken: {error:#}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn follow_once(socket: &str, known: &RwLock<Known>) -> anyhow::Result<()> {
    let stream = UnixStream::connect(socket).await.with_context(|| format!("connecting to {socket}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get("/v1/routes").header(HOST, "localhost").body(Empty::<Bytes>::new())?;
    let mut feed = sender.send_request(request).await?.into_body();
    let mut unread = Vec::new();
    while let Some(frame) = feed.frame().await {
        unread.extend_from_slice(frame?.data_ref().map_or(&[], |bytes| bytes));
        while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = unread.drain(..=end).collect();
            let line: FeedLine = serde_json::from_slice(&line)?;
            known.write().expect("no thread panics while it writes").apply(&line)?;
        }
    }
    Ok(())
}

impl Known {
    fn apply(&mut self, line: &FeedLine) -> anyhow::Result<()> {
        match line {
            FeedLine::Snapshot { .. } => self.routes = RouteTable::default(),
            FeedLine::Put { route, .. } => self.routes.put(Route::try_from(&**route)?, ()),
            FeedLine::Remove { id, .. } => {
                self.routes.remove(id.parse()?);
            }
            FeedLine::Keys { keys } => {
                let keys: Result<Vec<GrantKey>, _> = keys.iter().map(GrantKey::try_from).collect();
                self.keys = GrantKeys::new(keys?);
            }
            FeedLine::Hello { .. }
            | FeedLine::SnapshotEnd { .. }
            | FeedLine::Heartbeat { .. }
            | FeedLine::Unknown => {}
        }
        Ok(())
    }
}

fn wall() -> anyhow::Result<Wall> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Wall::from_millis(u64::try_from(since.as_millis())?))
}
