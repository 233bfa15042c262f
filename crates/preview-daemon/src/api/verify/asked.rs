//! The request that another proxy got, as it tells it: read as an edge would read the request itself.

use std::borrow::Cow;

use http::header::{
    ACCEPT, ACCESS_CONTROL_REQUEST_METHOD, COOKIE, HOST, HeaderMap, HeaderName, ORIGIN, REFERER,
    SEC_WEBSOCKET_KEY, UPGRADE,
};
use http::{Method, Uri};
use percent_encoding::percent_decode_str;
use preview_core::access::{GivenToken, Visit, VisitKind};
use preview_core::cookie::GrantCookie;

use super::super::problem::{Answer, Fault};

const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const TOKEN: HeaderName = HeaderName::from_static("preview-token");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SERVICE_WORKER: HeaderName = HeaderName::from_static("service-worker");

/// Before the path that a proxy of the other kind was asked for.
const PREFIX: &str = "/auth/verify";

/// The request.
pub(super) struct Asked<'a> {
    method: &'a str,
    /// Path and query.
    target: &'a str,
    /// Lower case, without port; `None` where what the visitor sent is no host name.
    host: Option<String>,
    session: Option<Cow<'a, str>>,
    token: Option<Cow<'a, str>>,
    headers: &'a HeaderMap,
}

impl<'a> Asked<'a> {
    /// What `X-Forwarded-Method`, `-Host` and `-Uri` tell. Each is there once: of two, one would be the visitor's own.
    pub(super) fn by_headers(headers: &'a HeaderMap) -> Answer<Self> {
        let host = once(headers, &FORWARDED_HOST)?;
        let uri = once(headers, &FORWARDED_URI)?;
        let method = once(headers, &FORWARDED_METHOD)?;
        Ok(Self::new(method, host, uri, headers))
    }

    /// What the request line and `Host` tell, as Envoy asks: the visitor's own method, host, path and query, the path
    /// behind a prefix. `X-Forwarded-*` are the visitor's here.
    pub(super) fn by_request_line(method: &'a Method, uri: &'a Uri, headers: &'a HeaderMap) -> Answer<Self> {
        let host = once(headers, &HOST)?;
        let uri = uri.path_and_query().and_then(|it| it.as_str().strip_prefix(PREFIX));
        Ok(Self::new(method.as_str(), host, uri.unwrap_or_default(), headers))
    }

    fn new(method: &'a str, host: &str, uri: &'a str, headers: &'a HeaderMap) -> Self {
        let query = uri.split('#').next().and_then(|it| it.split_once('?')).map(|(_, query)| query);
        let value = |name| query.and_then(|query| first_value(query, name));
        let (session, token) = (value("session_id"), value("token"));
        Self { method, target: uri, host: host_name(host), session, token, headers }
    }

    /// The host name asked for.
    pub(super) fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Whether it would open a WebSocket.
    pub(super) fn is_upgrade(&self) -> bool {
        self.kind() == VisitKind::Upgrade
    }

    /// The token in its URL, whether or not it is good.
    pub(super) fn url_token(&self) -> Option<&str> {
        self.token.as_deref().filter(|_| self.session.is_some())
    }

    /// What core decides on.
    pub(super) fn visit(&self) -> Visit<'_> {
        let in_url = self.session.as_deref().zip(self.token.as_deref());
        let in_url = in_url.map(|(session, token)| GivenToken::Query { session, token });
        Visit {
            kind: self.kind(),
            target: self.target,
            reads_only: matches!(self.method, "GET" | "HEAD"),
            origin: text(self.headers, &ORIGIN),
            referer: text(self.headers, &REFERER),
            fetch_site: text(self.headers, &FETCH_SITE),
            service_worker: self.headers.get(SERVICE_WORKER).is_some_and(|it| it == "script"),
            token: self
                .headers
                .get(TOKEN)
                .map(|token| GivenToken::Header(token.to_str().unwrap_or_default()))
                .or(in_url),
        }
    }

    /// The cookies among `jar` that may hold a grant, and whether each is the unpartitioned one.
    pub(super) fn cookies(&self, jar: &[GrantCookie]) -> Vec<(&'a str, bool)> {
        self.headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(GrantCookie::among)
            .filter(|(cookie, _)| jar.contains(cookie))
            .map(|(cookie, value)| (value, cookie == GrantCookie::Unpartitioned))
            .collect()
    }

    /// Proxies drop `Upgrade` on the way here, but not the key that comes with it. A socket is opened by GET (RFC 6455
    /// §4.1) or extended CONNECT: whatever else calls itself one may change something.
    fn kind(&self) -> VisitKind {
        let has = |name| self.headers.contains_key(name);
        let is_preflight = self.method == "OPTIONS" && has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD);
        let is_websocket =
            || self.headers.get(UPGRADE).is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let is_upgrade =
            matches!(self.method, "GET" | "CONNECT") && (has(SEC_WEBSOCKET_KEY) || is_websocket());
        // A page's `fetch` that wants HTML names its origin (Fetch §3.1).
        let wants_page = || {
            let accept = self.headers.get(ACCEPT).map(http::HeaderValue::as_bytes);
            self.method == "GET"
                && !has(ORIGIN)
                && accept.is_some_and(|it| it.windows(9).any(|part| part == b"text/html"))
        };
        match self.headers.get(FETCH_MODE) {
            _ if is_preflight => VisitKind::Preflight,
            _ if is_upgrade => VisitKind::Upgrade,
            Some(mode) if mode == "navigate" => VisitKind::Navigation,
            None if wants_page() => VisitKind::Navigation,
            Some(_) | None => VisitKind::Subresource,
        }
    }
}

/// A header's text. What is no text is something, but nothing that anybody trusts.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("null"))
}

fn once<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Answer<&'h str> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => Ok(value.to_str().unwrap_or_default()),
        (None, _) => Err(Fault::Invalid(format!("{name}: the proxy must send this header"))),
        (Some(_), Some(_)) => Err(Fault::Invalid(format!(
            "{name}: it is there twice; the proxy must set it in place of what the visitor sent"
        ))),
    }
}

/// The first of a name counts, as for the edge: a later one is the dev server's.
fn first_value<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(found, _)| *found == name)?;
    percent_decode_str(value).decode_utf8().ok()
}

/// The host name of an authority: lower case, without port.
fn host_name(authority: &str) -> Option<String> {
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    let is_port = port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    let is_host = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    (is_port && is_host && !host.is_empty()).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use preview_core::template::Scheme;

    use super::*;

    #[test]
    fn a_token_counts_with_its_session_and_the_first_of_a_name_alone() {
        for (uri, session, token) in [
            ("/?session_id=s&token=t", Some("s"), Some("t")),
            ("/?token=t&session_id=a%3Ab&token=other&session_id=c", Some("a:b"), Some("t")),
            ("/?session_id=%FF&session_id=s&token=t", None, Some("t")),
            ("/?x=/?session_id=s", None, None),
            ("http://other.example/?session_id=s&token=t", Some("s"), Some("t")),
            ("/%3Fsession_id=s&token=t", None, None),
            ("/#?session_id=s&token=t", None, None),
            ("//x/../?session_id=s&token=t#?token=u", Some("s"), Some("t")),
            ("", None, None),
        ] {
            let headers = told("GET", "a.example", uri);
            let asked = Asked::by_headers(&headers).expect("whole");
            assert_eq!((asked.session.as_deref(), asked.token.as_deref()), (session, token), "{uri}");
        }
    }

    #[test]
    fn a_header_that_is_there_twice_or_not_at_all_is_the_proxys_fault() {
        for name in [FORWARDED_METHOD, FORWARDED_HOST, FORWARDED_URI] {
            let mut headers = told("GET", "a.example", "/");
            headers.append(name.clone(), HeaderValue::from_static("/"));
            assert!(matches!(Asked::by_headers(&headers), Err(Fault::Invalid(_))), "{name}");
            headers.remove(&name);
            assert!(matches!(Asked::by_headers(&headers), Err(Fault::Invalid(_))), "{name}");
        }
    }

    #[test]
    fn by_the_request_line_what_is_forwarded_counts_for_nothing() {
        let mut headers = told("GET", "good.example", "/?session_id=s&token=t");
        headers.insert(HOST, HeaderValue::from_static("Bad.example:443"));
        let uri = Uri::from_static("/auth/verify//a/../b?session_id=x&token=y");
        let asked = Asked::by_request_line(&Method::POST, &uri, &headers).expect("whole");
        assert_eq!((asked.host(), asked.url_token()), (Some("bad.example"), Some("y")));
        assert!(!asked.visit().reads_only);
    }

    #[test]
    fn only_a_host_name_is_a_host() {
        for (authority, host) in [
            ("A.example", Some("a.example")),
            ("a.example:8443", Some("a.example")),
            ("a.example:", Some("a.example")),
            ("a.example:123456", None),
            ("a.example:44x", None),
            ("a.example:1:2", None),
            ("a.example,b.example", None),
            ("a.example b", None),
            ("[::1]", None),
            ("", None),
        ] {
            assert_eq!(host_name(authority).as_deref(), host, "{authority}");
        }
    }

    #[test]
    fn a_visit_is_of_the_kind_that_the_edge_would_see() {
        let kind = |method, given: &[(HeaderName, &'static str)]| {
            let mut headers = told(method, "a.example", "/");
            for (name, value) in given {
                headers.append(name.clone(), HeaderValue::from_static(value));
            }
            Asked::by_headers(&headers).expect("whole").kind()
        };
        let asks = (ACCESS_CONTROL_REQUEST_METHOD, "PUT");
        assert_eq!(kind("OPTIONS", &[(ORIGIN, "null"), asks.clone()]), VisitKind::Preflight);
        assert_eq!(kind("OPTIONS", &[asks]), VisitKind::Subresource, "no browser omits Origin");
        assert_eq!(kind("GET", &[(SEC_WEBSOCKET_KEY, "x"), (FETCH_MODE, "navigate")]), VisitKind::Upgrade);
        assert_eq!(kind("GET", &[(UPGRADE, "websocket")]), VisitKind::Upgrade);
        assert_eq!(kind("CONNECT", &[(UPGRADE, "websocket")]), VisitKind::Upgrade);
        assert_eq!(kind("POST", &[(UPGRADE, "websocket"), (SEC_WEBSOCKET_KEY, "x")]), VisitKind::Subresource);
        assert_eq!(kind("POST", &[(FETCH_MODE, "navigate")]), VisitKind::Navigation);
        assert_eq!(kind("GET", &[(ACCEPT, "text/html")]), VisitKind::Navigation);
        assert_eq!(kind("POST", &[(ACCEPT, "text/html")]), VisitKind::Subresource);
    }

    #[test]
    fn a_grant_counts_in_the_cookies_of_the_template_alone() {
        let mut headers = told("GET", "a.example", "/");
        let given = "preview=a; __Host-preview=b; __Host-preview-w=c";
        headers.insert(COOKIE, HeaderValue::from_static(given));
        let asked = Asked::by_headers(&headers).expect("whole");
        let among = |template: Scheme| asked.cookies(GrantCookie::of_host(template, "a.example"));
        assert_eq!(among(Scheme::Https), [("b", false), ("c", true)]);
        assert_eq!(among(Scheme::Http), [("a", false)]);
    }

    #[test]
    fn an_origin_that_is_no_text_is_foreign_and_not_absent() {
        let mut headers = told("GET", "a.example", "/");
        headers.insert(ORIGIN, HeaderValue::from_bytes(b"https://\xff").expect("bytes"));
        assert_eq!(Asked::by_headers(&headers).expect("whole").visit().origin, Some("null"));
    }

    fn told(method: &'static str, host: &'static str, uri: &'static str) -> HeaderMap {
        [(FORWARDED_METHOD, method), (FORWARDED_HOST, host), (FORWARDED_URI, uri)]
            .into_iter()
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect()
    }
}
