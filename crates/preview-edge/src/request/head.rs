//! What a request's head says, as far as it can be believed before anything else is known.

use std::borrow::Cow;

use http::header::{
    ACCEPT, ACCESS_CONTROL_REQUEST_METHOD, CONNECTION, HOST, HeaderMap, ORIGIN, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderValue, Method, Request, Version};
use hyper::ext::Protocol;
use preview_core::access::VisitKind;

use crate::headers::hop::tokens;
use crate::headers::names::{FETCH_MODE, HOP};
use crate::headers::value;

/// The most header fields of a request.
const MOST_FIELDS: usize = 100;

/// The head of a request that is well-formed.
#[derive(Debug)]
pub(crate) struct Head {
    /// The host and port asked for, as the client wrote them.
    pub(crate) authority: HeaderValue,
    /// What kind of request it is.
    pub(crate) kind: VisitKind,
}

/// Why a head is answered before anything else is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHead {
    /// It breaks the rules of HTTP, or bends them where others might read it otherwise.
    Malformed(&'static str),
    /// More than [`MOST_FIELDS`].
    TooManyFields,
    /// It went through an edge of ours before.
    Loop,
}

impl Head {
    pub(crate) fn of<B: hyper::body::Body>(request: &Request<B>) -> Result<Self, BadHead> {
        let headers = request.headers();
        if headers.len() > MOST_FIELDS {
            return Err(BadHead::TooManyFields);
        }
        if headers.contains_key(HOP) {
            return Err(BadHead::Loop);
        }
        check_framing(headers)?;
        let kind = kind(request)?;
        Ok(Self { authority: authority(request)?, kind })
    }
}

/// The host name of an authority: lower case, without port. `None` if it is none.
pub(crate) fn host_of(authority: &HeaderValue) -> Option<Cow<'_, str>> {
    let text = authority.to_str().ok()?;
    let (host, port) = match text.strip_prefix('[') {
        Some(_) => text.split_at(text.find(']')? + 1),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return None;
    }
    let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let is_address = |b: u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.' | b'[' | b']');
    let fits = if host.starts_with('[') { host.bytes().all(is_address) } else { host.bytes().all(is_host) };
    if host.is_empty() || !fits {
        return None;
    }
    let is_lower = !host.bytes().any(|b| b.is_ascii_uppercase());
    Some(if is_lower { Cow::Borrowed(host) } else { Cow::Owned(host.to_ascii_lowercase()) })
}

/// The port of an authority, as it is written.
pub(crate) fn port_of(authority: &HeaderValue) -> Option<&str> {
    let text = authority.to_str().ok()?;
    let (_, port) = text.rsplit_once(':')?;
    port.bytes().all(|b| b.is_ascii_digit()).then_some(port).filter(|port| !port.is_empty())
}

/// A browser says that it opens a page; or, where it says nothing of the kind, that it wants HTML, and names no
/// origin: a page's `fetch` that wants HTML does (Fetch §3.1).
pub(crate) fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    match headers.get(FETCH_MODE) {
        Some(mode) => mode == "navigate",
        None => {
            *method == Method::GET
                && !headers.contains_key(ORIGIN)
                && headers
                    .get(ACCEPT)
                    .is_some_and(|it| it.as_bytes().windows(9).any(|part| part == b"text/html"))
        }
    }
}

/// hyper reads what is left of these alike; who reads otherwise might see another request in a body.
fn check_framing(headers: &HeaderMap) -> Result<(), BadHead> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(BadHead::Malformed("the only transfer coding there is is chunked")),
    }
}

fn kind<B: hyper::body::Body>(request: &Request<B>) -> Result<VisitKind, BadHead> {
    let (method, headers) = (request.method(), request.headers());
    match *method {
        Method::CONNECT => {
            let protocol = request.extensions().get::<Protocol>().map(Protocol::as_str);
            let is_websocket = protocol == Some("websocket");
            return if is_websocket {
                Ok(VisitKind::Upgrade)
            } else {
                Err(BadHead::Malformed("no tunnels here"))
            };
        }
        Method::TRACE => return Err(BadHead::Malformed("no tracing here")),
        Method::OPTIONS
            if headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) =>
        {
            return Ok(VisitKind::Preflight);
        }
        _ => {}
    }
    let asks = |name, word: &str| tokens(headers, name).any(|token| token.eq_ignore_ascii_case(word));
    let is_upgrade = request.version() == Version::HTTP_11
        && *method == Method::GET
        && headers.contains_key(UPGRADE)
        && asks(&UPGRADE, "websocket")
        && asks(&CONNECTION, "upgrade")
        && request.body().is_end_stream();
    Ok(match is_upgrade {
        true => VisitKind::Upgrade,
        false if is_navigation(method, headers) => VisitKind::Navigation,
        false => VisitKind::Subresource,
    })
}

/// The one host that the request names: `Host`, `:authority` and an absolute target must say the same.
fn authority<B>(request: &Request<B>) -> Result<HeaderValue, BadHead> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, None) = (hosts.next(), hosts.next()) else {
        return Err(BadHead::Malformed("more than one Host"));
    };
    if !matches!(request.uri().scheme_str(), None | Some("http" | "https")) {
        return Err(BadHead::Malformed("neither http nor https"));
    }
    let authority = match (request.uri().authority(), host) {
        (None, Some(host)) => host.clone(),
        (Some(target), Some(host)) if host.as_bytes().eq_ignore_ascii_case(target.as_str().as_bytes()) => {
            host.clone()
        }
        (Some(target), None) if request.version() == Version::HTTP_2 => value(target.as_str()),
        (Some(_), Some(_)) => return Err(BadHead::Malformed("Host and target differ")),
        (_, None) => return Err(BadHead::Malformed("no Host")),
    };
    if host_of(&authority).is_none() {
        return Err(BadHead::Malformed("no host name"));
    }
    Ok(authority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use http::request::Builder;

    type Build = fn(Builder) -> Builder;

    #[test]
    fn a_host_is_lower_case_without_port() {
        for (authority, host) in [
            ("a.example", Some("a.example")),
            ("A.Example:8080", Some("a.example")),
            ("[::1]:80", Some("[::1]")),
            ("a.example:", Some("a.example")),
            ("a.example.", Some("a.example.")),
            ("", None),
            (":80", None),
            ("a.example:port", None),
            ("a.example:123456", None),
            ("a.example/x", None),
            ("user@a.example", None),
            ("a example", None),
            ("a.example, b.example", None),
            ("[::1", None),
            ("[::1]x", None),
        ] {
            let authority = HeaderValue::from_static(authority);
            assert_eq!(host_of(&authority).as_deref(), host, "{authority:?}");
        }
    }

    #[test]
    fn what_others_might_read_otherwise_is_malformed() {
        let cases: [(&str, Build); 11] = [
            ("no host", |it| it),
            ("two hosts", |it| it.header("host", "a").header("host", "a")),
            ("a path for a host", |it| it.header("host", "a/b")),
            ("another target", |it| it.uri("http://b/").header("host", "a")),
            ("another scheme", |it| it.uri("ftp://a/").header("host", "a")),
            ("gzip, chunked", |it| it.header("host", "a").header("transfer-encoding", "gzip, chunked")),
            ("chunked twice", |it| {
                it.header("host", "a")
                    .header("transfer-encoding", "chunked")
                    .header("transfer-encoding", "chunked")
            }),
            ("xchunked", |it| it.header("host", "a").header("transfer-encoding", "xchunked")),
            ("connect", |it| it.method("CONNECT").uri("a:80").header("host", "a:80")),
            ("trace", |it| it.method("TRACE").header("host", "a")),
            ("two authorities", |it| it.version(Version::HTTP_2).uri("https://a/").header("host", "b")),
        ];
        for (name, build) in cases {
            let request = build(Request::builder()).body(Body::Empty).expect("builds");
            assert!(matches!(Head::of(&request), Err(BadHead::Malformed(_))), "{name}");
        }
    }

    #[test]
    fn loops_and_too_many_fields_are_told_apart() {
        let head = |build: Build| {
            Head::of(&build(Request::builder().header("host", "a")).body(Body::Empty).expect("builds"))
        };
        assert_eq!(head(|it| it.header("preview-hop", "1")).err(), Some(BadHead::Loop));
        let many = |it: Builder| (0..100).fold(it, |it, n| it.header(format!("x-{n}"), "1"));
        assert_eq!(head(many).err(), Some(BadHead::TooManyFields));
    }

    #[test]
    fn the_kind_of_a_request_is_what_the_browser_says_it_is() {
        use VisitKind::{Navigation, Preflight, Subresource, Upgrade};
        let cases: [(VisitKind, Build); 9] = [
            (Subresource, |it| it),
            (Navigation, |it| it.header("sec-fetch-mode", "navigate")),
            (Navigation, |it| it.method("POST").header("sec-fetch-mode", "navigate")),
            (Navigation, |it| it.header("accept", "text/html,*/*")),
            (Subresource, |it| it.header("accept", "text/html").header("sec-fetch-mode", "cors")),
            (Subresource, |it| it.method("POST").header("accept", "text/html")),
            (Preflight, |it| {
                it.method("OPTIONS")
                    .header("origin", "https://b")
                    .header("access-control-request-method", "PUT")
            }),
            (Upgrade, |it| {
                it.header("upgrade", "h2c, WebSocket").header("connection", "keep-alive, Upgrade")
            }),
            (Subresource, |it| it.header("upgrade", "websocket")),
        ];
        for (kind, build) in cases {
            let request = build(Request::builder().header("host", "a")).body(Body::Empty).expect("builds");
            assert_eq!(Head::of(&request).map(|head| head.kind), Ok(kind), "{:?}", request.headers());
        }
    }
}
