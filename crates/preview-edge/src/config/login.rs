//! The endpoint that says who is let in, under `access.mode: forward`.

use std::time::Duration;

use http::{HeaderName, Uri};
use preview_core::settings::{Settings, SettingsError};

/// What is asked of the endpoint, and passed on of its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// The endpoint, where there is one: an absolute URL of http or https.
    pub endpoint: Option<Uri>,
    /// Headers of its answer that dev servers are passed. A browser's own are dropped, with an endpoint or without.
    pub headers: Vec<HeaderName>,
    /// Beginnings of the names of its cookies, which dev servers are not passed.
    pub cookies: Vec<String>,
    /// How long its yes holds; zero: it is asked each time.
    pub cache: Duration,
}

/// Headers whose meaning is the request's own.
const TAKEN: [&str; 10] = [
    "connection",
    "content-length",
    "cookie",
    "host",
    "origin",
    "referer",
    "te",
    "transfer-encoding",
    "upgrade",
    "preview-hop",
];

pub(super) fn from_settings(settings: &Settings) -> Result<Login, SettingsError> {
    Ok(Login {
        endpoint: endpoint(settings)?,
        headers: headers(settings)?,
        cookies: settings.list("access.forward_cookies").to_vec(),
        cache: settings.duration("access.forward_cache"),
    })
}

fn endpoint(settings: &Settings) -> Result<Option<Uri>, SettingsError> {
    const KEY: &str = "access.forward_url";
    const ALLOWED: &str = "a URL such as http://127.0.0.1:4180/, without user or fragment";
    let is_needed = settings.text("access.mode") == Some("forward");
    let Some(text) = settings.text(KEY) else {
        let allowed = "a URL, as access.mode is forward";
        return if is_needed { Err(settings.impossible(KEY, allowed)) } else { Ok(None) };
    };
    let uri = text.parse::<Uri>().ok().filter(|uri| {
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let is_bare = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        is_web && is_bare && !text.contains('#')
    });
    let uri = uri.ok_or_else(|| settings.impossible(KEY, ALLOWED))?;
    Ok(is_needed.then_some(uri))
}

fn headers(settings: &Settings) -> Result<Vec<HeaderName>, SettingsError> {
    const KEY: &str = "access.forward_headers";
    let name = |text: &String| {
        let name = HeaderName::try_from(text.as_str()).ok();
        name.filter(|name| !TAKEN.contains(&name.as_str())).ok_or_else(|| {
            settings.impossible(KEY, format_args!("names of headers, which {text:?} is not, or may not be"))
        })
    };
    settings.list(KEY).iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use preview_core::settings::Sources;

    use super::*;

    #[test]
    fn an_endpoint_is_a_whole_url_and_is_there_where_it_is_asked() {
        for url in ["localhost:4180", "ftp://a/", "/auth", "https://user@a/", "http://a/#x", "http://"] {
            let text = read(&format!("mode: forward, forward_url: {url:?}")).expect_err(url);
            assert!(text.contains("`access.forward_url`"), "{text}");
        }
        assert!(read("mode: forward").expect_err("none").contains("`access.forward_url`"));
        let login =
            read("mode: forward, forward_url: \"https://auth.example.com/verify?x=1\"").expect("valid");
        assert_eq!(login.endpoint, Some(Uri::from_static("https://auth.example.com/verify?x=1")));
        assert_eq!(read("forward_url: \"http://a/\"").expect("valid").endpoint, None, "nobody asks it");
    }

    #[test]
    fn only_headers_that_nothing_depends_on_are_passed_on() {
        assert_eq!(read("mode: token").expect("valid").headers.len(), 7);
        for name in ["Host", "cookie", "Transfer-Encoding", "a b", ""] {
            let text = read(&format!("forward_headers: [{name:?}]")).expect_err(name);
            assert!(text.contains("`access.forward_headers`"), "{text}");
        }
    }

    fn read(access: &str) -> Result<Login, String> {
        let text = format!("web_preview:\n  access: {{ {access} }}\n");
        let settings = Settings::load(Sources { file: Some(("f", &text)), ..Sources::default() });
        from_settings(&settings.expect("reads")).map_err(|error| error.to_string())
    }
}
