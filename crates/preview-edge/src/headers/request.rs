//! What is changed in the headers of a request on its way to a dev server, or to the daemon.

use http::HeaderValue;
use http::header::{CONNECTION, EXPECT, HOST, HeaderMap, ORIGIN, REFERER, TE, UPGRADE};
use preview_core::verdict::HostPolicy;

use super::cookies;
use super::forwarded::{Asked, Via};
use super::hop::{drop_hop_by_hop, drop_spoofed, tokens};
use super::names::{FETCH_DEST, FETCH_SITE, FETCH_STORAGE_ACCESS, HOP, SESSION, USER};
use super::origin::Origins;

/// Makes the headers those of our own request to a dev server, which then sees one consistent world: its public
/// name everywhere, or `localhost` everywhere.
pub(crate) fn to_dev_server(
    headers: &mut HeaderMap,
    policy: HostPolicy,
    origins: &Origins,
    via: &Via,
    asked: &Asked<'_>,
    is_upgrade: bool,
) {
    clean(headers, &[], is_upgrade);
    headers.insert(HOP, HeaderValue::from_static("1"));
    match policy {
        HostPolicy::Preserve => {
            headers.insert(HOST, asked.authority.clone());
            via.tell(asked, headers);
        }
        HostPolicy::Loopback => {
            headers.insert(HOST, origins.local_authority.clone());
            via.tell_client(headers);
            make_local(headers, origins, is_upgrade);
        }
    }
}

/// Makes the headers those of a request to the daemon, which is told all, and for whom it is asked to act.
pub(crate) fn to_daemon(headers: &mut HeaderMap, via: &Via, asked: &Asked<'_>, is_upgrade: bool) {
    clean(headers, &[SESSION, USER], is_upgrade);
    headers.insert(HOST, asked.authority.clone());
    via.tell(asked, headers);
}

/// Whether the answer will be read in a frame of another site, as far as the browser says so.
pub(crate) fn is_embedded(headers: &HeaderMap) -> bool {
    let says = |name, value: &str| headers.get(name).is_some_and(|it| it == value);
    headers.contains_key(FETCH_STORAGE_ACCESS) || says(FETCH_DEST, "iframe") && says(FETCH_SITE, "cross-site")
}

fn clean(headers: &mut HeaderMap, keeps: &[http::HeaderName], is_upgrade: bool) {
    let takes_trailers = tokens(headers, &TE).any(|coding| coding.eq_ignore_ascii_case("trailers"));
    drop_hop_by_hop(headers);
    drop_spoofed(headers, keeps);
    // We ask the client for its body ourselves, when the dev server's connection takes it.
    headers.remove(EXPECT);
    cookies::forward(headers);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if is_upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
}

/// `Origin` and `Referer` of the public place become local. Whoever may open a WebSocket counts as the place itself.
fn make_local(headers: &mut HeaderMap, origins: &Origins, is_upgrade: bool) {
    if headers.get(ORIGIN).is_some_and(|origin| is_upgrade || origin == origins.public) {
        headers.insert(ORIGIN, origins.local.clone());
    }
    let referer = headers.get(REFERER).and_then(|referer| origins.to_local(referer.to_str().ok()?));
    if let Some(local) = referer {
        headers.insert(REFERER, local);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::value;
    use crate::route::sample;

    const PUBLIC: &str = "https://a.preview.example.com";

    /// What every request brings along in these tests.
    const SENT: &[(&str, &str)] = &[
        ("host", "a.preview.example.com"),
        ("origin", PUBLIC),
        ("referer", "https://a.preview.example.com/x?y"),
        ("cookie", "a=1; __Host-preview=G"),
        ("preview-token", "T"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-for", "6.6.6.7"),
        ("x_forwarded_host", "evil"),
        ("x-forwarded-server", "evil"),
        ("forwarded", "for=6.6.6.6"),
        ("x-real-ip", "6.6.6.6"),
        ("connection", "keep-alive, x-gone"),
        ("x-gone", "1"),
        ("expect", "100-continue"),
        ("te", "gzip, trailers"),
        ("user-agent", "test"),
    ];

    #[test]
    fn preserve_tells_everything_public_and_exactly_once() {
        let told = [
            ("cookie", "a=1"),
            ("forwarded", "for=192.0.2.7;host=\"a.preview.example.com\";proto=https"),
            ("host", "a.preview.example.com"),
            ("origin", PUBLIC),
            ("preview-hop", "1"),
            ("referer", "https://a.preview.example.com/x?y"),
            ("te", "trailers"),
            ("user-agent", "test"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-host", "a.preview.example.com"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-proto", "https"),
            ("x-real-ip", "192.0.2.7"),
        ];
        assert_eq!(sent(SENT, HostPolicy::Preserve, false), owned(&told));
    }

    #[test]
    fn loopback_tells_nothing_public_but_the_client() {
        let told = [
            ("cookie", "a=1"),
            ("host", "localhost:3000"),
            ("origin", "http://localhost:3000"),
            ("preview-hop", "1"),
            ("referer", "http://localhost:3000/x?y"),
            ("te", "trailers"),
            ("user-agent", "test"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-real-ip", "192.0.2.7"),
        ];
        assert_eq!(sent(SENT, HostPolicy::Loopback, false), owned(&told));
    }

    #[test]
    fn under_loopback_a_foreign_origin_stays_but_an_admitted_upgrade_counts_as_own() {
        let foreign = [("origin", "https://app.example"), ("referer", "https://app.example/x")];
        let origin = |is_upgrade| {
            let sent = sent(&foreign, HostPolicy::Loopback, is_upgrade);
            sent.iter().find(|(name, _)| name == "origin").map(|(_, value)| value.clone())
        };
        assert_eq!(origin(false).as_deref(), Some("https://app.example"));
        assert_eq!(origin(true).as_deref(), Some("http://localhost:3000"));
    }

    #[test]
    fn an_upgrade_asks_for_a_websocket_and_nothing_else() {
        let sent =
            sent(&[("connection", "Upgrade"), ("upgrade", "h2c, websocket")], HostPolicy::Loopback, true);
        assert!(sent.contains(&("connection".into(), "upgrade".into())));
        assert!(sent.contains(&("upgrade".into(), "websocket".into())));
    }

    #[test]
    fn the_daemon_is_told_for_whom_to_act_and_never_a_token() {
        let mut headers = map(&[("preview-session", "s"), ("preview-user", "u"), ("preview-token", "t")]);
        with_asked(|via, asked| to_daemon(&mut headers, via, asked, false));
        assert_eq!(headers["preview-session"], "s");
        assert_eq!(headers["preview-user"], "u");
        assert!(!headers.contains_key("preview-token"));
        assert_eq!(headers["x-forwarded-host"], "a.preview.example.com");
    }

    #[test]
    fn a_frame_of_another_site_is_known_by_what_the_browser_says() {
        for (sent, embedded) in [
            (&[("sec-fetch-storage-access", "none")][..], true),
            (&[("sec-fetch-storage-access", "active")], true),
            (&[("sec-fetch-dest", "iframe"), ("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-dest", "iframe"), ("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-dest", "document"), ("sec-fetch-site", "cross-site")], false),
            (&[], false),
        ] {
            assert_eq!(is_embedded(&map(sent)), embedded, "{sent:?}");
        }
    }

    fn sent(given: &[(&str, &str)], policy: HostPolicy, is_upgrade: bool) -> Vec<(String, String)> {
        let mut headers = map(given);
        let origins = Origins::of(&sample::route(PUBLIC, 3000));
        with_asked(|via, asked| to_dev_server(&mut headers, policy, &origins, via, asked, is_upgrade));
        let mut sent: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()))
            .collect();
        sent.sort();
        sent
    }

    fn with_asked(check: impl FnOnce(&Via, &Asked<'_>)) {
        let peer = "192.0.2.7:1".parse().expect("address");
        let via = Via::of(peer, &value("192.0.2.7"), true, &HeaderMap::new(), &[]);
        let authority = value("a.preview.example.com");
        let asked =
            Asked { authority: &authority, port: &value("443"), forwarded: &via.in_words(&authority) };
        check(&via, &asked);
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs.iter().fold(HeaderMap::new(), |mut map, (name, text)| {
            map.append(http::HeaderName::try_from(*name).expect("name"), value(*text));
            map
        })
    }
}
