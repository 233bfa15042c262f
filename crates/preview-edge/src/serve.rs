//! One client's connection: TLS, then hyper's HTTP/1 or HTTP/2 by ALPN, with every limit and deadline set.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::body::Body;
use crate::deadline::{Due, Last, Timed};
use crate::limits::Permit;
use crate::listen::Door;
use crate::request;
use crate::shared::{Conn, Thread};
use crate::tls;

/// Bytes that a request's header may have.
const HEADER_BYTES: usize = 64 * 1024;
/// Fields that a request's header may have.
const HEADER_FIELDS: usize = 100;
/// Requests that one HTTP/2 connection may have open.
const STREAMS: u32 = 100;
/// Bytes that a client may send ahead on one stream, and on all of a connection.
const WINDOWS: (u32, u32) = (256 * 1024, 1024 * 1024);
/// Streams that a client may open and reset before it is hung up on (CVE-2023-44487), and that may be reset for
/// errors of its own.
const RESETS: (usize, usize) = (20, 100);
/// Bytes of an answer that wait for a slow HTTP/2 client, per stream.
const SEND_BUFFER: usize = 128 * 1024;
/// Bytes that HTTP/1 reads and writes at once at most; the least that holds [`HEADER_BYTES`].
const BUFFER: usize = 128 * 1024;
/// How long a client that idled may take to part.
const LEAVE: Duration = Duration::from_secs(5);

static HTTP1: LazyLock<http1::Builder> = LazyLock::new(|| {
    let mut http1 = http1::Builder::new();
    http1
        .timer(TokioTimer::new())
        // `Patience` is the timer, see there.
        .header_read_timeout(None)
        .max_headers(HEADER_FIELDS)
        .max_header_size(HEADER_BYTES)
        .max_buf_size(BUFFER);
    http1
});

static HTTP2: LazyLock<http2::Builder<Local>> = LazyLock::new(|| {
    let mut http2 = http2::Builder::new(Local);
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_pending_accept_reset_streams(RESETS.0)
        .max_local_error_reset_streams(RESETS.1)
        .max_header_list_size(u32::try_from(HEADER_BYTES).unwrap_or(u32::MAX))
        .max_send_buf_size(SEND_BUFFER)
        .enable_connect_protocol();
    http2
});

/// Serves a connection to its end.
pub(crate) async fn connection(
    thread: Rc<Thread>,
    stream: TcpStream,
    peer: SocketAddr,
    door: Door,
    permit: Permit,
) {
    match door {
        Door::Plain => http1(stream, Conn::new(&thread, peer, None, permit)).await,
        Door::Tls(acceptor) => {
            let patience = thread.shared.config.times.handshake;
            let Some(stream) = handshake(acceptor, stream, patience).await else { return };
            let asked = stream.get_ref().1.server_name();
            // One that was swapped meanwhile may not cover the host any more: then every request is misdirected.
            let shown = thread.shared.certificate.as_ref().and_then(|it| it.pick(asked));
            let names = shown.map(|it| Arc::clone(&it.names)).unwrap_or_default();
            let conn = Conn::new(&thread, peer, Some(names), permit);
            match stream.get_ref().1.alpn_protocol() {
                Some(tls::H2) => http2(stream, conn).await,
                _ => http1(stream, conn).await,
            }
        }
    }
}

async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    patience: Duration,
) -> Option<TlsStream<TcpStream>> {
    match timeout(patience, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

async fn http1<IO>(io: IO, conn: Rc<Conn>)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(Timed::new(io, Some(Arc::clone(&conn.patience))));
    let service = service_fn(|request| answer(request, Rc::clone(&conn)));
    let connection = pin!(HTTP1.serve_connection(io, service).with_upgrades());
    drive(connection, http1::UpgradeableConnection::graceful_shutdown, &conn).await;
}

async fn http2<IO>(io: IO, conn: Rc<Conn>)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(Timed::new(io, None));
    let answering = Rc::clone(&conn);
    let service = service_fn(move |request| answer(request, Rc::clone(&answering)));
    let connection = pin!(HTTP2.serve_connection(io, service));
    drive(connection, http2::Connection::graceful_shutdown, &conn).await;
}

async fn answer(request: Request<Incoming>, conn: Rc<Conn>) -> Result<Response<Last<Body>>, Infallible> {
    let underway = conn.underway();
    // HTTP/1 counts fields by itself.
    let response = if request.version() == Version::HTTP_2 && request.headers().len() > HEADER_FIELDS {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        response
    } else {
        request::serve(request, conn).await
    };
    Ok(response.map(|body| Last::new(body, underway)))
}

/// Polls a connection to its end, or to its deadline. When the edge stops, or the connection idled long enough, it
/// takes leave: HTTP/1 closes after the answer under way, HTTP/2 says so by GOAWAY.
async fn drive<C>(mut connection: Pin<&mut C>, leave: impl Fn(Pin<&mut C>), conn: &Conn)
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut stopping = pin!(conn.thread.stop.cancelled());
    let mut timer = pin!(sleep_until(Instant::now()));
    let mut armed = false;
    let mut left = false;
    let mut hang_up_at = None;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended in an error");
            }
            return Poll::Ready(());
        }
        if !left && stopping.as_mut().poll(cx).is_ready() {
            left = true;
            leave(connection.as_mut());
            cx.waker().wake_by_ref();
        }
        loop {
            let at = match (hang_up_at, conn.patience.due()) {
                (Some(at), _) | (None, Due::At(at)) => at,
                (None, Due::Header) => return Poll::Ready(()),
                (None, Due::Idle) => {
                    let at = Instant::now() + LEAVE;
                    hang_up_at = Some(at);
                    if !left {
                        left = true;
                        leave(connection.as_mut());
                        cx.waker().wake_by_ref();
                    }
                    at
                }
            };
            // A timer that fires too early only looks again.
            if !armed || at < timer.deadline() {
                timer.as_mut().reset(at);
                armed = true;
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            armed = false;
            match hang_up_at {
                Some(_) if conn.patience.is_busy() => hang_up_at = Some(Instant::now() + LEAVE),
                Some(at) if at <= Instant::now() => return Poll::Ready(()),
                _ => {}
            }
        }
    })
    .await;
}

/// Spawns the streams of an HTTP/2 connection on its own thread.
#[derive(Clone, Copy, Debug)]
struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
