//! Who may call the API from a browser: pages of its own origin, and of `api.origins`. And under which host name
//! it may be called at all, so that a name somebody else rebinds to us is not one of ours.

use std::net::IpAddr;

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, HOST, HeaderMap, HeaderName, ORIGIN};
use http::{Method, Uri};
use thiserror::Error;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// A request that a foreign page made, or that was meant for another host.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Alien {
    /// Its `Host` is not one of ours.
    #[error("host: {0:?} is not a name of this service")]
    Host(String),
    /// It does not name one host.
    #[error("host: there must be exactly one")]
    NoHost,
    /// Its `Origin` is neither ours nor allowed.
    #[error("origin: {0:?} may not call this service")]
    Origin(String),
    /// A browser sent it for a page of another site.
    #[error("sec-fetch-site: {0:?} without an origin: a page of another site may not call this service")]
    Site(String),
    /// A browser's request that does not say where it comes from.
    #[error("sec-fetch-mode: it stands without sec-fetch-site")]
    ModeAlone,
}

/// The names and origins that are allowed.
#[derive(Clone, Debug)]
pub(crate) struct Allowed {
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// What is known of a request that was let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// No page, or a page of ours.
    Own,
    /// A page of this allowed origin: it wants to read the answer.
    Friend(String),
}

impl Allowed {
    /// The loopbacks by their names, and besides `hosts` (names without port) the hosts of `origins`.
    pub(crate) fn new(hosts: impl IntoIterator<Item = String>, origins: &[String]) -> Self {
        let loopbacks = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let hosts = loopbacks.into_iter().chain(hosts).map(|host| host.to_ascii_lowercase()).collect();
        Self { hosts, origins: origins.iter().map(|origin| origin.to_ascii_lowercase()).collect() }
    }

    /// Lets a request through, or says what is foreign about it.
    ///
    /// `scheme` is that by which it came; `may_omit_host` for doors that no browser reaches: some clients of unix sockets name no host.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        scheme: &str,
        may_omit_host: bool,
    ) -> Result<Source, Alien> {
        let host = self.host(headers, uri, may_omit_host)?;
        let Some(origin) = one(headers, &ORIGIN).map_err(|()| Alien::Origin("several".to_owned()))? else {
            return check_fetch(headers).map(|()| Source::Own);
        };
        let origin = origin.to_ascii_lowercase();
        if self.origins.contains(&origin) {
            return Ok(Source::Friend(origin));
        }
        if !host.is_empty() && origin == format!("{scheme}://{host}") {
            Ok(Source::Own)
        } else {
            Err(Alien::Origin(origin))
        }
    }

    fn host(&self, headers: &HeaderMap, uri: &Uri, may_omit: bool) -> Result<String, Alien> {
        let given = one(headers, &HOST).map_err(|()| Alien::NoHost)?;
        // A request line with an authority must agree with Host (RFC 9112 §3.2.2).
        let host = match (uri.authority(), given) {
            (Some(line), Some(host)) if !line.as_str().eq_ignore_ascii_case(host) => {
                return Err(Alien::Host(line.to_string()));
            }
            (_, Some(host)) => host.to_ascii_lowercase(),
            (_, None) => String::new(),
        };
        match host.as_str() {
            "" if may_omit => Ok(host),
            "" => Err(Alien::NoHost),
            text if self.hosts.iter().any(|own| own == without_port(text)) => Ok(host),
            _ => Err(Alien::Host(host)),
        }
    }
}

/// An address as `Host` writes it.
pub(crate) fn host_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// Whether it is a browser's question before the request proper.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn check_fetch(headers: &HeaderMap) -> Result<(), Alien> {
    let site = one(headers, &SEC_FETCH_SITE).map_err(|()| Alien::Site("several".to_owned()))?;
    match site {
        None if headers.contains_key(SEC_FETCH_MODE) => Err(Alien::ModeAlone),
        None | Some("same-origin" | "none") => Ok(()),
        Some(site) => Err(Alien::Site(site.to_owned())),
    }
}

/// The one value of a header, if there is one; an error if there are more, or it is no text.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

/// A host without its port: `[::1]:80` and `localhost:80` alike.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_origin_a_request_passes_unless_a_browser_says_it_is_cross_site() {
        assert_eq!(check(&[("host", "localhost")]), Ok(Source::Own));
        for site in ["same-origin", "none"] {
            let headers = [("host", "localhost"), ("sec-fetch-site", site), ("sec-fetch-mode", "cors")];
            assert_eq!(check(&headers), Ok(Source::Own));
        }
        for site in ["cross-site", "same-site", "", "SAME-ORIGIN"] {
            let refused = check(&[("host", "localhost"), ("sec-fetch-site", site)]);
            assert_eq!(refused, Err(Alien::Site(site.to_owned())));
        }
        assert_eq!(check(&[("host", "localhost"), ("sec-fetch-mode", "cors")]), Err(Alien::ModeAlone));
    }

    #[test]
    fn an_origin_must_be_the_host_asked_with_its_port_or_be_allowed() {
        let with = |host, origin| check(&[("host", host), ("origin", origin)]);
        assert_eq!(with("localhost:7000", "http://localhost:7000"), Ok(Source::Own));
        assert_eq!(with("daemon.example.com", "http://daemon.example.com"), Ok(Source::Own));
        let app = "https://app.example.com";
        assert_eq!(with("localhost", app), Ok(Source::Friend(app.to_owned())));
        for (host, origin) in [
            ("localhost:7000", "http://localhost:8080"),
            ("daemon.example.com", "https://daemon.example.com"),
            ("localhost", "null"),
            ("localhost", ""),
            ("localhost", "http://localhost.evil.example"),
            ("127.0.0.1", "http://localhost"),
            ("localhost", "https://app.example.com.evil.example"),
        ] {
            assert_eq!(with(host, origin), Err(Alien::Origin(origin.to_owned())), "{host} {origin}");
        }
        let two = [("host", "localhost"), ("origin", app), ("origin", "https://evil.example")];
        assert!(matches!(check(&two), Err(Alien::Origin(_))));
    }

    #[test]
    fn a_foreign_missing_or_double_host_is_refused() {
        for host in
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "[::2]", "localhost:80x"]
        {
            assert_eq!(check(&[("host", host)]), Err(Alien::Host(host.to_owned())));
        }
        for host in ["LOCALHOST", "[::1]", "[::1]:7000", "127.0.0.1:1", "daemon.example.com"] {
            assert_eq!(check(&[("host", host)]), Ok(Source::Own), "{host}");
        }
        assert_eq!(check(&[]), Err(Alien::NoHost));
        assert_eq!(check(&[("host", "localhost"), ("host", "localhost")]), Err(Alien::NoHost));
    }

    #[test]
    fn a_request_line_that_disagrees_with_host_is_refused() {
        let headers = headers(&[("host", "localhost")]);
        let uri = Uri::from_static("http://evil.example/v1/attachments");
        assert!(allowed().check(&headers, &uri, "http", true).is_err());
    }

    fn check(pairs: &[(&'static str, &str)]) -> Result<Source, Alien> {
        allowed().check(&headers(pairs), &Uri::from_static("/v1/attachments"), "http", false)
    }

    fn allowed() -> Allowed {
        Allowed::new(["daemon.example.com".to_owned()], &["https://app.example.com".to_owned()])
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a header value")))
            .collect()
    }
}
