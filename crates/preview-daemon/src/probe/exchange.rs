//! One request to a dev server and its answer, bounded in size and time.

use std::error::Error as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, HOST, ORIGIN, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use preview_core::listener::Listener;
use preview_core::verdict::HostPolicy;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::presented::Presented;

/// Bytes of a response's head.
const HEAD: usize = 64 << 10;
/// Bytes of a page that are looked at.
const BODY: usize = 256 << 10;
/// How long to read on in a page; what is streamed later is not needed.
const BODY_WITHIN: Duration = Duration::from_secs(2);
/// How long a loopback connection may take (`docs/contract.md` §3).
const CONNECT: Duration = Duration::from_secs(2);
/// How long an upgrade may take: Next leaves paths that it does not know open and silent.
const UPGRADE_WITHIN: Duration = Duration::from_secs(2);

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A response.
    Http(Page),
    /// Bytes that are no HTTP.
    NotHttp,
    /// The connection was closed without an answer.
    Closed,
    /// There was no connection to be had.
    Refused,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Its status.
    pub(crate) status: u16,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// The beginning of its body, if it is HTML.
    pub(crate) html: Bytes,
}

/// What became of an upgrade to a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upgraded {
    /// A response: 101 if it was agreed to.
    Status(u16),
    /// Bytes that are no HTTP, or none.
    NotHttp,
    /// Silence.
    Silent,
}

/// Asks for a page. Takes as long as the server takes.
pub(crate) async fn get(listener: Listener, presented: &Presented, path: &str, policy: HostPolicy) -> Answer {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri(path);
    *request.headers_mut() = presented.headers(policy);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/html,*/*;q=0.8"));
    match send(listener, request).await {
        Ok((response, _connection)) => {
            let (head, body) = response.into_parts();
            let kind = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
            let is_html = kind.to_ascii_lowercase().starts_with(b"text/html");
            let html = if is_html { beginning(body).await } else { Bytes::new() };
            Answer::Http(Page { status: head.status.as_u16(), headers: head.headers, html })
        }
        Err(answer) => answer,
    }
}

/// Asks for an upgrade to a WebSocket, and leaves it at the answer. `subprotocol` may be empty; the `Origin` that
/// goes with the policy is shown if `with_origin` says so.
pub(crate) async fn upgrade(
    listener: Listener,
    presented: &Presented,
    path: &str,
    policy: HostPolicy,
    (subprotocol, with_origin): (&'static str, bool),
) -> Upgraded {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri(path);
    *request.headers_mut() = presented.headers(policy);
    let fixed: [(HeaderName, &'static str); 4] = [
        (CONNECTION, "Upgrade"),
        (UPGRADE, "websocket"),
        (SEC_WEBSOCKET_VERSION, "13"),
        // RFC 6455 §1.3: 16 bytes, or servers answer 400.
        (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (name, value) in fixed {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if with_origin {
        request.headers_mut().insert(ORIGIN, presented.origin(policy));
    }
    if !subprotocol.is_empty() {
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
    }
    match timeout(UPGRADE_WITHIN, send(listener, request)).await {
        Ok(Ok((response, _connection))) => Upgraded::Status(response.status().as_u16()),
        Ok(Err(_)) => Upgraded::NotHttp,
        Err(_) => Upgraded::Silent,
    }
}

type Connection = AbortOnDropHandle<hyper::Result<()>>;

async fn send(
    listener: Listener,
    mut request: Request<Empty<Bytes>>,
) -> Result<(http::Response<Incoming>, Connection), Answer> {
    request
        .headers_mut()
        .insert(USER_AGENT, HeaderValue::from_static("Mozilla/5.0 (compatible; preview-probe)"));
    request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    debug_assert!(request.headers().contains_key(HOST));
    let connected = timeout(CONNECT, TcpStream::connect(listener.socket_addr())).await;
    let Ok(Ok(stream)) = connected else { return Err(Answer::Refused) };
    let handshake = http1::Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|_| Answer::Closed)?;
    let connection = AbortOnDropHandle::new(tokio::spawn(connection));
    match sender.send_request(request).await {
        Ok(response) => Ok((response, connection)),
        // A server that speaks first may end the connection before the request is on it: then that knows why.
        Err(error) => match connection.await {
            Ok(Err(of_connection)) if is_not_http(&of_connection) => Err(Answer::NotHttp),
            _ if is_not_http(&error) => Err(Answer::NotHttp),
            _ => Err(Answer::Closed),
        },
    }
}

/// Whether bytes came that are no HTTP: what hyper does not put down to the connection or to us.
fn is_not_http(error: &hyper::Error) -> bool {
    let ours = error.is_user() || error.is_canceled() || error.is_closed();
    error.is_parse() || !(ours || error.is_incomplete_message() || error.source().is_some())
}

async fn beginning(mut body: Incoming) -> Bytes {
    let deadline = Instant::now() + BODY_WITHIN;
    let mut text = BytesMut::new();
    while text.len() < BODY {
        let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await else { break };
        if let Some(data) = frame.data_ref() {
            text.extend_from_slice(&data[..data.len().min(BODY - text.len())]);
        }
    }
    text.freeze()
}

fn uri(path: &str) -> Uri {
    // A start path with characters that may not stand in a request line is asked for at its root.
    path.parse().unwrap_or_else(|_| Uri::from_static("/"))
}
