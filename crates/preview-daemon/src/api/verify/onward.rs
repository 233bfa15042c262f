//! What a proxy is told besides yes: where to forward the visit, and as what, so that the dev server sees the one
//! consistent world that an edge would show it. A header that is not told is not to be sent.

use std::time::Duration;

use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER, SET_COOKIE};
use preview_core::cookie::GrantCookie;
use preview_core::route::Route;
use preview_core::template::{Scheme, UrlTemplate};
use preview_core::verdict::HostPolicy;

const ATTACHMENT: HeaderName = HeaderName::from_static("preview-attachment");
const SESSION: HeaderName = HeaderName::from_static("preview-session");
const USER: HeaderName = HeaderName::from_static("preview-user");
const UPSTREAM: HeaderName = HeaderName::from_static("preview-upstream");
const HOST: HeaderName = HeaderName::from_static("preview-host");
const SENT_ORIGIN: HeaderName = HeaderName::from_static("preview-origin");
const SENT_REFERER: HeaderName = HeaderName::from_static("preview-referer");
const SENT_COOKIE: HeaderName = HeaderName::from_static("preview-cookie");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("preview-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("preview-forwarded-proto");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("preview-forwarded-port");
const GRANT: HeaderName = HeaderName::from_static("preview-set-cookie");
const GRANT_FOR_WORKERS: HeaderName = HeaderName::from_static("preview-set-cookie-w");
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("preview-clear-site-data");
const REFERRER_POLICY: HeaderName = HeaderName::from_static("preview-referrer-policy");

/// The most cookies of a dev server that are expired at once.
const MOST_EXPIRED: usize = 64;

/// Who is let in, where to, and as what.
pub(super) fn request(route: &Route, given: &HeaderMap, is_upgrade: bool) -> HeaderMap {
    let mut told = HeaderMap::new();
    let mut tell = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            told.insert(name, value);
        }
    };
    tell(ATTACHMENT, route.id.as_str());
    tell(SESSION, route.session.as_str());
    tell(USER, route.user.as_str());
    tell(UPSTREAM, &route.listener.socket_addr().to_string());
    let public = route.url.origin.as_str();
    let (scheme, authority) = public.split_once("://").unwrap_or(("http", public));
    let local = format!("http://localhost:{}", route.listener.port);
    match route.policy {
        HostPolicy::Preserve => {
            tell(HOST, authority);
            tell(FORWARDED_HOST, authority);
            tell(FORWARDED_PROTO, scheme);
            let port = authority.rsplit_once(':').map(|(_, port)| port);
            tell(FORWARDED_PORT, port.unwrap_or(if scheme == "https" { "443" } else { "80" }));
        }
        HostPolicy::Loopback => tell(HOST, &local["http://".len()..]),
    }
    if let Some(origin) = given.get(ORIGIN) {
        // Whoever may open a WebSocket counts as the place itself.
        let is_local = route.policy == HostPolicy::Loopback && (is_upgrade || origin == public);
        let local = HeaderValue::from_str(&local).ok().filter(|_| is_local);
        told.insert(SENT_ORIGIN, local.unwrap_or_else(|| origin.clone()));
    }
    if let Some(referer) = given.get(REFERER) {
        let rest = referer.to_str().ok().and_then(|url| rest_of(url, public));
        let rest = rest.filter(|_| route.policy == HostPolicy::Loopback);
        let local = rest.and_then(|rest| HeaderValue::try_from(format!("{local}{rest}")).ok());
        told.insert(SENT_REFERER, local.unwrap_or_else(|| referer.clone()));
    }
    if let Some(kept) = app_cookies(given) {
        told.insert(SENT_COOKIE, kept);
    }
    told
}

/// What goes into the answer to a URL with a good token.
pub(super) fn hide_token(told: &mut HeaderMap) {
    told.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
}

/// A grant to hand over. `Preview-Set-Cookie` and `-W` are the same cookies as `Set-Cookie`, each under a name of its
/// own, since not every proxy can copy a header that is there twice.
pub(super) fn hand_over(
    told: &mut HeaderMap,
    template: &UrlTemplate,
    host: &str,
    sealed: &str,
    life: Duration,
) {
    for cookie in GrantCookie::of_host(template.scheme(), host) {
        let Ok(value) = HeaderValue::from_str(&cookie.set(sealed, life)) else { continue };
        let copy = if *cookie == GrantCookie::Unpartitioned { GRANT_FOR_WORKERS } else { GRANT };
        told.insert(copy, value.clone());
        told.append(SET_COOKIE, value);
    }
}

/// The first visit under a host name that another attachment may have had: what that one left behind is cleared, and
/// its cookies are not shown to this one's dev server.
pub(super) fn clear(told: &mut HeaderMap, template: &UrlTemplate, host: &str, given: &HeaderMap) {
    told.insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\", \"storage\""));
    told.remove(SENT_COOKIE);
    let is_secure = GrantCookie::of_host(template.scheme(), host).contains(&GrantCookie::Partitioned);
    let is_secure = is_secure || template.scheme() == Scheme::Https;
    let ways: &[&str] = if is_secure { &["; Secure", "; Secure; SameSite=None; Partitioned"] } else { &[""] };
    let names = pairs(given).map(name_of).filter(|name| !name.is_empty() && !is_ours(name));
    for name in names.filter_map(|name| str::from_utf8(name).ok()).take(MOST_EXPIRED) {
        for way in ways {
            if let Ok(ended) = format!("{name}=; Path=/; Max-Age=0{way}").parse() {
                told.append(SET_COOKIE, ended);
            }
        }
    }
}

/// What follows the public origin in a URL of it.
fn rest_of<'u>(url: &'u str, public: &str) -> Option<&'u str> {
    let rest = url.strip_prefix(public)?;
    (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then_some(rest)
}

/// The visitor's cookies without ours.
fn app_cookies(given: &HeaderMap) -> Option<HeaderValue> {
    let kept: Vec<&[u8]> = pairs(given).filter(|pair| !is_ours(name_of(pair))).collect();
    HeaderValue::from_bytes(&kept.join(&b"; "[..])).ok().filter(|kept| !kept.is_empty())
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let all = headers.get_all(COOKIE).iter();
    all.flat_map(|value| value.as_bytes().split(|b| *b == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|it| !it.is_empty())
}

fn name_of(pair: &[u8]) -> &[u8] {
    pair.split(|b| *b == b'=').next().unwrap_or_default().trim_ascii()
}

fn is_ours(name: &[u8]) -> bool {
    GrantCookie::ALL.iter().any(|cookie| cookie.name().as_bytes() == name)
}
