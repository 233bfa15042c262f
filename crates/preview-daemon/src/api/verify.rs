//! Whether a visit or a token is good: for other proxies, and for the app that a preview is embedded in.

mod asked;
mod onward;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{HeaderMap, HeaderName};
use http::{Method, StatusCode, Uri};
use preview_core::access::{Decision, Denial, Pass};
use preview_core::cookie::GrantCookie;
use preview_core::refusal::Code;
use preview_core::wire::api::{TokenCheck, TokenVerified};

use super::Shared;
use super::doors::{Arrival, Door, Peer};
use super::extract::Json;
use super::misses::Client;
use super::problem::{Answer, Fault};
use crate::clock;
use crate::daemon::VisitAsked;
use crate::failure::Failure;
use asked::Asked;

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

/// `GET /auth/verify`: 204 with who is let in and where to, or 401, or 403, or 429 to who was kept out too often.
pub(crate) async fn visit(
    State(api): State<Shared>,
    arrival: Arrival,
    headers: HeaderMap,
) -> Answer<Response> {
    check_peer(&api, arrival)?;
    judge(&api, arrival, &headers, &Asked::by_headers(&headers)?).await
}

/// The same for proxies that ask with the visitor's own request line, its path behind `/auth/verify`.
pub(crate) async fn prefixed(
    State(api): State<Shared>,
    arrival: Arrival,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Answer<Response> {
    check_peer(&api, arrival)?;
    judge(&api, arrival, &headers, &Asked::by_request_line(&method, &uri, &headers)?).await
}

fn check_peer(api: &Shared, arrival: Arrival) -> Answer<()> {
    if api.peers.contain(arrival) {
        return Ok(());
    }
    Err(Failure::NotAllowed { what: "speaking for browsers", key: "api.verify_peers" }.into())
}

async fn judge(api: &Shared, arrival: Arrival, headers: &HeaderMap, asked: &Asked<'_>) -> Answer<Response> {
    let missed = |denial| {
        let client = client(api, arrival, headers);
        let counted = api.misses.count(client, clock::tick());
        counted.map_or_else(|retry_after| Fault::TooManyMisses { retry_after }, |()| Fault::Visit(denial))
    };
    let Some(host) = asked.host() else { return Err(missed(Denial::Unknown)) };
    let template = &api.daemon.config().access.template;
    let cookies = asked.cookies(GrantCookie::of_host(template.scheme(), template.base()));
    let answer = api.daemon.verify_visit(&VisitAsked { host, visit: asked.visit(), cookies: &cookies });
    let route = match (answer.decision, answer.route) {
        // Another proxy would not look at what is answered there, and show a dev server's page and cookies.
        (Decision::Allow(Pass::Exempt(denial)), _) => return Err(missed(denial)),
        (Decision::Allow(_) | Decision::Exchange(_), Some(route)) => route,
        (Decision::Refuse(denial @ (Denial::Unknown | Denial::Unauthorized)), _) => {
            return Err(missed(denial));
        }
        (Decision::Allow(_) | Decision::Exchange(_), None) => return Err(missed(Denial::Unknown)),
        // A proxy that let a preflight through would let anybody reach the dev server: our own edge answers them.
        // Where an endpoint decides, the proxy asks it itself.
        (Decision::Ask, _) => return Err(missed(Denial::Unauthorized)),
        (Decision::Preflight, _) => return Err(Fault::Visit(Denial::Origin)),
        (Decision::Refuse(denial), _) => return Err(Fault::Visit(denial)),
    };
    if api.daemon.admit_visit(&route).await.is_err() {
        return Err(Fault::NotTheServer);
    }
    let access = &api.daemon.config().access;
    let mut told = onward::request(&route, headers, asked.is_upgrade());
    if asked.url_token().is_some_and(|token| route.is_opened_by(token, clock::wall())) {
        onward::hide_token(&mut told);
    }
    if let Some(sealed) = &answer.grant {
        onward::hand_over(&mut told, &access.template, host, sealed, access.grant_life);
        if matches!(answer.decision, Decision::Exchange(_)) && access.template.is_guessable() {
            onward::clear(&mut told, &access.template, host, headers);
        }
    }
    Ok((StatusCode::NO_CONTENT, told).into_response())
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
