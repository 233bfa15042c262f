//! Whether a visit or a token is good: for other proxies, and for the app that a preview is embedded in.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    ACCEPT, ACCESS_CONTROL_REQUEST_METHOD, COOKIE, HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER,
    SEC_WEBSOCKET_KEY, SET_COOKIE, UPGRADE,
};
use http::{StatusCode, Uri};
use percent_encoding::percent_decode_str;
use preview_core::access::{Decision, Denial, GivenToken, Visit, VisitKind};
use preview_core::cookie::GrantCookie;
use preview_core::refusal::Code;
use preview_core::route::Route;
use preview_core::wire::api::{TokenCheck, TokenVerified};

use super::Shared;
use super::doors::{Arrival, Door, Peer};
use super::extract::Json;
use super::misses::Client;
use super::problem::{Answer, Fault};
use crate::clock;
use crate::daemon::{VisitAnswer, VisitAsked};
use crate::failure::Failure;

/// `POST /v1/tokens/verify`. The token is the credential; whoever guesses too often is refused, right ones never are.
pub(crate) async fn token(
    State(api): State<Shared>,
    arrival: Arrival,
    headers: HeaderMap,
    Json(check): Json<TokenCheck>,
) -> Answer<axum::Json<TokenVerified>> {
    match api.daemon.verify_token(&check) {
        Ok(verified) => Ok(axum::Json(verified)),
        Err(failure) if failure.code() == Code::Unauthorized => {
            let client = client(&api, arrival, &headers);
            api.misses
                .count(client, clock::tick())
                .map_err(|retry_after| Fault::TooManyMisses { retry_after })?;
            Err(failure.into())
        }
        Err(failure) => Err(failure.into()),
    }
}

/// `GET /auth/verify`: 204 with who is let in, or 401, or 403; nothing else, since proxies know nothing else.
pub(crate) async fn visit(
    State(api): State<Shared>,
    arrival: Arrival,
    headers: HeaderMap,
) -> Answer<Response> {
    if !api.peers.contain(arrival) {
        return Err(Failure::NotAllowed { what: "speaking for browsers", key: "api.verify_peers" }.into());
    }
    let asked = Asked::read(&headers)?;
    let cookies: Vec<_> = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(GrantCookie::among)
        .map(|(cookie, value)| (value, cookie == GrantCookie::Unpartitioned))
        .collect();
    let visit = asked.visit(&headers);
    let answer = api.daemon.verify_visit(&VisitAsked { host: &asked.host, visit, cookies: &cookies });
    told(&api, &asked.host, &answer)
}

/// The request that the proxy got, as its `X-Forwarded-*` say.
struct Asked {
    method: String,
    /// Lower case, without port.
    host: String,
    session: Option<String>,
    token: Option<String>,
}

impl Asked {
    fn read(headers: &HeaderMap) -> Answer<Self> {
        let needed = |name: &'static str| {
            text(headers, &HeaderName::from_static(name))
                .ok_or_else(|| Fault::Invalid(format!("{name}: the proxy must send this header")))
        };
        let host = needed("x-forwarded-host")?.to_ascii_lowercase();
        let host = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name).to_owned();
        let uri: Uri = needed("x-forwarded-uri")?
            .parse()
            .map_err(|_| Fault::Invalid("x-forwarded-uri: it is no path with query".to_owned()))?;
        let method =
            text(headers, &HeaderName::from_static("x-forwarded-method")).unwrap_or("GET").to_owned();
        let (mut session, mut token) = (None, None);
        for (name, value) in
            uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='))
        {
            let value = || percent_decode_str(value).decode_utf8().ok().map(Into::into);
            match name {
                "session_id" => session = session.or_else(value),
                "token" => token = token.or_else(value),
                _ => {}
            }
        }
        Ok(Self { method, host, session, token })
    }

    fn visit<'a>(&'a self, headers: &'a HeaderMap) -> Visit<'a> {
        let token = match (&self.session, &self.token) {
            (Some(session), Some(token)) => Some(GivenToken::Query { session, token }),
            _ => text(headers, &HeaderName::from_static("preview-token")).map(GivenToken::Header),
        };
        Visit {
            kind: self.kind(headers),
            reads_only: matches!(self.method.as_str(), "GET" | "HEAD"),
            origin: text(headers, &ORIGIN),
            referer: text(headers, &REFERER),
            fetch_site: text(headers, &HeaderName::from_static("sec-fetch-site")),
            service_worker: text(headers, &HeaderName::from_static("service-worker")) == Some("script"),
            token,
        }
    }

    /// Proxies drop `Upgrade` on the way here, but not the key that comes with it.
    fn kind(&self, headers: &HeaderMap) -> VisitKind {
        let is_preflight = self.method == "OPTIONS" && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let is_upgrade = headers.contains_key(SEC_WEBSOCKET_KEY) || headers.contains_key(UPGRADE);
        let is_page = match text(headers, &HeaderName::from_static("sec-fetch-mode")) {
            Some(mode) => mode == "navigate",
            None => text(headers, &ACCEPT).is_some_and(|accept| accept.contains("text/html")),
        };
        match () {
            () if is_preflight => VisitKind::Preflight,
            () if is_upgrade => VisitKind::Upgrade,
            () if is_page => VisitKind::Navigation,
            () => VisitKind::Subresource,
        }
    }
}

fn told(api: &Shared, host: &str, answer: &VisitAnswer) -> Answer<Response> {
    match answer.decision {
        Decision::Allow(_) | Decision::Exchange(_) => {
            let mut headers = answer.route.as_ref().map(identity).unwrap_or_default();
            let access = &api.daemon.config().access;
            if let Some(sealed) = &answer.grant {
                for cookie in GrantCookie::of_host(access.template.scheme(), host) {
                    if let Ok(value) = HeaderValue::from_str(&cookie.set(sealed, access.grant_life)) {
                        headers.append(SET_COOKIE, value);
                    }
                }
            }
            Ok((StatusCode::NO_CONTENT, headers).into_response())
        }
        // A proxy that let a preflight through would let anybody reach any port: only our own edge answers them.
        Decision::Preflight => Err(Fault::Visit(Denial::Origin)),
        Decision::Refuse(denial) => Err(Fault::Visit(denial)),
    }
}

/// Who is let in, for the dev server's side of the proxy.
fn identity(route: &Route) -> HeaderMap {
    [
        ("preview-attachment", route.id.as_str()),
        ("preview-session", route.session.as_str()),
        ("preview-user", route.user.as_str()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?)))
    .collect()
}

/// Whose miss it is: the browser's where a trusted proxy names it, else the peer's.
fn client(api: &Shared, arrival: Arrival, headers: &HeaderMap) -> Client {
    let named = match arrival.door {
        Door::Public => text(headers, &HeaderName::from_static("x-real-ip")),
        _ if api.peers.contain(arrival) => text(headers, &HeaderName::from_static("x-forwarded-for"))
            .and_then(|chain| chain.rsplit(',').next()),
        _ => None,
    };
    match (named.and_then(|text| text.trim().parse().ok()), arrival.peer) {
        (Some(ip), _) | (None, Peer::Ip(ip)) => Client::of_ip(ip),
        (None, Peer::Uid(uid)) => Client::Uid(uid),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
