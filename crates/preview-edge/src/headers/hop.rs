//! Headers that speak of one connection alone, and those that only a proxy may write.

use http::header::{
    CONNECTION, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING,
    UPGRADE,
};

use super::names::{HTTP2_SETTINGS, KEEP_ALIVE, PROXY_CONNECTION};

/// Headers of one hop (RFC 9110 §7.6.1), besides those that `Connection` nominates. `Trailer` is not among them:
/// trailers are passed on.
const OF_ONE_HOP: [HeaderName; 8] = [
    KEEP_ALIVE,
    PROXY_CONNECTION,
    HTTP2_SETTINGS,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Headers that say by which way a request came: only we write them towards a dev server.
const SPOOFABLE: [&str; 5] = ["x-real-ip", "x-rewrite-url", "x-middleware-subrequest", "forwarded", "proxy"];

/// Beginnings of such headers.
const SPOOFABLE_BEGINNINGS: [&str; 3] = ["x-forwarded-", "x-original-", "preview-"];

/// Headers that mean something to every server; CGI and WSGI read them also where `_` stands for `-`.
const MEANT_WITH_HYPHEN: [&str; 13] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "origin",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Drops the headers of one hop, and those that `Connection` nominates as such.
pub(crate) fn drop_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        for name in nominated(headers) {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in OF_ONE_HOP {
        headers.remove(name);
    }
}

/// Drops what a client may not say of itself; `keeps` are let through all the same.
pub(crate) fn drop_spoofed(headers: &mut HeaderMap, keeps: &[HeaderName]) {
    let spoofed: Vec<HeaderName> =
        headers.keys().filter(|name| is_spoofed(name.as_str()) && !keeps.contains(name)).cloned().collect();
    for name in spoofed {
        headers.remove(name);
    }
}

/// Drops every header of these names, an underscore counting as a hyphen.
pub(crate) fn drop_named(headers: &mut HeaderMap, names: &[HeaderName]) {
    let is_named = |name: &HeaderName| names.iter().any(|known| is_written(name.as_str(), known.as_str()));
    let found: Vec<HeaderName> = headers.keys().filter(|name| is_named(name)).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

fn is_spoofed(name: &str) -> bool {
    // Few names begin so, and these alone are looked at closely.
    let suspect = matches!(name.as_bytes().first(), Some(b'x' | b'p' | b'f'));
    let written_alike = || {
        SPOOFABLE.iter().any(|known| is_written(name, known))
            || SPOOFABLE_BEGINNINGS
                .iter()
                .any(|known| name.get(..known.len()).is_some_and(|beginning| is_written(beginning, known)))
    };
    suspect && written_alike()
        || name.contains('_') && MEANT_WITH_HYPHEN.iter().any(|known| is_written(name, known))
}

/// Whether `name` is `known`, an underscore counting as a hyphen.
fn is_written(name: &str, known: &str) -> bool {
    name.len() == known.len()
        && name.bytes().zip(known.bytes()).all(|(a, b)| a == b || a == b'_' && b == b'-')
}

/// What `Connection` nominates, but for the words that have a meaning of their own.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, &CONNECTION)
        .filter(|token| {
            !["close", "keep-alive", "upgrade"].iter().any(|known| token.eq_ignore_ascii_case(known))
        })
        .filter_map(|token| HeaderName::try_from(token).ok())
        .collect()
}

/// The comma-separated tokens of all headers of a name.
pub(crate) fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_speaks_of_one_hop_ends_here() {
        let mut headers = map(&[
            ("connection", "keep-alive, X-Secret"),
            ("connection", "Upgrade, x-other"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic eA=="),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("http2-settings", "AAA"),
            ("x-secret", "1"),
            ("x-other", "1"),
            ("trailer", "etag"),
            ("accept", "*/*"),
        ]);
        drop_hop_by_hop(&mut headers);
        assert_eq!(names(&headers), ["accept", "trailer"]);
    }

    #[test]
    fn what_a_client_says_of_its_way_is_dropped_however_it_is_spelt() {
        let spoofed = [
            "x-forwarded-for",
            "x_forwarded_for",
            "x-forwarded_proto",
            "x-forwarded-anything",
            "forwarded",
            "x-real-ip",
            "x_real_ip",
            "x-original-url",
            "x-original-host",
            "x-rewrite-url",
            "x_rewrite_url",
            "proxy",
            "x-middleware-subrequest",
            "x_middleware_subrequest",
            "preview-session",
            "preview_user",
            "preview-anything",
            "content_length",
            "transfer_encoding",
            "transfer-encoding_",
        ];
        let mut headers = HeaderMap::new();
        for name in spoofed {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        for name in ["x-requested-with", "x-forwarder", "api_key", "priority", "from", "prefer", "x-real-ipx"]
        {
            headers.append(name, HeaderValue::from_static("1"));
        }
        drop_spoofed(&mut headers, &[]);
        let kept = [
            "api_key",
            "from",
            "prefer",
            "priority",
            "transfer-encoding_",
            "x-forwarder",
            "x-real-ipx",
            "x-requested-with",
        ];
        assert_eq!(names(&headers), kept);
    }

    #[test]
    fn some_of_ours_pass_where_they_are_meant_to() {
        let mut headers = map(&[("preview-session", "s"), ("preview-token", "t"), ("preview_session", "x")]);
        drop_spoofed(&mut headers, &[super::super::names::SESSION]);
        assert_eq!(names(&headers), ["preview-session"]);
    }

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            })
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }
}
