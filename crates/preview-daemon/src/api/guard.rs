//! What goes around every call: the log line, the last resort against a panic, and the rules on pages of other
//! origins.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, HeaderName, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode};

use super::Shared;
use super::doors::{Arrival, Door};
use super::origin::{Source, is_preflight};
use super::problem::{Answer, Fault};

/// The most characters of a path that the log repeats.
const PATH_MOST: usize = 200;

/// Logs the call: its path without the query, which may hold a token. Answers hold tokens, so nobody keeps them.
pub(crate) async fn around(arrival: Arrival, request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let method = request.method().clone();
    // A request line is visible ASCII, so it stays one line.
    let path: String = request.uri().path().chars().take(PATH_MOST).collect();
    let mut response = AssertUnwindSafe(next.run(request))
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Fault::Panicked.into_response());
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let status = response.status().as_u16();
    let ms = begin.elapsed().as_millis();
    if path.starts_with("/health") || path == "/ready" || arrival.door == Door::Edge {
        tracing::debug!(door = %arrival.door, %method, path, status, ms, "call");
    } else {
        tracing::info!(door = %arrival.door, peer = %arrival.peer, %method, path, status, ms, "call");
    }
    response
}

/// Keeps foreign pages and foreign host names out; lets pages of `api.origins` read what they are answered.
pub(crate) async fn check_source(
    State(api): State<Shared>,
    arrival: Arrival,
    request: Request,
    next: Next,
) -> Answer<Response> {
    let may_omit_host = matches!(arrival.door, Door::Api | Door::Edge | Door::Verify);
    let scheme = scheme(arrival.door, request.headers());
    let source = api.allowed.check(request.headers(), request.uri(), scheme, may_omit_host)?;
    let Source::Friend(origin) = source else { return Ok(next.run(request).await) };
    let mut response = if is_preflight(request.method(), request.headers()) {
        (StatusCode::NO_CONTENT, preflight()).into_response()
    } else {
        next.run(request).await
    };
    if let Ok(origin) = HeaderValue::from_str(&origin) {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
    }
    Ok(response)
}

/// What the caller's browser asked for: on the door that an edge forwards to, the edge says it.
fn scheme(door: Door, headers: &HeaderMap) -> &'static str {
    let forwarded = headers.get("x-forwarded-proto").map(HeaderValue::as_bytes);
    match door {
        Door::Public if forwarded != Some(b"http") => "https",
        _ => "http",
    }
}

fn preflight() -> [(HeaderName, HeaderValue); 3] {
    let headers = "Authorization, Content-Type, Last-Event-ID, Preview-Session, Preview-User";
    [
        (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE")),
        (ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(headers)),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
    ]
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;
    use crate::api::doors::Peer;

    #[tokio::test]
    async fn a_panic_is_answered_as_a_problem_and_ends_nothing_else() {
        let broken = get(async || {
            assert!(std::hint::black_box(false), "on purpose");
        });
        let router = axum::Router::new().route("/", broken).layer(from_fn(around));
        let service = TowerToHyperService::new(router);
        for _ in 0..2 {
            let mut request = Request::new(Body::empty());
            request.extensions_mut().insert(Arrival { door: Door::Api, peer: Peer::Uid(0) });
            let response = service.call(request).await.expect("a router does not fail");
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(response.headers()["content-type"], "application/problem+json");
        }
    }
}
