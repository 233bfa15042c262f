//! WebSockets, by Upgrade and by extended CONNECT, end in one tunnel.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use preview_core::route::Route;
use preview_core::verdict::HostPolicy;
use preview_edge::config::{Limits, Times};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Error, Message};
use xtask::real::{free_port, poll_for};

use crate::client::{SOON, connect};
use crate::daemon::route;
use crate::http2::Client;
use crate::recorder::{Recorder, values};
use crate::stage::Stage;
use crate::viewer::{cookie, grant, link, private};

const HOST: &str = "app.preview.test";
const OWN: &str = "http://app.preview.test";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_upgrade_frames_of_every_kind_come_back() {
    let stage = Stage::with(vec![route("app", echo().await)]);
    let socket = open(stage.edge.http, "/", &[("origin", OWN)]).await.expect("switched");
    conversation(socket).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_extended_connect_frames_of_every_kind_come_back() {
    let stage = Stage::secure(vec![route("app", echo().await)], |_| {});
    let mut client = Client::connect(&stage, HOST).await;
    let answer = client.websocket(HOST, "/", &[("origin", "https://app.preview.test")]).await;
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("sec-websocket-accept"));
    conversation(upgraded(answer).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subprotocol_is_negotiated_end_to_end_both_ways() {
    let port = echo().await;
    let stage = Stage::secure(vec![route("app", port)], |_| {});
    let mut client = Client::connect(&stage, HOST).await;
    let headers = [("origin", "https://app.preview.test"), ("sec-websocket-protocol", "vite-hmr")];
    let answer = client.websocket(HOST, "/", &headers).await;
    assert_eq!(answer.headers()["sec-websocket-protocol"], "vite-hmr");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_is_let_in_by_the_same_rules_as_a_page_and_only_from_friends() {
    let app = private("app", echo().await);
    let stage = Stage::of(vec![app.clone(), private("api", 4_001)], |config| {
        config.access.app_origins = vec!["https://agent.example".to_owned()];
    });
    let held = format!("preview={}", grant(&app));
    let token = preview_core::token::Token::from_entropy([1; 32]);
    for (origin, by_cookie, by_token, by_header, nothing) in [
        (Some(OWN), 101, 101, 101, 502),
        (Some("https://agent.example"), 101, 101, 101, 502),
        (Some("http://api.preview.test"), 101, 101, 101, 502),
        (Some("https://evil.example"), 403, 403, 403, 502),
        (Some("http://dead.preview.test"), 403, 403, 403, 502),
        (Some("null"), 403, 403, 403, 502),
        (None, 403, 101, 101, 502),
    ] {
        let by = async |target: &str, name: &str, value: &str| {
            let headers: Vec<_> =
                origin.map(|it| ("origin", it)).into_iter().chain([(name, value)]).collect();
            status(open(stage.edge.http, target, &headers).await)
        };
        assert_eq!(by("/", "cookie", &held).await, by_cookie, "cookie, {origin:?}");
        assert_eq!(by(&format!("/?{}", link()), "x", "y").await, by_token, "token, {origin:?}");
        assert_eq!(by("/", "preview-token", token.reveal()).await, by_header, "header, {origin:?}");
        assert_eq!(by("/", "x", "y").await, nothing, "nothing, {origin:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_extended_connect_the_same_origins_are_refused() {
    let app = private("app", echo().await);
    let stage = Stage::secure(vec![app.clone()], |_| {});
    let held = format!("__Host-preview-w={}", grant(&app));
    let mut client = Client::connect(&stage, HOST).await;
    for (origin, status) in [
        (Some("https://app.preview.test"), 200),
        (Some("https://evil.example"), 401),
        (Some("null"), 401),
        (None, 401),
    ] {
        let headers: Vec<_> =
            origin.map(|it| ("origin", it)).into_iter().chain([("cookie", held.as_str())]).collect();
        assert_eq!(client.websocket(HOST, "/", &headers).await.status(), status, "{origin:?}");
    }
    let pages = held.replace("preview-w", "preview");
    for (origin, status) in [(Some("https://evil.example"), 403), (Some("null"), 403), (None, 403)] {
        let headers: Vec<_> =
            origin.map(|it| ("origin", it)).into_iter().chain([("cookie", pages.as_str())]).collect();
        assert_eq!(client.websocket(HOST, "/", &headers).await.status(), status, "{origin:?}");
    }
}

#[test]
fn what_arrives_is_a_plain_upgrade_from_the_place_itself() {
    let server = Recorder::answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let stage = Stage::with(vec![Route { policy: HostPolicy::Loopback, ..private("app", server.port) }]);
    let app = private("app", server.port);
    let mut stream = connect(stage.edge.http).expect("connected");
    write!(
        stream,
        "GET /ws HTTP/1.1\r\nHost: {HOST}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: {OWN}\r\n{}\r\n",
        cookie(&app)
    )
    .expect("taken");
    let request = server.request();
    assert_eq!(values(&request, "connection"), ["upgrade"]);
    assert_eq!(values(&request, "upgrade"), ["websocket"]);
    assert_eq!(values(&request, "sec-websocket-key"), ["dGhlIHNhbXBsZSBub25jZQ=="]);
    assert_eq!(values(&request, "origin"), [format!("http://localhost:{}", server.port)]);
    assert_eq!(values(&request, "host"), [format!("localhost:{}", server.port)]);
    assert!(values(&request, "cookie").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_upgrade_is_answered_with_the_dev_servers_own_words() {
    let server =
        Recorder::answering(b"HTTP/1.1 418 I'm a teapot\r\nContent-Length: 3\r\nX-Why: tea\r\n\r\ntea");
    let stage = Stage::secure(vec![route("app", server.port)], |_| {});
    let Err(Error::Http(answer)) = open(stage.edge.http, "/", &[]).await else { panic!("switched") };
    assert_eq!((answer.status().as_u16(), answer.headers()["x-why"].to_str().ok()), (418, Some("tea")));
    let mut client = Client::connect(&stage, HOST).await;
    let answer = client.websocket(HOST, "/", &[]).await;
    assert_eq!(answer.status(), 418);
    assert_eq!(crate::http2::text(answer).await, "tea");
}

#[test]
fn bytes_after_an_upgrade_wait_until_the_dev_server_has_switched() {
    for (answer, reaches) in [
        (&b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"[..], false),
        (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", true),
    ] {
        let server = Recorder::answering(answer);
        let stage = Stage::with(vec![route("app", server.port)]);
        let mut stream = connect(stage.edge.http).expect("connected");
        write!(stream, "{UPGRADE}GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n").expect("taken");
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("an answer");
        if reaches {
            poll_for("the bytes", SOON, || server.connections()[0].contains("smuggled").then_some(()))
                .expect("passed on as they are");
        } else {
            // Refused, it is the next request, made anew like any other.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
            let first = &server.connections()[0];
            assert!(!first.contains("smuggled") || first.contains("preview-hop: 1\r\n"), "{first}");
        }
    }
}

#[test]
fn a_dev_server_that_never_answers_an_upgrade_is_504() {
    let server = Recorder::answering(b"");
    let stage = Stage::of(vec![route("app", server.port)], |config| {
        config.times = Times { first_byte: Duration::from_millis(200), ..config.times };
    });
    assert_eq!(crate::viewer::raw(stage.edge.http, UPGRADE.as_bytes()).status(), 504);
}

#[test]
fn an_upgrade_to_a_dev_server_that_is_down_is_a_bare_503_to_a_viewer() {
    let app = private("app", free_port().expect("a port"));
    let stage = Stage::with(vec![app.clone()]);
    let request = UPGRADE.replace("\r\n\r\n", &format!("\r\nOrigin: {OWN}\r\n{}\r\n", cookie(&app)));
    let answer = crate::viewer::raw(stage.edge.http, request.as_bytes());
    assert_eq!((answer.status(), answer.body()), (503, "upstream_down"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn detach_and_revoke_close_open_sockets_within_a_second() {
    let app = route("app", echo().await);
    let stage = Stage::secure(vec![app.clone()], |_| {});
    let current = || Route { url: secure_url(&app), ..app.clone() };
    let ends: [Box<dyn Fn()>; 2] = [
        Box::new(|| stage.daemon.put(Route { epoch: 1, ..current() })),
        Box::new(|| stage.daemon.remove(app.id)),
    ];
    for end in ends {
        let mut upgraded_one = open(stage.edge.http, "/", &[]).await.expect("switched");
        let mut client = Client::connect(&stage, HOST).await;
        let mut connected_one = upgraded(client.websocket(HOST, "/", &[]).await).await;
        for socket in [&mut upgraded_one as &mut dyn Talks, &mut connected_one] {
            assert!(socket.comes_back().await);
        }
        end();
        let begun = Instant::now();
        while let Some(Ok(_)) = upgraded_one.next().await {}
        while let Some(Ok(_)) = connected_one.next().await {}
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_token_or_verdict_leaves_open_sockets_alone() {
    let app = route("app", echo().await);
    let stage = Stage::with(vec![app.clone()]);
    let mut socket = open(stage.edge.http, "/", &[]).await.expect("switched");
    let new = preview_core::token::Token::from_entropy([5; 32]).digest();
    stage.daemon.put(Route {
        tokens: preview_core::token::Tokens::new(new),
        policy: HostPolicy::Loopback,
        ..app
    });
    for _ in 0..20 {
        assert!(socket.comes_back().await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_socket_too_many_is_429_and_a_closed_one_makes_room() {
    let stage = Stage::of(vec![route("app", echo().await)], |config| {
        config.limits = Limits { websockets: 2, ..Limits::default() };
    });
    let first = open(stage.edge.http, "/", &[]).await.expect("switched");
    let _second = open(stage.edge.http, "/", &[]).await.expect("switched");
    assert_eq!(status(open(stage.edge.http, "/", &[]).await), 429);
    drop(first);
    let end = Instant::now() + SOON;
    while status(open(stage.edge.http, "/", &[]).await) != 101 {
        assert!(Instant::now() < end, "the place stays taken");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_tunnel_is_closed_in_its_time() {
    let stage = Stage::of(vec![route("app", echo().await)], |config| {
        config.times = Times { tunnel_idle: Duration::from_millis(300), ..config.times };
    });
    let mut socket = open(stage.edge.http, "/", &[]).await.expect("switched");
    let begun = Instant::now();
    for _ in 0..10 {
        assert!(socket.comes_back().await, "after {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let last = Instant::now();
    while let Some(Ok(_)) = socket.next().await {}
    assert!(last.elapsed() > Duration::from_millis(150) && last.elapsed() < SOON, "{:?}", last.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_are_presence_and_data_is_a_visit() {
    let app = route("app", echo().await);
    let stage = Stage::with(vec![app.clone()]);
    let mut socket = open(stage.edge.http, "/", &[]).await.expect("switched");
    let entries = || {
        let reports = stage.daemon.reports();
        reports
            .into_iter()
            .flat_map(|it| it.entries)
            .filter(|it| it.id == app.id.to_string())
            .collect::<Vec<_>>()
    };
    let wait = async |what: &str, seen: &dyn Fn() -> bool| {
        let end = Instant::now() + SOON;
        while !seen() {
            assert!(Instant::now() < end, "waited in vain for {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    wait("the upgrade", &|| entries().iter().any(|it| it.open == 1)).await;
    let before = entries().len();
    socket.send(Message::text("ping")).await.expect("sent");
    wait("presence", &|| {
        entries()[before..].iter().any(|it| it.bytes_in > 0 && it.presence_ago_ms.is_some())
    })
    .await;
    assert!(entries()[before..].iter().all(|it| it.visit_ago_ms.is_none()), "a heartbeat is no visit");
    socket.send(Message::text("x".repeat(2_000))).await.expect("sent");
    wait("a visit", &|| entries()[before..].iter().any(|it| it.visit_ago_ms.is_some())).await;
}

/// A request to upgrade, in bytes.
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: app.preview.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A server that sends every message back, and agrees to the first subprotocol.
async fn echo() -> u16 {
    let port = free_port().expect("a port");
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("free");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                if let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, agree).await {
                    while let Some(Ok(message)) = socket.next().await {
                        let is_data = message.is_text() || message.is_binary();
                        if is_data && socket.send(message).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    port
}

#[expect(clippy::result_large_err, clippy::unnecessary_wraps, reason = "tungstenite asks for this signature")]
fn agree(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    if let Some(protocol) = request.headers().get("sec-websocket-protocol") {
        response.headers_mut().insert("sec-websocket-protocol", protocol.clone());
    }
    Ok(response)
}

/// Opens a WebSocket by Upgrade.
async fn open(
    edge: SocketAddr,
    target: &str,
    headers: &[(&str, &str)],
) -> Result<WebSocketStream<tokio::net::TcpStream>, Error> {
    let mut request = format!("ws://{HOST}{target}").into_client_request()?;
    for (name, value) in headers {
        let name = http::HeaderName::try_from(*name).expect("a name");
        request.headers_mut().append(name, value.parse().expect("a value"));
    }
    let stream = tokio::net::TcpStream::connect(edge).await?;
    tokio_tungstenite::client_async(request, stream).await.map(|(socket, _)| socket)
}

fn status<T>(opened: Result<T, Error>) -> u16 {
    match opened {
        Ok(_) => 101,
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

async fn upgraded(answer: http::Response<Incoming>) -> WebSocketStream<TokioIo<hyper::upgrade::Upgraded>> {
    assert_eq!(answer.status(), StatusCode::OK);
    let io = hyper::upgrade::on(answer).await.expect("a tunnel");
    WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Client, None).await
}

/// Small, large, empty, text and binary, a ping, and a close with its reason.
async fn conversation<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) {
    let large = Message::binary((0..16 * 1024 * 1024_u32).map(|n| n.to_le_bytes()[0]).collect::<Vec<u8>>());
    for message in [Message::text("hello"), Message::binary(vec![]), Message::text("ünïcödé"), large] {
        let (mut sink, mut stream) = socket.split();
        let sent = message.clone();
        let (sent, back) = tokio::join!(sink.send(sent), stream.next());
        sent.expect("sent");
        assert!(back.expect("an answer").expect("a frame") == message);
        socket = sink.reunite(stream).expect("the same");
    }
    socket.send(Message::Ping("beat".into())).await.expect("sent");
    assert_eq!(socket.next().await.expect("an answer").expect("a frame"), Message::Pong("beat".into()));
    let frame = CloseFrame { code: 4_001.into(), reason: "enough".into() };
    socket.close(Some(frame.clone())).await.expect("sent");
    assert_eq!(socket.next().await.expect("an answer").expect("a frame"), Message::Close(Some(frame)));
    assert!(socket.next().await.is_none());
}

/// A socket to an echo.
trait Talks {
    /// Whether a message comes back.
    fn comes_back(&mut self) -> std::pin::Pin<Box<dyn Future<Output = bool> + '_>>;
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talks for WebSocketStream<S> {
    fn comes_back(&mut self) -> std::pin::Pin<Box<dyn Future<Output = bool> + '_>> {
        Box::pin(async {
            let message = Message::text("there?");
            self.send(message.clone()).await.is_ok()
                && matches!(self.next().await, Some(Ok(back)) if back == message)
        })
    }
}

fn secure_url(route: &Route) -> preview_core::template::Rendered {
    preview_core::template::Rendered {
        origin: route.url.origin.replace("http://", "https://"),
        ..route.url.clone()
    }
}
