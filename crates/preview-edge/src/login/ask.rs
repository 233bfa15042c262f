//! The question to the endpoint, and what its answer means.

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE, USER_AGENT,
    WWW_AUTHENTICATE,
};
use http::{Method, Request, Response, StatusCode, Uri};
use sha2::{Digest, Sha256};

use super::memo::Key;
use super::{Entered, Turned, Verdict};
use crate::access::without_token;
use crate::headers::forwarded::Via;
use crate::headers::names::{
    FORWARDED_FOR, FORWARDED_HOST, FORWARDED_METHOD, FORWARDED_PROTO, FORWARDED_URI, ORIGINAL_METHOD,
    ORIGINAL_URL, REAL_IP,
};
use crate::headers::{cookies, value};

/// The request that somebody wants to be let in with.
pub(crate) struct Asked<'r> {
    pub(crate) method: &'r Method,
    pub(crate) uri: &'r Uri,
    pub(crate) headers: &'r HeaderMap,
    /// Lower case, without port.
    pub(crate) host: &'r str,
    /// As the client wrote it.
    pub(crate) authority: &'r HeaderValue,
    pub(crate) via: &'r Via,
}

impl Asked<'_> {
    /// What is asked. Of the browser's headers only those that say who it is, and how it wants to be answered.
    pub(super) fn question(&self, endpoint: &Uri) -> Request<Bytes> {
        let mut question = Request::new(Bytes::new());
        *question.uri_mut() = endpoint.clone();
        let headers = question.headers_mut();
        for name in [COOKIE, AUTHORIZATION, ACCEPT, USER_AGENT] {
            for given in self.headers.get_all(&name) {
                headers.append(name.clone(), given.clone());
            }
        }
        cookies::forward(headers);
        // Extended CONNECT is a GET by another name (RFC 8441).
        let method = if *self.method == Method::CONNECT { &Method::GET } else { self.method };
        let (method, path) = (value(method.as_str()), without_token(self.uri));
        let scheme = self.via.scheme();
        let url = format!("{scheme}://{}{path}", self.authority.to_str().unwrap_or_default());
        for (name, told) in [
            (FORWARDED_METHOD, method.clone()),
            (FORWARDED_PROTO, HeaderValue::from_static(scheme)),
            (FORWARDED_HOST, self.authority.clone()),
            (FORWARDED_URI, value(path)),
            (FORWARDED_FOR, self.via.address.clone()),
            (REAL_IP, self.via.address.clone()),
            (ORIGINAL_METHOD, method),
            (ORIGINAL_URL, value(url)),
        ] {
            headers.insert(name, told);
        }
        question
    }

    /// By what a yes is remembered: the host, and all that may say who it is. Only a digest of it rests in memory.
    pub(super) fn key(&self) -> Key {
        let mut digest = Sha256::new();
        let mut add = |part: &[u8]| {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        };
        add(self.host.as_bytes());
        for name in [COOKIE, AUTHORIZATION] {
            let all = self.headers.get_all(name);
            add(&all.iter().count().to_be_bytes());
            all.iter().for_each(|given| add(given.as_bytes()));
        }
        digest.finalize().into()
    }
}

/// The same value, not shown by `Debug`: it may let somebody in elsewhere.
fn secret(value: &HeaderValue) -> HeaderValue {
    let mut value = value.clone();
    value.set_sensitive(true);
    value
}

/// What an answer means; an error for one that means nothing.
pub(super) fn read(answer: Response<Bytes>, passed: &[HeaderName]) -> Result<Verdict, String> {
    let (head, _) = answer.into_parts();
    let headers = &head.headers;
    let cookies = headers.get_all(SET_COOKIE).iter().map(secret).collect();
    let location = headers.get(LOCATION).filter(|location| is_absolute(location)).cloned();
    match head.status {
        status if status.is_success() => {
            let values = |name: &HeaderName| {
                headers.get_all(name).iter().map(|given| (name.clone(), secret(given))).collect::<Vec<_>>()
            };
            Ok(Verdict::In(Entered { identity: passed.iter().flat_map(values).collect(), cookies }))
        }
        status if status.is_redirection() && location.is_none() => Err(format!(
            "the login endpoint answers {} and names no URL of http or https to go to",
            status.as_u16()
        )),
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Ok(Verdict::Out(Turned {
            forbidden: status == StatusCode::FORBIDDEN,
            location,
            challenge: headers.get(WWW_AUTHENTICATE).cloned(),
            cookies,
        })),
        status if status.is_redirection() => {
            Ok(Verdict::Out(Turned { location, cookies, ..Turned::default() }))
        }
        status => Err(format!("the login endpoint answers {}", status.as_u16())),
    }
}

/// Whether a browser is led to where the endpoint means: a relative one would lead into the preview, and round.
fn is_absolute(location: &HeaderValue) -> bool {
    let uri = Uri::try_from(location.as_bytes());
    uri.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn the_endpoint_is_told_who_asks_for_what_and_nothing_of_our_own() {
        let headers = map(&[
            ("cookie", "sid=1; __Host-preview=G; preview-seen=x"),
            ("authorization", "Basic eA=="),
            ("accept", "text/html"),
            ("user-agent", "Browser"),
            ("x-forwarded-uri", "/evil"),
            ("x-original-url", "https://evil.example/"),
            ("referer", "https://a.example/?token=T"),
            ("preview-token", "T"),
        ]);
        let question = asked(&Method::POST, "/x?a=1&session_id=s&token=T", &headers, |it| {
            it.question(&Uri::from_static("http://auth.example/verify"))
        });
        assert_eq!(
            (question.method(), question.uri().to_string().as_str()),
            (&Method::GET, "http://auth.example/verify")
        );
        let mut told: Vec<_> = question
            .headers()
            .iter()
            .map(|(name, told)| format!("{name}: {}", told.to_str().expect("text")))
            .collect();
        told.sort();
        assert_eq!(
            told,
            [
                "accept: text/html",
                "authorization: Basic eA==",
                "cookie: sid=1",
                "user-agent: Browser",
                "x-forwarded-for: 192.0.2.7",
                "x-forwarded-host: a.example:8443",
                "x-forwarded-method: POST",
                "x-forwarded-proto: https",
                "x-forwarded-uri: /x?a=1",
                "x-original-method: POST",
                "x-original-url: https://a.example:8443/x?a=1",
                "x-real-ip: 192.0.2.7",
            ]
        );
    }

    #[test]
    fn no_two_credentials_have_one_key() {
        let key = |headers: &[(&'static str, &'static str)]| {
            asked(&Method::GET, "/", &map(headers), |it: &Asked<'_>| it.key())
        };
        let keys = [
            key(&[]),
            key(&[("cookie", "a=1")]),
            key(&[("authorization", "a=1")]),
            key(&[("cookie", "a=1"), ("authorization", "b")]),
            key(&[("cookie", "a=1b")]),
            key(&[("cookie", "a=1"), ("cookie", "b")]),
            key(&[("cookie", "a=1; b")]),
        ];
        for (at, one) in keys.iter().enumerate() {
            assert!(keys[at + 1..].iter().all(|other| other != one), "{at}");
        }
        assert_eq!(key(&[("cookie", "a=1"), ("accept", "x")]), key(&[("cookie", "a=1")]));
    }

    #[test]
    fn an_answer_lets_in_keeps_out_or_means_nothing() {
        let login = "https://login.example/?rd=https://a.example/";
        let out = |forbidden, location: Option<&'static str>| {
            Some(Verdict::Out(Turned {
                forbidden,
                location: location.map(HeaderValue::from_static),
                ..Turned::default()
            }))
        };
        for (status, location, verdict) in [
            (302, Some(login), out(false, Some(login))),
            (307, Some(login), out(false, Some(login))),
            (401, Some(login), out(false, Some(login))),
            (401, None, out(false, None)),
            (403, None, out(true, None)),
            (403, Some("/oauth2/sign_in"), out(true, None)),
            (302, Some("/oauth2/sign_in"), None),
            (302, Some("//login.example/"), None),
            (302, Some("javascript:alert(1)"), None),
            (302, None, None),
            (404, None, None),
            (429, None, None),
            (500, None, None),
        ] {
            let mut answer = Response::builder().status(status);
            if let Some(location) = location {
                answer = answer.header(LOCATION, location);
            }
            let read = read(answer.body(Bytes::new()).expect("an answer"), &[]).ok();
            assert_eq!(read, verdict, "{status} {location:?}");
        }
    }

    #[test]
    fn of_a_yes_only_the_headers_that_were_named_are_passed_on() {
        let user = HeaderName::from_static("x-auth-request-user");
        let answer = Response::builder()
            .status(202)
            .header(&user, "ada")
            .header("x-other", "1")
            .header("set-cookie", "a=1");
        let verdict = read(answer.body(Bytes::new()).expect("an answer"), std::slice::from_ref(&user));
        let entered = Entered {
            identity: vec![(user, HeaderValue::from_static("ada"))],
            cookies: vec![HeaderValue::from_static("a=1")],
        };
        assert!(!format!("{verdict:?}").contains("a=1"), "a log does not show it");
        assert_eq!(verdict, Ok(Verdict::In(entered)));
    }

    fn asked<T>(method: &Method, uri: &str, headers: &HeaderMap, look: impl Fn(&Asked<'_>) -> T) -> T {
        let peer: SocketAddr = "192.0.2.7:9".parse().expect("an address");
        let via = Via::of(peer, &HeaderValue::from_static("192.0.2.7"), true, &HeaderMap::new(), &[]);
        let uri = uri.parse().expect("a URI");
        let authority = HeaderValue::from_static("a.example:8443");
        look(&Asked { method, uri: &uri, headers, host: "a.example", authority: &authority, via: &via })
    }

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, given): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(given))
        };
        let mut map = HeaderMap::new();
        for (name, given) in headers.iter().map(pair) {
            map.append(name, given);
        }
        map
    }
}
