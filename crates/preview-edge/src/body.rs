//! Bodies: one enum, never boxed, streamed both ways and never held. Who does not read is not read for.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::activity::{Pulse, Way};
use crate::upstream::{Lease, Link};

/// The body of an answer, or of a request to a dev server.
pub(crate) enum Body {
    /// None.
    Empty,
    /// One of ours.
    Whole(Bytes),
    /// A client's, on its way to a dev server.
    Upload(Upload),
    /// A dev server's, on its way to a client.
    Download(Download),
}

/// A client's body.
pub(crate) struct Upload {
    incoming: Incoming,
    /// The connection that takes it, once one was chosen.
    link: Option<Rc<Link>>,
}

/// A dev server's body, with the connection that it comes over.
pub(crate) struct Download {
    incoming: Incoming,
    lease: Option<Lease>,
    pulse: Pulse,
}

impl Body {
    /// A client's body; nothing of it is read yet.
    pub(crate) fn of_client(incoming: Incoming) -> Self {
        if incoming.is_end_stream() { Self::Empty } else { Self::Upload(Upload { incoming, link: None }) }
    }

    /// A dev server's body. Its connection is free again when the body has ended.
    pub(crate) fn of_dev_server(incoming: Incoming, lease: Lease) -> Self {
        if incoming.is_end_stream() {
            lease.give_back();
            return Self::Empty;
        }
        lease.link().opened();
        Self::Download(Download { incoming, lease: Some(lease), pulse: Pulse::default() })
    }

    /// Text of ours.
    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self::Whole(text.into())
    }

    /// Whether it is known to have nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Tells a client's body over which connection it goes.
    pub(crate) fn goes_over(&mut self, link: &Rc<Link>) {
        if let Self::Upload(upload) = self {
            link.uploads();
            upload.link = Some(Rc::clone(link));
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        match this {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Upload(upload) => upload.poll_frame(cx),
            Self::Download(download) => download.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Upload(upload) => upload.incoming.is_end_stream(),
            Self::Download(download) => download.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Upload(upload) => upload.incoming.size_hint(),
            Self::Download(download) => download.incoming.size_hint(),
        }
    }
}

impl Upload {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if let Some(link) = &self.link {
            match &frame {
                Some(Ok(frame)) => link.uploaded(frame.data_ref().map_or(0, Bytes::len)),
                Some(Err(_)) => {}
                None => link.upload_ended(),
            }
        }
        Poll::Ready(frame)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // A body of known length is not asked for its end.
        if let Some(link) = self.link.take().filter(|_| self.incoming.is_end_stream()) {
            link.upload_ended();
        }
    }
}

impl Download {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if let (Some(Ok(frame)), Some(lease)) = (&frame, &self.lease) {
            lease.link().beat(Way::Out, frame.data_ref().map_or(0, Bytes::len), &mut self.pulse);
        }
        if frame.is_none() || self.incoming.is_end_stream() {
            self.end();
        }
        Poll::Ready(frame)
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.link().closed();
            lease.give_back();
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if self.incoming.is_end_stream() {
            self.end();
        } else if let Some(lease) = self.lease.take() {
            // Whoever goes before the end takes the connection along: the rest of the body would be in its way.
            lease.link().closed();
        }
    }
}
