//! The two names of one place: the origin that browsers see, and the one that a dev server thinks it has.
//!
//! What browsers say is mapped there under the policy `loopback`; what dev servers say is mapped back always,
//! since even those that are told their public name redirect to `localhost`.

use http::HeaderValue;
use preview_core::route::Route;

use super::value;

/// The names of one attachment's place, computed when its route changes.
#[derive(Clone, Debug)]
pub(crate) struct Origins {
    /// `https://x.preview.example.com`.
    pub(crate) public: HeaderValue,
    /// The same without its scheme: what `Host` says.
    pub(crate) public_authority: HeaderValue,
    /// Its port, written or not.
    pub(crate) public_port: HeaderValue,
    /// `http://localhost:PORT`, whichever loopback is dialled.
    pub(crate) local: HeaderValue,
    /// `localhost:PORT`.
    pub(crate) local_authority: HeaderValue,
    public_host: Box<str>,
    port: u16,
}

impl Origins {
    pub(crate) fn of(route: &Route) -> Self {
        let (scheme, authority) =
            route.url.origin.split_once("://").unwrap_or(("http", route.url.origin.as_str()));
        let port = route.listener.port.get();
        let default_port = if scheme == "https" { "443" } else { "80" };
        let public_port = authority.rsplit_once(':').map_or(default_port, |(_, port)| port);
        Self {
            public: value(&route.url.origin),
            public_authority: value(authority),
            public_port: value(public_port),
            local: value(format!("http://localhost:{port}")),
            local_authority: value(format!("localhost:{port}")),
            public_host: route.url.host.as_str().into(),
            port,
        }
    }

    /// A URL of the public place as the dev server must see it; `None` if it is of another place.
    pub(crate) fn to_local(&self, url: &str) -> Option<HeaderValue> {
        let rest = url.strip_prefix(text(&self.public))?;
        ends_authority(rest).then(|| joined(&self.local, rest))
    }

    /// A URL that the dev server takes for its own as browsers must see it; `None` if it is of another place.
    ///
    /// Its own are `http` and `https` URLs, and those without scheme, of any loopback name with its port, and of
    /// its public name with its own port, the public one or none.
    pub(crate) fn to_public(&self, url: &str) -> Option<HeaderValue> {
        let (scheme, rest) = match split_scheme(url) {
            Some(("http" | "https", rest)) => (true, rest),
            Some(_) => return None,
            None => (false, url.strip_prefix("//")?),
        };
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (host, port) = split_port(authority)?;
        let own_port = port == Some(self.port);
        let is_own = match host {
            host if is_loopback_name(host) => own_port,
            host if host.eq_ignore_ascii_case(&self.public_host) => {
                own_port || port.is_none() || port.is_some_and(|port| self.is_public_port(port))
            }
            _ => false,
        };
        if !is_own {
            return None;
        }
        let base = if scheme { &self.public } else { &self.public_authority };
        let slashes = if scheme { "" } else { "//" };
        HeaderValue::try_from(format!("{slashes}{}{tail}", text(base))).ok()
    }

    fn is_public_port(&self, port: u16) -> bool {
        matches!(port, 80 | 443) || text(&self.public_port).parse() == Ok(port)
    }
}

fn joined(base: &HeaderValue, rest: &str) -> HeaderValue {
    let bytes = [base.as_bytes(), rest.as_bytes()].concat();
    HeaderValue::from_maybe_shared(bytes::Bytes::from(bytes)).unwrap_or_else(|_| base.clone())
}

/// The text of a value that was computed from text.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

fn ends_authority(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['/', '?', '#'])
}

/// Scheme, in lower case if it is one of ours, and what follows `://`.
fn split_scheme(url: &str) -> Option<(&'static str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if scheme.contains(['/', '?', '#']) {
        return None;
    }
    let known = ["http", "https"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known));
    Some((known.unwrap_or("other"), rest))
}

/// Host and port of an authority; `None` with a user or a port that is none.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    if authority.contains('@') {
        return None;
    }
    let after_host = if authority.starts_with('[') { authority.find(']')? + 1 } else { 0 };
    match authority[after_host..].find(':') {
        None => Some((authority, None)),
        Some(colon) => {
            let (host, port) = authority.split_at(after_host + colon);
            Some((host, Some(port[1..].parse().ok()?)))
        }
    }
}

fn is_loopback_name(host: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| host.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::sample;

    #[test]
    fn what_a_dev_server_calls_itself_becomes_public() {
        let origins = Origins::of(&sample::route("https://a.preview.example.com", 3000));
        for (given, public) in [
            ("http://localhost:3000/x?y#z", Some("https://a.preview.example.com/x?y#z")),
            ("https://localhost:3000", Some("https://a.preview.example.com")),
            ("HTTP://LOCALHOST:3000/", Some("https://a.preview.example.com/")),
            ("http://127.0.0.1:3000?q", Some("https://a.preview.example.com?q")),
            ("http://[::1]:3000/", Some("https://a.preview.example.com/")),
            ("//localhost:3000/x", Some("//a.preview.example.com/x")),
            ("http://a.preview.example.com/x", Some("https://a.preview.example.com/x")),
            ("http://a.preview.example.com:80/x", Some("https://a.preview.example.com/x")),
            ("http://a.preview.example.com:3000/x", Some("https://a.preview.example.com/x")),
            ("https://a.preview.example.com/x", Some("https://a.preview.example.com/x")),
            ("http://localhost:3001/", None),
            ("http://localhost/", None),
            ("http://localhost:3000@evil.example/", None),
            ("http://localhost:3000.evil.example/", None),
            ("http://evil.example/?http://localhost:3000/", None),
            ("http://a.preview.example.com:9000/x", None),
            ("ftp://localhost:3000/", None),
            ("/x", None),
            ("x//localhost:3000", None),
            ("/x?u=http://localhost:3000/", None),
            ("", None),
            ("//", None),
            ("http://", None),
            ("http://[::1", None),
        ] {
            let mapped = origins.to_public(given);
            assert_eq!(mapped.as_ref().map(text), public, "{given}");
        }
    }

    #[test]
    fn a_public_port_stays_in_the_public_url() {
        let origins = Origins::of(&sample::route("http://preview-3000.localhost:8080", 3000));
        let mapped = origins.to_public("http://localhost:3000/x").expect("own");
        assert_eq!(mapped, "http://preview-3000.localhost:8080/x");
        assert_eq!(origins.public_port, "8080");
        assert_eq!(origins.public_authority, "preview-3000.localhost:8080");
    }

    #[test]
    fn what_a_browser_calls_it_becomes_local() {
        let origins = Origins::of(&sample::route("https://a.preview.example.com", 3000));
        for (given, local) in [
            ("https://a.preview.example.com", Some("http://localhost:3000")),
            ("https://a.preview.example.com/x?y", Some("http://localhost:3000/x?y")),
            ("https://a.preview.example.com.evil.example/", None),
            ("http://a.preview.example.com/", None),
            ("https://b.preview.example.com/", None),
            ("null", None),
        ] {
            assert_eq!(origins.to_local(given).as_ref().map(text), local, "{given}");
        }
    }
}
