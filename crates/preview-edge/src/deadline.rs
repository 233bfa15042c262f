//! How long a connection may take to say what it wants, and how long it may want nothing.
//!
//! hyper's own timer cannot tell a connection that idles from one whose header trickles in; this can: its IO sees
//! the first byte, its requests say when they begin and end, its driver ends it when [`Patience::due`] has passed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What a connection is doing, as far as its deadlines go.
///
/// One thread alone uses it; it is made of atomics because hyper hands upgraded connections on as `Send`.
#[derive(Debug)]
pub(crate) struct Patience {
    origin: Instant,
    header: Duration,
    keep_alive: Duration,
    under_way: AtomicU32,
    idle: AtomicBool,
    /// Milliseconds after `origin`; means nothing while requests are under way.
    due: AtomicU64,
}

/// A request, or the tunnel it became: as long as this lives the connection has no deadline of ours.
#[derive(Debug)]
pub(crate) struct Underway(Arc<Patience>);

/// What the driver of a connection is to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Look again at this moment.
    At(Instant),
    /// It idled long enough: take leave.
    Idle,
    /// Its header took too long: hang up.
    Header,
}

impl Patience {
    /// A connection that was accepted now.
    pub(crate) fn new(header: Duration, keep_alive: Duration) -> Arc<Self> {
        let patience = Self {
            origin: Instant::now(),
            header,
            keep_alive,
            under_way: AtomicU32::new(0),
            idle: AtomicBool::new(false),
            due: AtomicU64::new(0),
        };
        patience.set_due(header);
        Arc::new(patience)
    }

    /// A request has begun: its header is whole.
    pub(crate) fn begin(self: &Arc<Self>) -> Underway {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.idle.store(false, Ordering::Relaxed);
        Underway(Arc::clone(self))
    }

    /// When the connection's time is up.
    pub(crate) fn due(&self) -> Due {
        let now = Instant::now();
        if self.is_busy() {
            // A request may end without waking the driver, so that it looks again.
            return Due::At(now + self.keep_alive);
        }
        let due = self.origin + Duration::from_millis(self.due.load(Ordering::Relaxed));
        match (due > now, self.idle.load(Ordering::Relaxed)) {
            (true, _) => Due::At(due),
            (false, true) => Due::Idle,
            (false, false) => Due::Header,
        }
    }

    /// Whether a request is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }

    /// Bytes have come; after silence they are the first of a header.
    fn heard(&self) {
        if self.idle.load(Ordering::Relaxed) {
            self.idle.store(false, Ordering::Relaxed);
            self.set_due(self.header);
        }
    }

    fn end(&self) {
        if self.under_way.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.idle.store(true, Ordering::Relaxed);
            self.set_due(self.keep_alive);
        }
    }

    fn set_due(&self, from_now: Duration) {
        let due = (self.origin.elapsed() + from_now).as_millis();
        self.due.store(u64::try_from(due).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The IO of an HTTP/1 connection, which tells its [`Patience`] of first bytes. HTTP/2 has frames that begin no
/// request, so there the patience is `None`.
#[derive(Debug)]
pub(crate) struct Timed<IO> {
    io: IO,
    patience: Option<Arc<Patience>>,
}

impl<IO> Timed<IO> {
    pub(crate) fn new(io: IO, patience: Option<Arc<Patience>>) -> Self {
        Self { io, patience }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Timed<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if let Some(patience) = self.patience.as_ref().filter(|_| buf.filled().len() > before) {
            patience.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Timed<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A response's body, with which its request ends.
#[derive(Debug)]
pub(crate) struct Last<B> {
    body: B,
    #[expect(dead_code, reason = "it ends the request by being dropped")]
    underway: Underway,
}

impl<B> Last<B> {
    pub(crate) fn new(body: B, underway: Underway) -> Self {
        Self { body, underway }
    }
}

impl<D: Buf, B: Body<Data = D> + Unpin> Body for Last<B> {
    type Data = D;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<D>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Duration = Duration::from_secs(10);
    const KEEP_ALIVE: Duration = Duration::from_secs(75);

    #[tokio::test(start_paused = true)]
    async fn a_header_has_its_time_from_accept_and_then_from_its_first_byte() {
        let patience = Patience::new(HEADER, KEEP_ALIVE);
        assert_eq!(patience.due(), Due::At(Instant::now() + HEADER));
        patience.heard();
        tokio::time::advance(HEADER).await;
        assert_eq!(patience.due(), Due::Header);

        let patience = Patience::new(HEADER, KEEP_ALIVE);
        drop(patience.begin());
        tokio::time::advance(Duration::from_mins(1)).await;
        patience.heard();
        assert_eq!(patience.due(), Due::At(Instant::now() + HEADER));
        tokio::time::advance(Duration::from_secs(9)).await;
        patience.heard();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(patience.due(), Due::Header);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_after_the_last_request_ends_it_and_a_request_under_way_does_not() {
        let patience = Patience::new(HEADER, KEEP_ALIVE);
        let (first, second) = (patience.begin(), patience.begin());
        drop(first);
        tokio::time::advance(KEEP_ALIVE * 10).await;
        assert!(matches!(patience.due(), Due::At(_)));
        drop(second);
        assert_eq!(patience.due(), Due::At(Instant::now() + KEEP_ALIVE));
        tokio::time::advance(KEEP_ALIVE).await;
        assert_eq!(patience.due(), Due::Idle);
    }
}
