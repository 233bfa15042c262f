//! What is changed in the headers of a dev server's answer on its way to the browser.

use http::HeaderValue;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALT_SVC, HeaderMap, HeaderName, LOCATION, REFERRER_POLICY, REFRESH,
};
use preview_core::verdict::HostPolicy;

use super::cookies;
use super::framing::Framing;
use super::hop::drop_hop_by_hop;
use super::names::{CLEAR_SITE_DATA, ROBOTS};
use super::origin::Origins;

/// What of the request decides on the headers of its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    /// Whether a token or grant let it in; otherwise the dev server's word on framing stands.
    pub(crate) authenticated: bool,
    /// Whether the answer will be read in a frame of another site.
    pub(crate) embedded: bool,
    /// Whether its URL held a token.
    pub(crate) shows_token: bool,
}

/// What of a browser's data belongs to one origin alone.
const OWN_DATA: [&str; 3] = ["\"cache\"", "\"storage\"", "\"executionContexts\""];

/// Makes the headers of a dev server's answer those of ours.
pub(crate) fn from_dev_server(
    headers: &mut HeaderMap,
    policy: HostPolicy,
    origins: &Origins,
    framing: &Framing,
    asking: Asking,
) {
    drop_hop_by_hop(headers);
    // It would send browsers to a port that is not the preview's.
    headers.remove(ALT_SVC);
    map_back(headers, &LOCATION, |location| origins.to_public(location));
    map_back(headers, &REFRESH, |refresh| refresh_to_public(refresh, origins));
    cookies::localise(headers, asking.embedded);
    spare_siblings(headers);
    if policy == HostPolicy::Loopback {
        map_back(headers, &ACCESS_CONTROL_ALLOW_ORIGIN, |allowed| {
            (origins.local == allowed).then(|| origins.public.clone())
        });
    }
    // Previews come and go, and what is unfinished is for nobody to find.
    headers.insert(ROBOTS, HeaderValue::from_static("noindex"));
    if asking.authenticated {
        framing.apply(headers);
    }
    if asking.shows_token {
        hide_token(headers);
    }
}

/// Makes the headers of the daemon's answer those of ours: they were made for the public in the first place.
pub(crate) fn from_daemon(headers: &mut HeaderMap) {
    drop_hop_by_hop(headers);
}

/// Keeps the URL, which holds a token, from other origins. Stricter, form posts would carry `Origin: null`.
pub(crate) fn hide_token(headers: &mut HeaderMap) {
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
}

/// Leaves of `Clear-Site-Data` what concerns its own origin. Not `"cookies"`, also where `"*"` means them: browsers
/// clear those of the whole registrable domain (W3C Clear Site Data §4.2.2), so one preview would shut a viewer out of
/// all others.
fn spare_siblings(headers: &mut HeaderMap) {
    if !headers.contains_key(CLEAR_SITE_DATA) {
        return;
    }
    let said = headers.get_all(CLEAR_SITE_DATA).iter().filter_map(|value| value.to_str().ok());
    let mut kept = Vec::new();
    for what in said.flat_map(|value| value.split(',')).map(str::trim) {
        match what {
            "\"*\"" => kept.extend(OWN_DATA),
            what if OWN_DATA.contains(&what) => kept.push(what),
            _ => (),
        }
    }
    let kept = HeaderValue::try_from(kept.join(", ")).ok().filter(|kept| !kept.is_empty());
    match kept {
        Some(kept) => drop(headers.insert(CLEAR_SITE_DATA, kept)),
        None => drop(headers.remove(CLEAR_SITE_DATA)),
    }
}

fn map_back(headers: &mut HeaderMap, name: &HeaderName, map: impl Fn(&str) -> Option<HeaderValue>) {
    let mapped = headers.get(name).and_then(|value| map(value.to_str().ok()?));
    if let Some(mapped) = mapped {
        headers.insert(name, mapped);
    }
}

/// `5; url=http://localhost:3000/x`, the URL with or without quotes.
fn refresh_to_public(refresh: &str, origins: &Origins) -> Option<HeaderValue> {
    let at = refresh.to_ascii_lowercase().find("url=")? + "url=".len();
    let (start, url) = refresh.split_at(at);
    let quote = url.chars().next().filter(|c| matches!(c, '"' | '\''));
    let bare = quote.map_or(url, |quote| url[1..].strip_suffix(quote).unwrap_or(&url[1..]));
    let public = origins.to_public(bare.trim())?;
    HeaderValue::try_from(format!("{start}{}", public.to_str().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::value;
    use crate::route::sample;

    const STRANGER: Asking = Asking { authenticated: false, embedded: false, shows_token: false };
    const VIEWER: Asking = Asking { authenticated: true, ..STRANGER };

    #[test]
    fn what_a_dev_server_says_of_itself_becomes_public() {
        use HostPolicy::{Loopback, Preserve};
        for (policy, name, given, answered) in [
            (Loopback, "location", "http://localhost:3000/x", Some("https://a.example/x")),
            (Preserve, "location", "https://localhost:3000/x", Some("https://a.example/x")),
            (Preserve, "location", "http://a.example/x", Some("https://a.example/x")),
            (Loopback, "location", "/x", Some("/x")),
            (Loopback, "location", "http://localhost:4000/x", Some("http://localhost:4000/x")),
            (Loopback, "refresh", "5; url=http://localhost:3000/x", Some("5; url=https://a.example/x")),
            (Preserve, "refresh", "0;URL='http://127.0.0.1:3000/x'", Some("0;URL=https://a.example/x")),
            (Preserve, "refresh", "5", Some("5")),
            (Preserve, "refresh", "5; url=\"", Some("5; url=\"")),
            (Loopback, "access-control-allow-origin", "http://localhost:3000", Some("https://a.example")),
            (Preserve, "access-control-allow-origin", "http://localhost:3000", Some("http://localhost:3000")),
            (Loopback, "access-control-allow-origin", "*", Some("*")),
            (Loopback, "set-cookie", "a=1; Domain=localhost", Some("a=1")),
            (Loopback, "clear-site-data", "\"cookies\"", None),
            (Loopback, "clear-site-data", "\"coo kies\"", None),
            (Loopback, "clear-site-data", "\"cache\",\"cookies\"", Some("\"cache\"")),
            (Loopback, "clear-site-data", "\"*\"", Some("\"cache\", \"storage\", \"executionContexts\"")),
            (Preserve, "clear-site-data", "\"storage\"", Some("\"storage\"")),
            (Loopback, "alt-svc", "h3=\":3000\"", None),
            (Loopback, "connection", "keep-alive", None),
            (Loopback, "keep-alive", "timeout=5", None),
            (Loopback, "etag", "\"x\"", Some("\"x\"")),
        ] {
            let headers = answered_with(policy, &[(name, given)], VIEWER);
            let got = headers.get(name).map(|value| value.to_str().expect("text"));
            assert_eq!(got, answered, "{policy:?} {name}: {given}");
        }
    }

    #[test]
    fn what_connection_nominates_is_dropped_on_the_way_back_too() {
        let headers =
            answered_with(HostPolicy::Loopback, &[("connection", "x-gone"), ("x-gone", "1")], VIEWER);
        assert!(!headers.contains_key("x-gone"), "{headers:?}");
    }

    #[test]
    fn no_dev_server_is_indexed_whatever_it_says() {
        for given in [&[][..], &[("x-robots-tag", "all")], &[("x-robots-tag", "a"), ("x-robots-tag", "b")]] {
            let headers = answered_with(HostPolicy::Preserve, given, STRANGER);
            let all: Vec<_> = headers.get_all("x-robots-tag").iter().collect();
            assert_eq!(all, ["noindex"]);
        }
    }

    #[test]
    fn framing_is_ours_to_say_where_somebody_was_let_in() {
        let given = [("x-frame-options", "DENY"), ("content-security-policy", "frame-ancestors 'none'")];
        let kept = |asking| {
            let headers = answered_with(HostPolicy::Loopback, &given, asking);
            given.iter().filter(|(name, _)| headers.contains_key(*name)).count()
        };
        assert_eq!((kept(VIEWER), kept(STRANGER)), (0, 2));
    }

    #[test]
    fn a_url_with_a_token_is_kept_from_other_origins() {
        let given = [("referrer-policy", "unsafe-url")];
        let asking = Asking { shows_token: true, ..VIEWER };
        assert_eq!(answered_with(HostPolicy::Loopback, &given, asking)["referrer-policy"], "same-origin");
        assert_eq!(answered_with(HostPolicy::Loopback, &given, VIEWER)["referrer-policy"], "unsafe-url");
    }

    fn answered_with(policy: HostPolicy, given: &[(&str, &str)], asking: Asking) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, text) in given {
            headers.append(HeaderName::try_from(*name).expect("name"), value(*text));
        }
        let origins = Origins::of(&sample::route("https://a.example", 3000));
        from_dev_server(&mut headers, policy, &origins, &Framing::of(&[]), asking);
        headers
    }
}
