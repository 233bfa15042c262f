//! The way of a request that was let in to its dev server, or to the daemon, and of the answer back.

use std::rc::Rc;

use data_encoding::BASE64;
use http::header::{
    CONNECTION, COOKIE, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE,
};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use preview_core::access::VisitKind;

use super::head::port_of;
use super::quota::{Kind, Place};
use crate::access::{Admitted, without_token};
use crate::body::Body;
use crate::config::Handoff;
use crate::headers::forwarded::{Asked, Via};
use crate::headers::request::is_embedded;
use crate::headers::response::Asking;
use crate::headers::{self, value};
use crate::login;
use crate::owner::OwnerRefused;
use crate::page::Answer;
use crate::shared::Conn;
use crate::tunnel;
use crate::upstream::{self, Failure, Lease, Target, Upgrade};

/// Forwards to a dev server.
pub(super) async fn to_dev_server(
    mut request: Request<Incoming>,
    conn: &Rc<Conn>,
    kind: VisitKind,
    via: &Via,
    authority: &HeaderValue,
    admitted: &Admitted<'_>,
) -> Result<Response<Body>, Answer> {
    let shared = &conn.thread.shared;
    let entry = admitted.entry;
    let (policy, origins) = (entry.route.policy, &entry.computed.origins);
    let asking = Asking {
        authenticated: admitted.authenticated,
        embedded: shared.global.jar.is_secure() && is_embedded(request.headers()),
        shows_token: admitted.shows_token,
    };
    if admitted.hand_over.as_ref().is_some_and(crate::access::HandOver::clears) {
        request.headers_mut().remove(COOKIE);
    }
    if shared.config.handoff == Handoff::Strip && admitted.shows_token && admitted.authenticated {
        strip_token(&mut request);
    }
    let is_upgrade = kind == VisitKind::Upgrade;
    let is_public_name = *authority == origins.public_authority;
    let port = if is_public_name { origins.public_port.clone() } else { port(authority, via) };
    let forwarded = forwarded(conn, via, authority);
    let asked = Asked { authority, port: &port, forwarded: &forwarded };
    login::clean_request(request.headers_mut(), &shared.config);
    headers::request::to_dev_server(request.headers_mut(), policy, origins, via, &asked, is_upgrade);
    if let Some(login) = &admitted.login {
        login.introduce(request.headers_mut());
    }
    let sent = pass(request, conn, Target::DevServer(entry), is_upgrade).await;
    let mut response = sent.map_err(|failure| dev_server_failed(conn, admitted, &failure))?;
    let switched = switching(&mut response);
    login::clean_answer(response.headers_mut(), &shared.config);
    headers::response::from_dev_server(
        response.headers_mut(),
        policy,
        origins,
        &shared.global.framing,
        asking,
    );
    switched.restore(response.headers_mut());
    Ok(response)
}

/// Forwards to the daemon.
pub(super) async fn to_daemon(
    mut request: Request<Incoming>,
    conn: &Rc<Conn>,
    kind: VisitKind,
    via: &Via,
    authority: &HeaderValue,
) -> Result<Response<Body>, Answer> {
    let is_upgrade = kind == VisitKind::Upgrade;
    let (port, forwarded) = (port(authority, via), forwarded(conn, via, authority));
    let asked = Asked { authority, port: &port, forwarded: &forwarded };
    headers::request::to_daemon(request.headers_mut(), via, &asked, is_upgrade);
    let socket = conn.thread.shared.config.daemon_dir.join("public.sock");
    let sent = pass(request, conn, Target::Daemon(&socket), is_upgrade).await;
    let mut response = sent.map_err(|failure| {
        tracing::warn!(
            error = &failure as &dyn std::error::Error,
            "the daemon did not answer a request from outside"
        );
        match failure {
            Failure::Slow => Answer::DaemonSlow,
            Failure::ClientGone(_) => Answer::Malformed,
            Failure::Full => Answer::TooMany(std::time::Duration::from_secs(1)),
            Failure::Down(_) | Failure::Closed(_) | Failure::Owner(_) | Failure::NotHttp(_) => {
                Answer::DaemonUnreachable
            }
        }
    })?;
    let switched = switching(&mut response);
    headers::response::from_daemon(response.headers_mut());
    switched.restore(response.headers_mut());
    Ok(response)
}

/// Sends a request whose headers are made, in the form that goes to servers.
async fn pass(
    mut request: Request<Incoming>,
    conn: &Rc<Conn>,
    target: Target<'_>,
    is_upgrade: bool,
) -> Result<Response<Body>, Failure> {
    let is_h2 = request.version() == Version::HTTP_2;
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    *request.version_mut() = Version::HTTP_11;
    let mut response = if is_upgrade {
        switch(request, conn, target, is_h2).await?
    } else {
        request.extensions_mut().clear();
        upstream::send(&conn.thread, target, request.map(Body::of_client)).await?
    };
    *response.version_mut() = if is_h2 { Version::HTTP_2 } else { Version::HTTP_11 };
    Ok(response)
}

/// Asks a server to switch to a WebSocket; if it does, a tunnel begins when the client has heard of it.
async fn switch(
    mut request: Request<Incoming>,
    conn: &Rc<Conn>,
    target: Target<'_>,
    is_h2: bool,
) -> Result<Response<Body>, Failure> {
    let place = match target {
        Target::DevServer(entry) => {
            let most = conn.thread.shared.config.limits.websockets;
            Some(Place::take(&entry.computed.live, Kind::WebSocket, most).ok_or(Failure::Full)?)
        }
        Target::Daemon(_) => None,
    };
    let client = hyper::upgrade::on(&mut request);
    if is_h2 {
        // Extended CONNECT has neither a method nor a key that HTTP/1.1 would know (RFC 8441 §5).
        *request.method_mut() = Method::GET;
        request.headers_mut().insert(SEC_WEBSOCKET_KEY, websocket_key());
    }
    request.extensions_mut().clear();
    let (mut response, lease) =
        match upstream::upgrade(&conn.thread, target, request.map(|_| Body::Empty)).await? {
            Upgrade::Refused(response) => return Ok(response),
            Upgrade::Switched(response, lease) => (response, lease),
        };
    let dev_server = hyper::upgrade::on(&mut response);
    tunnel(conn, &lease, place, client, dev_server);
    if is_h2 {
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().remove(SEC_WEBSOCKET_ACCEPT);
    }
    Ok(response.map(|_| Body::Empty))
}

fn tunnel(
    conn: &Rc<Conn>,
    lease: &Lease,
    place: Option<Place>,
    client: hyper::upgrade::OnUpgrade,
    dev_server: hyper::upgrade::OnUpgrade,
) {
    // Without its pool the attachment has just ended, and with it the tunnel.
    let Some(pool) = lease.pool() else { return };
    let (conn, underway) = (Rc::clone(conn), conn.underway());
    pool.run(place, |link| async move {
        tunnel::join(client, dev_server, link).await;
        drop((conn, underway));
    });
}

/// `Connection` and `Upgrade` of an answer that switches protocols, which are of one hop, but mean ours too.
struct Switching(bool);

fn switching(response: &mut Response<Body>) -> Switching {
    Switching(response.status() == StatusCode::SWITCHING_PROTOCOLS)
}

impl Switching {
    fn restore(self, headers: &mut HeaderMap) {
        if self.0 {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
    }
}

/// What is told of a dev server that did not answer: the truth to those who were let in, to others what everybody
/// is told of a host that is not there.
fn dev_server_failed(conn: &Conn, admitted: &Admitted<'_>, failure: &Failure) -> Answer {
    let route = &admitted.entry.route;
    tracing::info!(
        attachment = %route.id,
        listener = %route.listener,
        client = %conn.peer.ip(),
        error = failure as &dyn std::error::Error,
        "a dev server did not answer",
    );
    let (viewer, stranger) = match failure {
        Failure::Owner(OwnerRefused::Gone) | Failure::Down(_) | Failure::Closed(_) => {
            (Answer::Waiting, Answer::Uniform)
        }
        Failure::Owner(_) => (Answer::WaitingForOwner, Answer::Uniform),
        Failure::Slow => (Answer::Slow, Answer::Slow),
        Failure::NotHttp(_) => (Answer::NotHttp, Answer::NotHttp),
        Failure::Full => {
            let busy = Answer::TooMany(std::time::Duration::from_secs(1));
            (busy, busy)
        }
        Failure::ClientGone(_) => (Answer::Malformed, Answer::Malformed),
    };
    if admitted.authenticated { viewer } else { stranger }
}

fn strip_token(request: &mut Request<Incoming>) {
    if let Ok(uri) = without_token(request.uri()).parse() {
        *request.uri_mut() = uri;
    }
}

fn port(authority: &HeaderValue, via: &Via) -> HeaderValue {
    port_of(authority).map_or_else(|| HeaderValue::from_static(if via.https { "443" } else { "80" }), value)
}

fn forwarded(conn: &Conn, via: &Via, authority: &HeaderValue) -> HeaderValue {
    if via.proxied {
        return via.in_words(authority);
    }
    conn.notes.forwarded(authority, |authority| via.in_words(authority))
}

fn websocket_key() -> HeaderValue {
    let mut key = [0; 16];
    // Its only use is that a server answers with something made of it.
    if getrandom::fill(&mut key).is_err() {
        key = *b"preview-edge-key";
    }
    value(BASE64.encode(&key))
}
