//! Who calls, and whether they may: by the door they came through, by their key, and by the session and user they
//! say they act for.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use http::request::Parts;
use ipnet::IpNet;
use preview_core::command::Authority;
use preview_core::id::{SessionId, UserId};
use preview_core::refusal::Refusal;
use rustix::process::geteuid;

use super::Shared;
use super::doors::{Arrival, Door, Peer};
use super::keys_file::KeyScope;
use super::problem::{Answer, Fault, refused};
use super::refusals::ActedAs;
use crate::config::InvalidConfig;
use crate::daemon::Daemon;
use crate::failure::Failure;

const PREVIEW_SESSION: HeaderName = HeaderName::from_static("preview-session");
const PREVIEW_USER: HeaderName = HeaderName::from_static("preview-user");

/// Who calls, as far as door and key tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Somebody who may act within this authority.
    Acts(Authority),
    /// An edge.
    Edge,
    /// Nobody we know.
    Stranger,
}

/// A caller who may act, and for whom they say they do.
#[derive(Clone)]
pub(crate) struct Acting {
    /// What they may do.
    pub(crate) by: Authority,
    /// `Preview-Session`, within that authority.
    pub(crate) session: Option<SessionId>,
    /// `Preview-User`, within that authority.
    pub(crate) user: Option<UserId>,
    /// The daemon, told who asks: what is changed through it is audited as theirs.
    pub(crate) daemon: Daemon,
}

/// Who may speak for browsers to `GET /auth/verify` (`api.verify_peers`).
#[derive(Clone, Debug, Default)]
pub(crate) struct VerifyPeers {
    unix: bool,
    networks: Vec<IpNet>,
}

/// Lets those through who may act.
pub(crate) async fn require_acting(
    State(api): State<Shared>,
    arrival: Arrival,
    mut request: Request,
    next: Next,
) -> Answer<Response> {
    let by = match caller(&api, arrival, request.headers())? {
        Caller::Acts(by) => by,
        Caller::Edge => return Err(refused(Refusal::OutOfScope("this call: it is an edge's"))),
        Caller::Stranger => return Err(Failure::Unauthorized.into()),
    };
    let asked: Arc<str> = format!("{} {} {}", arrival.door, arrival.peer, scope(&by)).into();
    let session = said(request.headers(), &PREVIEW_SESSION, SessionId::new)?;
    let user = said(request.headers(), &PREVIEW_USER, UserId::new)?;
    let acted = ActedAs { asked: Arc::clone(&asked), session: session.clone(), user: user.clone() };
    let is_covered = api.daemon.check_scope(&by, session.as_ref(), user.as_ref());
    let mut response = match is_covered {
        Ok(()) => {
            let daemon = api.daemon.asked_by(asked);
            request.extensions_mut().insert(Acting { by, session, user, daemon });
            next.run(request).await
        }
        Err(failure) => Fault::from(failure).into_response(),
    };
    response.extensions_mut().insert(acted);
    Ok(response)
}

/// Lets edges through, and admins.
pub(crate) async fn require_edge(
    State(api): State<Shared>,
    arrival: Arrival,
    request: Request,
    next: Next,
) -> Answer<Response> {
    match caller(&api, arrival, request.headers())? {
        Caller::Edge | Caller::Acts(Authority::Admin) => Ok(next.run(request).await),
        Caller::Acts(_) => Err(refused(Refusal::OutOfScope("this call: it is for edges"))),
        Caller::Stranger => Err(Failure::Unauthorized.into()),
    }
}

/// Who calls. A key, where one is shown, counts alone: so a trusted process can act with less than its own rights.
pub(crate) fn caller(api: &Shared, arrival: Arrival, headers: &HeaderMap) -> Answer<Caller> {
    if let Some(key) = bearer(headers)? {
        let scope = api.keys.as_ref().and_then(|keys| keys.scope_of(key));
        return match scope {
            Some(KeyScope::Acts(authority)) => Ok(Caller::Acts(authority)),
            Some(KeyScope::Edge) => Ok(Caller::Edge),
            None => Err(Failure::Unauthorized.into()),
        };
    }
    Ok(match (arrival.door, arrival.peer) {
        (Door::Api, Peer::Uid(uid)) if uid == 0 || uid == geteuid().as_raw() => {
            Caller::Acts(Authority::Admin)
        }
        // The socket's mode lets in its group alone.
        (Door::Edge, Peer::Uid(_)) => Caller::Edge,
        _ => Caller::Stranger,
    })
}

/// A scope as the keys file has it.
fn scope(by: &Authority) -> String {
    match by {
        Authority::Admin => "admin".to_owned(),
        Authority::User(user) => format!("user:{user}"),
        Authority::Session(session) => format!("session:{session}"),
    }
}

impl VerifyPeers {
    /// Reads `unix`, addresses and networks.
    pub(crate) fn new(texts: &[String]) -> Result<Self, InvalidConfig> {
        let mut peers = Self::default();
        for text in texts {
            match text.as_str() {
                "unix" => peers.unix = true,
                other => peers.networks.push(network(other)?),
            }
        }
        Ok(peers)
    }

    /// Whether a request that came so speaks for a browser.
    pub(crate) fn contain(&self, arrival: Arrival) -> bool {
        match (arrival.door, arrival.peer) {
            (Door::Verify, _) => self.unix,
            (Door::Tcp, Peer::Ip(ip)) => self.networks.iter().any(|network| network.contains(&ip)),
            _ => false,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Acting {
    type Rejection = Fault;

    /// There only behind [`require_acting`]: a route that was put elsewhere answers nobody.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        parts.extensions.get().cloned().ok_or(Fault::Failure(Failure::Unauthorized))
    }
}

impl<S: Sync> FromRequestParts<S> for Arrival {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        parts.extensions.get().copied().ok_or(Fault::Failure(Failure::Unauthorized))
    }
}

/// The key of `Authorization: Bearer KEY`. Another scheme is no key, and two headers are none either.
fn bearer(headers: &HeaderMap) -> Answer<Option<&str>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (first, more) = (values.next(), values.next());
    let Some(value) = first else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| more.is_none());
    match text.and_then(|text| text.split_once(' ')) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(key.trim())),
        _ => Err(Failure::Unauthorized.into()),
    }
}

fn said<T, E: Into<Refusal>>(
    headers: &HeaderMap,
    name: &HeaderName,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Answer<Option<T>> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Fault::Invalid(format!("{name}: it may be there once"))),
        (Some(value), None) => {
            let text = value.to_str().map_err(|_| Fault::Invalid(format!("{name}: it is no ASCII text")))?;
            read(text).map(Some).map_err(refused)
        }
    }
}

fn network(text: &str) -> Result<IpNet, InvalidConfig> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().ok().or_else(|| address().ok()).ok_or_else(|| InvalidConfig {
        key: "api.verify_peers",
        problem: format!("{text:?} is neither unix nor an address or network such as 10.0.0.0/8"),
    })
}
