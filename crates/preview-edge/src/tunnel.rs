//! Byte tunnels: what is left of a WebSocket once both sides have switched to it. Frames are not parsed.
//!
//! A tunnel that is silent holds no buffer: all of a thread read into one.

use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::activity::{Pulse, Way};
use crate::upstream::Link;

/// How long one side may go on after the other has ended.
const LINGER: Duration = Duration::from_secs(10);

/// Bytes read at once.
const READ: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// Waits until both sides have switched, then passes bytes until both have ended.
pub(crate) async fn join(client: OnUpgrade, dev_server: OnUpgrade, link: Rc<Link>) {
    let (Ok(client), Ok(dev_server)) = (client.await, dev_server.await) else { return };
    link.opened();
    let _open = Open(&link);
    let mut client = TokioIo::new(client);
    let mut dev_server = TokioIo::new(dev_server);
    if let Err(error) = pass(&mut client, &mut dev_server, &link).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "a tunnel broke off");
    }
}

struct Open<'a>(&'a Link);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.closed();
    }
}

async fn pass<A, B>(a: &mut A, b: &mut B, link: &Link) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut inwards, mut outwards) = (Half::new(Way::In), Half::new(Way::Out));
    let mut step = |cx: &mut Context<'_>| -> io::Result<(bool, bool)> {
        let inwards = inwards.poll_pass(cx, a, b, link)?;
        let outwards = outwards.poll_pass(cx, b, a, link)?;
        Ok((inwards.is_ready(), outwards.is_ready()))
    };
    std::future::poll_fn(|cx| match step(cx) {
        Ok((false, false)) => Poll::Pending,
        Ok(_) => Poll::Ready(Ok(())),
        Err(error) => Poll::Ready(Err(error)),
    })
    .await?;
    let rest = pin!(std::future::poll_fn(|cx| match step(cx) {
        Ok((true, true)) => Poll::Ready(Ok(())),
        Ok(_) => Poll::Pending,
        Err(error) => Poll::Ready(Err(error)),
    }));
    timeout(LINGER, rest).await.unwrap_or(Ok(()))
}

/// One direction.
struct Half {
    way: Way,
    /// What was read and not yet taken; empty unless the taker is slow.
    left: Vec<u8>,
    /// Whether something written waits to be flushed.
    is_dirty: bool,
    state: State,
    pulse: Pulse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Its end was read and is to be passed on.
    Ending,
    Ended,
}

impl Half {
    fn new(way: Way) -> Self {
        Self { way, left: Vec::new(), is_dirty: false, state: State::Open, pulse: Pulse::default() }
    }

    /// Passes what there is; ready when the end was passed on.
    fn poll_pass<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        link: &Link,
    ) -> io::Result<Poll<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        match self.poll(cx, from, to, link) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(done) => done.map(Poll::Ready),
        }
    }

    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        link: &Link,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while !self.left.is_empty() {
                let taken = ready!(Pin::new(&mut *to).poll_write(cx, &self.left))?;
                if taken == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.is_dirty = true;
                self.left.drain(..taken);
            }
            match self.state {
                State::Ended => return Poll::Ready(Ok(())),
                State::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.state = State::Ended;
                }
                State::Open => {
                    let read =
                        SCRATCH.with_borrow_mut(|scratch| self.poll_read(cx, from, to, link, scratch))?;
                    if read.is_pending() {
                        if self.is_dirty && Pin::new(&mut *to).poll_flush(cx)?.is_ready() {
                            self.is_dirty = false;
                        }
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Reads once and writes as much of it as is taken at once.
    fn poll_read<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        link: &Link,
        scratch: &mut [u8],
    ) -> io::Result<Poll<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut buffer = ReadBuf::new(scratch);
        if Pin::new(from).poll_read(cx, &mut buffer)?.is_pending() {
            return Ok(Poll::Pending);
        }
        let read = buffer.filled();
        if read.is_empty() {
            self.state = State::Ending;
            return Ok(Poll::Ready(()));
        }
        link.beat(self.way, read.len(), &mut self.pulse);
        let taken = match Pin::new(to).poll_write(cx, read)? {
            Poll::Ready(taken) => taken,
            Poll::Pending => 0,
        };
        self.is_dirty |= taken > 0;
        // Freed with its last byte, so that a tunnel is small again when it is silent.
        self.left = read[taken..].to_vec();
        Ok(Poll::Ready(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Link;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn bytes_pass_both_ways_and_an_end_is_passed_on() {
        let (mut client, mut a) = duplex(64);
        let (mut b, mut server) = duplex(64);
        let link = Link::of_test();
        let passing = pass(&mut a, &mut b, &link);
        let talking = async {
            client.write_all(b"ping").await.expect("writes");
            let mut heard = [0; 4];
            server.read_exact(&mut heard).await.expect("reads");
            client.shutdown().await.expect("ends");
            assert_eq!(server.read(&mut heard).await.expect("reads"), 0);
            server.write_all(b"pong").await.expect("writes");
            drop(server);
            let mut got = Vec::new();
            client.read_to_end(&mut got).await.expect("reads");
            got
        };
        let (passed, got) = tokio::join!(passing, talking);
        passed.expect("passed");
        assert_eq!(got, b"pong");
    }

    #[tokio::test]
    async fn a_slow_taker_stops_the_reader() {
        let (mut client, mut a) = duplex(64 * 1024);
        let (mut b, mut server) = duplex(16);
        let link = Link::of_test();
        let passing = async { pass(&mut a, &mut b, &link).await };
        let talking = async {
            client.write_all(&vec![1; 60_000]).await.expect("writes");
            client.shutdown().await.expect("ends");
            let mut got = Vec::new();
            server.read_to_end(&mut got).await.expect("reads");
            drop(server);
            got.len()
        };
        let (passed, got) = tokio::join!(passing, talking);
        passed.expect("passed");
        assert_eq!(got, 60_000);
    }
}
