//! What is answered at which door.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use preview_core::clock::Wall;
use preview_core::refusal::Code;
use serde::Serialize;
use serde_json::json;

use super::metrics;
use crate::cert::{Ask, Board, Cause, Failure};

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// By TCP, from this host.
    Loopback,
    /// By TCP, from whoever reaches it.
    Network,
    /// By the control socket: the edge's own user, or root.
    Control,
}

/// All that can be told.
#[derive(Debug)]
pub(crate) struct Facts {
    /// How certificates stand, where HTTPS is served.
    pub(crate) board: Option<Arc<Board>>,
}

pub(super) fn answer<B>(request: &Request<B>, door: Door, facts: &Facts, now: Wall) -> Response<Full<Bytes>> {
    if !is_ours(request, door) {
        return refused(StatusCode::FORBIDDEN, Code::OriginRefused, "ask by address, or as localhost");
    }
    match (request.method(), request.uri().path(), door) {
        (&Method::GET, "/metrics", _) => metrics(facts),
        (&Method::GET, "/health" | "/healthz", _) => health(facts, door),
        (&Method::GET, "/ready", _) => ready(facts, door, now),
        (&Method::POST, "/certs/issue", Door::Control) => ask(facts, Ask::Issue),
        (&Method::POST, "/certs/renew", Door::Control) => ask(facts, Ask::Renew),
        (&Method::POST, "/certs/clean", Door::Control) => ask(facts, Ask::Clean),
        (_, "/metrics" | "/health" | "/healthz" | "/ready", _) => wrong_method("GET"),
        (_, "/certs/issue" | "/certs/renew" | "/certs/clean", Door::Control) => wrong_method("POST"),
        _ => refused(StatusCode::NOT_FOUND, Code::NotFound, "there are /metrics, /health and /ready"),
    }
}

/// A page that a browser on this host has open may have its own name lead here (DNS rebinding); it still sends that
/// name.
fn is_ours<B>(request: &Request<B>, door: Door) -> bool {
    if door != Door::Loopback {
        return true;
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    host.is_some_and(|host| {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
    })
}

fn metrics(facts: &Facts) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(metrics::text(facts)));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    );
    response
}

fn health(facts: &Facts, door: Door) -> Response<Full<Bytes>> {
    let certificate = facts.board.as_ref().map(|board| {
        let mut report = (*board.report()).clone();
        report.cause = report.cause.map(|cause| shown_at(door, cause));
        report
    });
    let health = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "certificate": certificate,
    });
    json(StatusCode::OK, &health)
}

/// Whether those who come by HTTPS are served.
fn ready(facts: &Facts, door: Door, now: Wall) -> Response<Full<Bytes>> {
    let reasons = facts.board.as_ref().map_or_else(Vec::new, |board| reasons(board, now));
    let reasons: Vec<_> = reasons.into_iter().map(|cause| shown_at(door, cause)).collect();
    if reasons.is_empty() {
        return json(StatusCode::OK, &json!({ "status": "ready" }));
    }
    json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "not_ready", "reasons": reasons }))
}

/// A cause as whoever comes by this door may read it. What a hook or a provider said is quoted in the message, and may
/// hold what they should not have said; the link that lifts a pause does so for whoever opens it.
fn shown_at(door: Door, cause: Cause) -> Cause {
    let private = [Code::CertHookFailed, Code::CertProviderRefused, Code::CertPaused];
    match private.into_iter().find(|code| code.as_str() == cause.code) {
        Some(code) if door != Door::Control => {
            let hint = "see `preview certs list`: it says what is not told here".to_owned();
            Cause { message: code.cause().to_owned(), hint, ..cause }
        }
        _ => cause,
    }
}

fn reasons(board: &Board, now: Wall) -> Vec<Cause> {
    let report = board.report();
    let over = match report.not_after {
        Some(end) if now < Wall::from_secs(end) => return Vec::new(),
        Some(_) => Cause::of(Code::CertExpired, Code::CertExpired.cause()),
        None => Cause::from(&Failure::Pending),
    };
    let because = report.cause.clone().filter(|cause| cause.code != over.code);
    [over].into_iter().chain(because).collect()
}

fn ask(facts: &Facts, what: Ask) -> Response<Full<Bytes>> {
    match facts.board.as_ref().map(|board| (board, board.report())) {
        Some((board, report)) if report.source == "acme" => {
            board.ask(what);
            json(StatusCode::ACCEPTED, &*report)
        }
        _ => refused(
            StatusCode::CONFLICT,
            Code::RequestInvalid,
            "this edge orders no certificates: edge.tls.mode is not acme, or edge.https is null",
        ),
    }
}

fn wrong_method(allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, Code::RequestInvalid, allowed);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn refused(status: StatusCode, code: Code, detail: &str) -> Response<Full<Bytes>> {
    json(status, &json!({ "code": code.as_str(), "detail": detail }))
}

fn json<T: Serialize>(status: StatusCode, value: &T) -> Response<Full<Bytes>> {
    // What is told here has text keys only, so it can be written.
    let mut response = Response::new(Full::from(serde_json::to_vec(value).unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::BodyExt;

    use super::*;
    use crate::cert::Report;

    #[test]
    fn a_name_that_is_not_this_hosts_is_refused_on_loopback_alone() {
        for (host, is_ours) in
            [("localhost:9465", true), ("127.0.0.1:1", true), ("[::1]", true), ("evil.example", false)]
        {
            let on = |door| asked("GET", "/health", host, door, &facts(Report::default())).status();
            let expected = if is_ours { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(on(Door::Loopback), expected, "{host}");
            assert_eq!(on(Door::Network), StatusCode::OK, "{host}");
        }
        let without = Request::get("/health").body(()).expect("a request");
        let answer = answer(&without, Door::Loopback, &facts(Report::default()), NOW);
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn looking_takes_get_and_renewal_takes_post_and_the_control_door() {
        let acme = facts(Report { source: "acme".to_owned(), ..Report::default() });
        for (method, path, door, status) in [
            ("POST", "/metrics", Door::Control, 405),
            ("HEAD", "/ready", Door::Loopback, 405),
            ("GET", "/certs/renew", Door::Control, 405),
            ("POST", "/certs/renew", Door::Loopback, 404),
            ("POST", "/certs/renew", Door::Network, 404),
            ("POST", "/certs/renew", Door::Control, 202),
            ("GET", "/", Door::Loopback, 404),
        ] {
            let answer = asked(method, path, "localhost", door, &acme);
            assert_eq!(answer.status().as_u16(), status, "{method} {path} {door:?}");
        }
        let files = facts(Report { source: "files".to_owned(), ..Report::default() });
        assert_eq!(asked("POST", "/certs/renew", "x", Door::Control, &files).status(), StatusCode::CONFLICT);
    }

    #[test]
    fn it_is_ready_with_a_certificate_in_time_or_without_https() {
        let ready = |facts: &Facts| asked("GET", "/ready", "localhost", Door::Loopback, facts).status();
        let until = |end: u64| facts(Report { not_after: Some(end), ..Report::default() });
        assert_eq!(ready(&Facts { board: None }), StatusCode::OK);
        assert_eq!(ready(&until(NOW.as_secs() + 1)), StatusCode::OK);
        assert_eq!(ready(&until(NOW.as_secs())), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ready(&facts(Report::default())), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn the_reasons_are_that_there_is_none_and_what_stands_in_the_way() {
        let board = Board::default();
        board.tell(Report { cause: Some(Cause::from(&Failure::BadNonce)), ..Report::default() });
        let codes: Vec<_> = reasons(&board, NOW).into_iter().map(|cause| cause.code).collect();
        assert_eq!(codes, ["cert_pending", "cert_bad_nonce"]);
    }

    #[test]
    fn what_a_hook_said_and_the_link_that_lifts_a_pause_are_for_the_control_socket_alone() {
        let hook = Failure::HookFailed { hook: "hook".to_owned(), reason: "token=s3cret".to_owned() };
        let pause = Failure::Paused { url: "https://portal.example/unpause?jwt=s3cret".to_owned() };
        for failure in [hook, pause] {
            let facts = facts(Report { cause: Some(Cause::from(&failure)), ..Report::default() });
            for (path, door, is_told) in [
                ("/health", Door::Loopback, false),
                ("/ready", Door::Network, false),
                ("/health", Door::Control, true),
                ("/ready", Door::Control, true),
            ] {
                let body = asked("GET", path, "localhost", door, &facts).into_body();
                let bytes = body.collect().now_or_never().expect("whole").expect("infallible").to_bytes();
                let text = String::from_utf8_lossy(&bytes);
                assert!(text.contains(failure.code().as_str()), "{text}");
                assert_eq!(text.contains("s3cret"), is_told, "{path} {door:?}: {text}");
            }
        }
    }

    const NOW: Wall = Wall::from_secs(1_800_000_000);

    fn facts(report: Report) -> Facts {
        let board = Board::default();
        board.tell(report);
        Facts { board: Some(Arc::new(board)) }
    }

    fn asked(method: &str, path: &str, host: &str, door: Door, facts: &Facts) -> Response<Full<Bytes>> {
        let request = Request::builder().method(method).uri(path).header(HOST, host).body(());
        answer(&request.expect("a request"), door, facts, NOW)
    }
}
