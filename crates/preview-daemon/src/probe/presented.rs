//! How a request presents itself under each host policy: the header sets that the edge uses.

use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};
use preview_core::listener::Listener;
use preview_core::template::Rendered;
use preview_core::verdict::HostPolicy;

/// The two names of a dev server: the public one, and `localhost` with its port.
#[derive(Clone, Debug)]
pub(crate) struct Presented {
    public: HeaderValue,
    public_origin: HeaderValue,
    scheme: &'static str,
    port: String,
    local: HeaderValue,
    local_origin: HeaderValue,
}

impl Presented {
    /// For that listener under that public URL.
    pub(crate) fn new(listener: Listener, public: &Rendered) -> Self {
        let (scheme, authority) = public.origin.split_once("://").unwrap_or(("http", &public.host));
        let scheme = if scheme == "https" { "https" } else { "http" };
        let port = authority.strip_prefix(public.host.as_str()).and_then(|rest| rest.strip_prefix(':'));
        let port = port.unwrap_or(if scheme == "https" { "443" } else { "80" });
        let local = format!("localhost:{}", listener.port);
        Self {
            public: value(authority),
            public_origin: value(&public.origin),
            scheme,
            port: port.to_owned(),
            local_origin: value(&format!("http://{local}")),
            local: value(&local),
        }
    }

    /// The headers of every request: from this host, as the viewer's own.
    pub(crate) fn headers(&self, policy: HostPolicy) -> HeaderMap {
        let viewer = "127.0.0.1";
        let mut headers = HeaderMap::new();
        headers.insert(HOST, self.host(policy).clone());
        headers.insert(HeaderName::from_static("x-forwarded-for"), value(viewer));
        headers.insert(HeaderName::from_static("x-real-ip"), value(viewer));
        if policy == HostPolicy::Preserve {
            headers.insert(HeaderName::from_static("x-forwarded-proto"), value(self.scheme));
            headers.insert(HeaderName::from_static("x-forwarded-host"), self.public.clone());
            headers.insert(HeaderName::from_static("x-forwarded-port"), value(&self.port));
            let host = self.public.to_str().unwrap_or_default();
            let forwarded = format!("for={viewer};host=\"{host}\";proto={}", self.scheme);
            headers.insert(FORWARDED, value(&forwarded));
        }
        headers
    }

    /// The origin that a page of this server has in its own eyes.
    pub(crate) fn origin(&self, policy: HostPolicy) -> HeaderValue {
        match policy {
            HostPolicy::Preserve => self.public_origin.clone(),
            HostPolicy::Loopback => self.local_origin.clone(),
        }
    }

    /// Where a redirect leads on this server; `None` if it leads elsewhere, or we cannot tell.
    pub(crate) fn own_path<'a>(&self, location: &'a str) -> Option<&'a str> {
        if location.starts_with('/') && !location.starts_with("//") {
            return Some(location);
        }
        let (_, rest) = location.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let port = self.local.to_str().ok()?.strip_prefix("localhost:")?;
        let is_local = ["localhost", "127.0.0.1", "[::1]"]
            .iter()
            .any(|host| authority.strip_prefix(host).and_then(|rest| rest.strip_prefix(':')) == Some(port));
        let is_own = is_local || self.public.as_bytes() == authority.as_bytes();
        is_own.then_some(if path.is_empty() { "/" } else { path })
    }

    fn host(&self, policy: HostPolicy) -> &HeaderValue {
        match policy {
            HostPolicy::Preserve => &self.public,
            HostPolicy::Loopback => &self.local,
        }
    }
}

/// Rendered host names and numbers are visible ASCII.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use preview_core::listener::Loopback;
    use preview_core::ports::Port;

    use super::*;

    #[test]
    fn preserve_shows_the_public_name_everywhere_and_loopback_nowhere() {
        let headers = presented("https://a.preview.test").headers(HostPolicy::Preserve);
        let shown = |name: &str| headers[name].to_str().expect("text").to_owned();
        assert_eq!(shown("host"), "a.preview.test");
        assert_eq!(shown("x-forwarded-host"), "a.preview.test");
        assert_eq!((shown("x-forwarded-proto"), shown("x-forwarded-port")), ("https".into(), "443".into()));
        assert_eq!(shown("forwarded"), "for=127.0.0.1;host=\"a.preview.test\";proto=https");

        let headers = presented("https://a.preview.test").headers(HostPolicy::Loopback);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["host", "x-forwarded-for", "x-real-ip"]);
        assert_eq!(headers["host"], "localhost:5173");
    }

    #[test]
    fn a_port_in_the_public_url_is_part_of_the_host() {
        let headers = presented("http://a.preview.test:8080").headers(HostPolicy::Preserve);
        assert_eq!(headers["host"], "a.preview.test:8080");
        assert_eq!(headers["x-forwarded-port"], "8080");
        assert_eq!(headers["x-forwarded-proto"], "http");
    }

    #[test]
    fn a_redirect_is_followed_on_this_server_only() {
        let presented = presented("https://a.preview.test");
        let own = |location| presented.own_path(location);
        assert_eq!(own("/login?next=/"), Some("/login?next=/"));
        assert_eq!(own("http://localhost:5173/app"), Some("/app"));
        assert_eq!(own("http://127.0.0.1:5173"), Some("/"));
        assert_eq!(own("https://a.preview.test/app"), Some("/app"));
        for elsewhere in [
            "//evil.example/",
            "https://evil.example/",
            "http://localhost:22/",
            "http://localhost:51730/",
            "http://localhost/",
            "https://a.preview.test.evil.example/",
            "login",
            "",
        ] {
            assert_eq!(own(elsewhere), None, "{elsewhere}");
        }
    }

    fn presented(origin: &str) -> Presented {
        let port = Port::new(5173).expect("a port");
        let listener = Listener { address: Loopback::V4, port };
        Presented::new(listener, &Rendered { origin: origin.into(), host: "a.preview.test".into() })
    }
}
