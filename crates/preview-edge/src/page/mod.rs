//! What the edge answers itself: small pages for people, bare statuses for everything else.
//!
//! Nothing of a request is ever put into a page. They load nothing, and no search engine keeps them.

mod html;

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderMap, HeaderValue, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, Response, StatusCode};

use preview_core::template::UrlTemplate;

use crate::body::Body;
use crate::headers::names::{ROBOTS, WAITING};
use crate::headers::response::hide_token;
use html::Text;

/// One of our answers, as far as it does not depend on who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 502: nothing is known of that host, or nobody is told. The same bytes, whoever asks for whatever.
    Uniform,
    /// 503 to somebody who was let in: nothing listens there yet, or no more.
    Waiting,
    /// 503 to somebody who was let in: somebody else listens there.
    WaitingForOwner,
    /// 502: the dev server does not speak HTTP.
    NotHttp,
    /// 504: it took too long.
    Slow,
    /// 401: without a credential.
    Unauthorized,
    /// 401: the grant has ended.
    GrantExpired,
    /// 401: the operator's login has not let it in, and says no place to log in at.
    LoginNeeded,
    /// 401 in a frame: the login is for a tab.
    LoginInTab,
    /// 403: the operator's login knows who it is, and does not let it in.
    NotAllowed,
    /// 503: the operator's login does not say who is let in.
    LoginUnreachable,
    /// 403: a page of another origin asks.
    OriginRefused,
    /// 403: the link lets only look.
    ReadOnly,
    /// 403: a service worker would outlive the attachment.
    ServiceWorker,
    /// 410: what the grant was for has ended.
    Gone,
    /// 429: too much of it, or too often.
    TooMany(Duration),
    /// 431: too many header fields.
    HeaderTooLarge,
    /// 508: the request went through an edge of ours before.
    Loop,
    /// 421: this connection was shown a certificate for other hosts.
    Misdirected,
    /// 400: not HTTP as it should be.
    Malformed,
    /// 503: the daemon does not answer.
    DaemonUnreachable,
    /// 504: the daemon took too long.
    DaemonSlow,
    /// 503: it would be sent to HTTPS, for which there is no certificate yet.
    CertPending,
}

impl Answer {
    /// The response, with a page in it if `wants_page`.
    pub(crate) fn response(self, wants_page: bool) -> Response<Body> {
        let wants_page = wants_page || self == Self::Uniform;
        let mut response = if wants_page { page(self.text(), self.is_waiting()) } else { bare(self.text()) };
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        match self {
            Self::Waiting | Self::WaitingForOwner => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
                headers.insert(WAITING, HeaderValue::from_static("1"));
            }
            Self::TooMany(wait) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
            }
            Self::CertPending => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
                headers.insert(WAITING, HeaderValue::from_static("1"));
            }
            Self::LoginUnreachable => _ = headers.insert(RETRY_AFTER, HeaderValue::from_static("5")),
            Self::DaemonUnreachable => _ = headers.insert(RETRY_AFTER, HeaderValue::from_static("2")),
            Self::Malformed => _ = headers.insert(CONNECTION, HeaderValue::from_static("close")),
            _ => {}
        }
        response
    }

    const fn is_waiting(self) -> bool {
        matches!(self, Self::Waiting | Self::WaitingForOwner | Self::CertPending)
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Uniform | Self::NotHttp => StatusCode::BAD_GATEWAY,
            Self::Waiting
            | Self::WaitingForOwner
            | Self::LoginUnreachable
            | Self::DaemonUnreachable
            | Self::CertPending => StatusCode::SERVICE_UNAVAILABLE,
            Self::Slow | Self::DaemonSlow => StatusCode::GATEWAY_TIMEOUT,
            Self::Unauthorized | Self::GrantExpired | Self::LoginNeeded | Self::LoginInTab => {
                StatusCode::UNAUTHORIZED
            }
            Self::OriginRefused | Self::ReadOnly | Self::ServiceWorker | Self::NotAllowed => {
                StatusCode::FORBIDDEN
            }
            Self::Gone => StatusCode::GONE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Malformed => StatusCode::BAD_REQUEST,
        }
    }

    const fn text(self) -> Text {
        match self {
            Self::Uniform => html::UNIFORM,
            Self::Waiting => html::WAITING,
            Self::WaitingForOwner => html::WAITING_FOR_OWNER,
            Self::NotHttp => html::NOT_HTTP,
            Self::Slow => html::SLOW,
            Self::Unauthorized => html::UNAUTHORIZED,
            Self::GrantExpired => html::GRANT_EXPIRED,
            Self::LoginNeeded => html::LOGIN_NEEDED,
            Self::LoginInTab => html::LOGIN_IN_TAB,
            Self::NotAllowed => html::NOT_ALLOWED,
            Self::LoginUnreachable => html::LOGIN_UNREACHABLE,
            Self::OriginRefused => html::ORIGIN_REFUSED,
            Self::ReadOnly => html::READ_ONLY,
            Self::ServiceWorker => html::SERVICE_WORKER,
            Self::Gone => html::GONE,
            Self::TooMany(_) => html::TOO_MANY,
            Self::HeaderTooLarge => html::HEADER_TOO_LARGE,
            Self::Loop => html::LOOP,
            Self::Misdirected => html::MISDIRECTED,
            Self::Malformed => html::MALFORMED,
            Self::DaemonUnreachable => html::DAEMON_UNREACHABLE,
            Self::DaemonSlow => html::DAEMON_SLOW,
            Self::CertPending => html::CERT_PENDING,
        }
    }
}

/// 301 to the same over TLS.
pub(crate) fn moved(location: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(LOCATION, location);
    response
}

/// 302 to the URL without its token.
pub(crate) fn without_token(location: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    hide_token(headers);
    response
}

/// 302 to the operator's login, with what that has the browser keep meanwhile.
pub(crate) fn to_login(location: HeaderValue, cookies: &[HeaderValue]) -> Response<Body> {
    let mut response = without_token(location);
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie.clone());
    }
    response
}

/// 303 on from the notice, which is remembered.
pub(crate) fn passed(location: HeaderValue, seen: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(SET_COOKIE, seen);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    hide_token(headers);
    response
}

/// The page before public previews.
#[derive(Debug)]
pub(crate) struct Notice(Bytes, HeaderValue);

impl Notice {
    /// As the operator wants it, for previews under `template`.
    pub(crate) fn of(config: &crate::config::Notice, template: &UrlTemplate) -> Self {
        let (body, policy) = html::notice(template.base(), config.contact.as_deref());
        Self(body, policy)
    }

    pub(crate) fn response(&self) -> Response<Body> {
        document(self.0.clone(), self.1.clone())
    }
}

/// 204 to a preflight: what it asks for is allowed, here and on every host alike. The request after it needs its
/// own credential.
pub(crate) fn preflight(asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let echoes: [(HeaderName, HeaderName); 3] = [
        (ORIGIN, ACCESS_CONTROL_ALLOW_ORIGIN),
        (ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_ALLOW_METHODS),
        (ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_ALLOW_HEADERS),
    ];
    for (asked_in, answered_in) in echoes {
        if let Some(value) = asked.get(asked_in) {
            headers.insert(answered_in, value.clone());
        }
    }
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    headers.insert(
        VARY,
        HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    );
    response
}

fn page(text: Text, waits: bool) -> Response<Body> {
    let (body, policy) = html::page(text, waits);
    document(body, policy)
}

fn document(body: Bytes, policy: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::text(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    common(headers);
    response
}

fn bare(text: Text) -> Response<Body> {
    let mut response = Response::new(Body::text(Bytes::from_static(text.code.as_bytes())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    common(headers);
    response
}

fn common(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(ROBOTS, HeaderValue::from_static("noindex"));
    // The URL may hold a token.
    hide_token(headers);
}
