//! Connections to dev servers, and to the daemon: dialled, checked, kept for the next request, sent over.

mod dial;
mod pool;

use std::io;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

pub(crate) use dial::Target;
pub(crate) use pool::{Lease, Link, Pools};

use crate::body::Body;
use crate::owner::OwnerRefused;
use crate::shared::Thread;

/// Why there is no answer of a dev server.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// Nothing listens there.
    #[error("nothing listens there")]
    Down(#[source] io::Error),
    /// It closed the connection without an answer.
    #[error("the dev server closed the connection without an answer")]
    Closed(#[source] hyper::Error),
    /// Somebody else listens there, or it cannot be told who.
    #[error(transparent)]
    Owner(OwnerRefused),
    /// It did not take the connection, or did not begin its answer, in time.
    #[error("the dev server took too long")]
    Slow,
    /// It does not speak HTTP.
    #[error("the dev server answered with something that is not HTTP")]
    NotHttp(#[source] Option<hyper::Error>),
    /// The attachment has as many connections as it may have.
    #[error("too many connections to the dev server")]
    Full,
    /// The client's own body broke off.
    #[error("the client went away")]
    ClientGone(#[source] hyper::Error),
}

/// Sends a request and waits for the head of its answer. A kept connection is used where there is one; if it turns
/// out to be closed, a request that was not begun, or that may be repeated, goes over another.
pub(crate) async fn send(
    thread: &Thread,
    target: Target<'_>,
    mut request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    let pool = thread.local.pools.of(target);
    let repeatable = is_repeatable(&request);
    while let Some(lease) = pool.take(repeatable).await {
        let copy = repeatable.then(|| Head::of(&request));
        match exchange(thread, lease, request).await {
            Err(Lost { unsent: Some(unsent), .. }) => request = *unsent,
            Err(Lost { failure, .. }) => match (failure, copy) {
                (Failure::Closed(_), Some(copy)) => {
                    request = copy.bodiless();
                    break;
                }
                (failure, _) => return Err(failure),
            },
            Ok((response, lease)) => return answer(response, lease),
        }
    }
    let lease = dial::connect(thread, target, &pool).await?;
    let (response, lease) = exchange(thread, lease, request).await.map_err(|lost| lost.failure)?;
    answer(response, lease)
}

/// Sends a request that asks to upgrade, over a connection of its own, and waits for the head of its answer; one
/// that switches protocols comes without the lease, whose connection is no longer an HTTP one.
pub(crate) async fn upgrade(
    thread: &Thread,
    target: Target<'_>,
    request: Request<Body>,
) -> Result<Upgrade, Failure> {
    let pool = thread.local.pools.of(target);
    let lease = dial::connect(thread, target, &pool).await?;
    let (response, lease) = exchange(thread, lease, request).await.map_err(|lost| lost.failure)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Upgrade::Switched(response, lease));
    }
    answer(response, lease).map(Upgrade::Refused)
}

/// The answer to a request that asked to upgrade.
pub(crate) enum Upgrade {
    /// The dev server speaks the other protocol from here on.
    Switched(Response<Incoming>, Lease),
    /// It answers as to any other request.
    Refused(Response<Body>),
}

/// A request that got no answer.
struct Lost {
    failure: Failure,
    /// The request, if not a byte of it was sent.
    unsent: Option<Box<Request<Body>>>,
}

/// What can be sent again of a request without a body.
struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Head {
    fn of(request: &Request<Body>) -> Self {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        Self { method, uri, headers: request.headers().clone() }
    }

    fn bodiless(self) -> Request<Body> {
        let mut request = Request::new(Body::Empty);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}

/// Sends one request over one connection.
async fn exchange(
    thread: &Thread,
    mut lease: Lease,
    mut request: Request<Body>,
) -> Result<(Response<Incoming>, Lease), Lost> {
    request.body_mut().goes_over(lease.link());
    let first_byte = thread.shared.config.times.first_byte;
    let sent = lease.sender().try_send_request(request);
    match first_answer(sent, lease.link(), first_byte).await {
        None => Err(Lost { failure: Failure::Slow, unsent: None }),
        Some(Ok(response)) => Ok((response, lease)),
        Some(Err(mut error)) => {
            let unsent = error.take_message().map(Box::new);
            Err(Lost { failure: Failure::of(error.into_error()), unsent })
        }
    }
}

/// Waits for `sent`, as long as `first_byte` after the client's last byte; `None` when that is over.
async fn first_answer<T>(sent: impl Future<Output = T>, link: &Link, first_byte: Duration) -> Option<T> {
    tokio::pin!(sent);
    let mut end = Instant::now() + first_byte;
    loop {
        match timeout_at(end, &mut sent).await {
            Ok(answer) => return Some(answer),
            Err(_) => end = link.last_upload().map(|last| last + first_byte).filter(|later| *later > end)?,
        }
    }
}

/// The answer to a request that did not ask to upgrade.
fn answer(response: Response<Incoming>, lease: Lease) -> Result<Response<Body>, Failure> {
    if response.status().is_informational() {
        return Err(Failure::NotHttp(None));
    }
    Ok(response.map(|incoming| Body::of_dev_server(incoming, lease)))
}

/// Whether a request may be sent twice (RFC 9110 §9.2.2) and has no body that would be gone by then.
fn is_repeatable(request: &Request<Body>) -> bool {
    request.method().is_idempotent() && request.body().is_empty()
}

impl Failure {
    fn of(error: hyper::Error) -> Self {
        if error.is_parse() {
            Self::NotHttp(Some(error))
        } else if error.is_user() {
            Self::ClientGone(error)
        } else {
            Self::Closed(error)
        }
    }
}
