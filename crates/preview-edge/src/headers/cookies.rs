//! Cookies: our own, which dev servers never see, and theirs, which must work where the preview is embedded.

use std::time::Duration;

use http::HeaderValue;
use http::header::{COOKIE, HeaderMap, SET_COOKIE};
use preview_core::cookie::{GrantCookie, SeenCookie};
use preview_core::template::UrlTemplate;

use super::value;

/// The most cookies of a dev server that are expired at once.
const MOST_EXPIRED: usize = 64;

/// Which cookies hold grants under a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Jar(&'static [GrantCookie]);

/// What becomes of a cookie that a dev server sets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Passed,
    Changed(HeaderValue),
    Dropped,
}

impl Jar {
    pub(crate) fn of(template: &UrlTemplate) -> Self {
        Self(GrantCookie::of_host(template.scheme(), template.base()))
    }

    /// Whether browsers take secure cookies from these hosts, and so partitioned ones.
    pub(crate) fn is_secure(self) -> bool {
        self.0.contains(&GrantCookie::Partitioned)
    }

    /// The values that may hold grants, and whether each came unpartitioned.
    pub(crate) fn grants(self, headers: &HeaderMap) -> impl Iterator<Item = (&str, bool)> {
        pairs(headers)
            .filter_map(|pair| str::from_utf8(pair).ok())
            .flat_map(GrantCookie::among)
            .filter(move |(cookie, _)| self.0.contains(cookie))
            .map(|(cookie, value)| (value, cookie == GrantCookie::Unpartitioned))
    }

    /// Whether a cookie remembers `what`.
    pub(crate) fn has_seen(self, headers: &HeaderMap, what: &str) -> bool {
        pairs(headers).any(|pair| {
            name_of(pair) == self.seen().name().as_bytes()
                && pair.split(|b| *b == b'=').nth(1).is_some_and(|value| value == what.as_bytes())
        })
    }

    /// The cookie that remembers `what`.
    pub(crate) fn remember(self, what: &str) -> HeaderValue {
        value(self.seen().set(what))
    }

    fn seen(self) -> SeenCookie {
        if self.is_secure() { SeenCookie::Secure } else { SeenCookie::Plain }
    }

    /// The cookies that hand a grant to a browser. `Debug` does not show them, and HPACK keeps them out of its table.
    pub(crate) fn hand_over(self, sealed: &str, life: Duration) -> Vec<HeaderValue> {
        let secret = |text: String| {
            let mut value = value(text);
            value.set_sensitive(true);
            value
        };
        self.0.iter().map(|cookie| secret(cookie.set(sealed, life))).collect()
    }

    /// The cookies that end those of a dev server which had this host name before, partitioned and not.
    pub(crate) fn expire_others(self, headers: &HeaderMap) -> Vec<HeaderValue> {
        let names = pairs(headers).map(name_of).filter(|name| !name.is_empty() && !is_own(name));
        let mut ended: Vec<HeaderValue> = Vec::new();
        for name in names.filter_map(|name| str::from_utf8(name).ok()).take(MOST_EXPIRED) {
            let attributes: &[&str] =
                if self.is_secure() { &["; Secure", "; Secure; SameSite=None; Partitioned"] } else { &[""] };
            let cookie =
                |more: &&str| HeaderValue::try_from(format!("{name}=; Path=/; Max-Age=0{more}")).ok();
            ended.extend(attributes.iter().filter_map(cookie));
        }
        ended
    }
}

/// Takes our own cookies out of a request, and joins the rest to the one header that HTTP/1.1 allows.
pub(crate) fn forward(headers: &mut HeaderMap) {
    let mut all = headers.get_all(COOKIE).iter();
    let is_one = all.next().is_some() && all.next().is_none();
    if is_one && !pairs(headers).any(|pair| is_own(name_of(pair))) || !headers.contains_key(COOKIE) {
        return;
    }
    let kept: Vec<&[u8]> = pairs(headers).filter(|pair| !is_own(name_of(pair))).collect();
    match HeaderValue::from_bytes(&kept.join(&b"; "[..])) {
        Ok(joined) if !joined.is_empty() => _ = headers.insert(COOKIE, joined),
        _ => _ = headers.remove(COOKIE),
    }
}

/// Takes cookies whose names begin so out of a request.
pub(crate) fn withhold(headers: &mut HeaderMap, beginnings: &[String]) {
    if beginnings.is_empty() || !pairs(headers).any(|pair| begins(pair, beginnings)) {
        return;
    }
    let kept: Vec<&[u8]> = pairs(headers).filter(|pair| !begins(pair, beginnings)).collect();
    match HeaderValue::from_bytes(&kept.join(&b"; "[..])) {
        Ok(joined) if !joined.is_empty() => _ = headers.insert(COOKIE, joined),
        _ => _ = headers.remove(COOKIE),
    }
}

/// Takes cookies whose names begin so out of a dev server's answer.
pub(crate) fn refuse(headers: &mut HeaderMap, beginnings: &[String]) {
    let is_refused = |cookie: &HeaderValue| {
        let pair = cookie.as_bytes().split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        // A cookie without a name is sent as its value alone, which may look like one with a name.
        begins(pair, beginnings) || begins(pair.strip_prefix(b"=").unwrap_or_default(), beginnings)
    };
    if !headers.get_all(SET_COOKIE).iter().any(is_refused) {
        return;
    }
    let given: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    for cookie in given.into_iter().filter(|cookie| !is_refused(cookie)) {
        headers.append(SET_COOKIE, cookie);
    }
}

/// Makes the cookies that a dev server sets the preview's own: of this host alone, none of ours, and, `embedded` in
/// a page of another site, such as a browser keeps there.
pub(crate) fn localise(headers: &mut HeaderMap, embedded: bool) {
    let fates: Vec<Fate> = headers.get_all(SET_COOKIE).iter().map(|cookie| fate(cookie, embedded)).collect();
    if fates.iter().all(|fate| *fate == Fate::Passed) {
        return;
    }
    let given: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    for (given, fate) in given.into_iter().zip(fates) {
        match fate {
            Fate::Passed => _ = headers.append(SET_COOKIE, given),
            Fate::Changed(changed) => _ = headers.append(SET_COOKIE, changed),
            Fate::Dropped => {}
        }
    }
}

fn fate(cookie: &HeaderValue, embedded: bool) -> Fate {
    let mut parts = cookie.as_bytes().split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let pair = parts.next().unwrap_or_default();
    // A cookie without a name is sent as its value alone, which may look like one with a name.
    if is_own(name_of(pair)) || is_own(name_of(pair.strip_prefix(b"=").unwrap_or_default())) {
        return Fate::Dropped;
    }
    let replaced: &[&str] =
        if embedded { &["domain", "samesite", "secure", "partitioned"] } else { &["domain"] };
    let is_replaced =
        |part: &[u8]| replaced.iter().any(|name| name_of(part).eq_ignore_ascii_case(name.as_bytes()));
    if !embedded && !parts.clone().any(is_replaced) {
        return Fate::Passed;
    }
    let mut changed = pair.to_vec();
    for part in parts.filter(|part| !is_replaced(part)) {
        changed.extend_from_slice(b"; ");
        changed.extend_from_slice(part);
    }
    if embedded {
        changed.extend_from_slice(b"; Secure; SameSite=None; Partitioned");
    }
    HeaderValue::from_bytes(&changed).map_or(Fate::Dropped, Fate::Changed)
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|header| header.as_bytes().split(|b| *b == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty())
}

fn name_of(pair: &[u8]) -> &[u8] {
    pair.split(|b| *b == b'=').next().unwrap_or_default().trim_ascii()
}

/// Browsers compare the names that have a meaning in any case (RFC 6265bis §5.4), so we do with all.
fn begins(pair: &[u8], beginnings: &[String]) -> bool {
    let name = name_of(pair);
    beginnings.iter().any(|beginning| {
        name.get(..beginning.len()).is_some_and(|it| it.eq_ignore_ascii_case(beginning.as_bytes()))
    })
}

fn is_own(name: &[u8]) -> bool {
    let grants = GrantCookie::ALL.iter().map(|own| own.name());
    grants.chain(SeenCookie::ALL.iter().map(|own| own.name())).any(|own| own.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_of_the_login_neither_go_to_a_dev_server_nor_come_from_it() {
        let login = ["_oauth2_proxy".to_owned(), "session".to_owned()];
        for (given, forwarded) in [
            (&["a=1; _oauth2_proxy=x; _oauth2_proxy_0=y; SESSION=z; b=2"][..], Some("a=1; b=2")),
            (&["_oauth2_proxy_csrf=x"], None),
            (&["a=1", "session=x"], Some("a=1")),
            (&["my_session=x; =session=y"], Some("my_session=x; =session=y")),
        ] {
            let mut headers = HeaderMap::new();
            for cookie in given {
                headers.append(COOKIE, HeaderValue::from_static(cookie));
            }
            withhold(&mut headers, &login);
            assert_eq!(headers.get(COOKIE).map(|it| it.to_str().expect("text")), forwarded, "{given:?}");
        }
        let mut headers = HeaderMap::new();
        for cookie in ["a=1; Path=/", "_oauth2_proxy=evil; Path=/", "=session=evil", "b=2"] {
            headers.append(SET_COOKIE, HeaderValue::from_static(cookie));
        }
        refuse(&mut headers, &login);
        let left: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(left, ["a=1; Path=/", "b=2"]);
    }

    #[test]
    fn our_cookies_never_reach_a_dev_server() {
        for (given, forwarded) in [
            (&["a=1"][..], Some("a=1")),
            (&["__Host-preview=x"], None),
            (&["a=1; __Host-preview=x; __Host-preview-w=y;preview=z; b=2"], Some("a=1; b=2")),
            (&["a=1", "b=2", "__Host-preview-w=y"], Some("a=1; b=2")),
            (&["preview2=1; xpreview=2"], Some("preview2=1; xpreview=2")),
            (&[" preview = x ; a"], Some("a")),
            (&[";;"], Some(";;")),
        ] {
            let mut headers = cookies(given);
            forward(&mut headers);
            let all: Vec<_> = headers.get_all(COOKIE).iter().map(|it| it.to_str().expect("text")).collect();
            assert_eq!(all, forwarded.into_iter().collect::<Vec<_>>(), "{given:?}");
        }
    }

    #[test]
    fn grants_are_read_from_the_jar_of_the_template_alone() {
        let headers = cookies(&["__Host-preview=p; preview=l", "__Host-preview-w=w"]);
        assert_eq!(secure().grants(&headers).collect::<Vec<_>>(), [("p", false), ("w", true)]);
        assert_eq!(plain().grants(&headers).collect::<Vec<_>>(), [("l", false)]);
        for (template, jar) in [
            ("https://{id}.preview.example.com", secure()),
            ("http://preview-{port}.localhost:8080", secure()),
            ("http://preview-{port}.preview.example.com", plain()),
            ("http://preview-{port}.notlocalhost", plain()),
        ] {
            assert_eq!(Jar::of(&template.parse().expect("valid")), jar, "{template}");
        }
    }

    #[test]
    fn a_dev_servers_cookies_are_of_this_host_alone_and_none_is_ours() {
        for (given, kept) in [
            ("a=1; Path=/; HttpOnly", Some("a=1; Path=/; HttpOnly")),
            ("a=1; Domain=example.com; Path=/", Some("a=1; Path=/")),
            ("a=1;domain = .example.com", Some("a=1")),
            ("__Host-preview=x; Path=/", None),
            ("__Host-preview-w=x", None),
            ("preview=x", None),
            ("=__Host-preview=x", None),
            ("a=1; SameSite=Lax; Secure", Some("a=1; SameSite=Lax; Secure")),
            ("domain=1; Path=/", Some("domain=1; Path=/")),
        ] {
            assert_eq!(set(given, false).as_deref(), kept, "{given}");
        }
    }

    #[test]
    fn embedded_in_another_site_they_are_such_as_a_browser_keeps_there() {
        for (given, kept) in [
            ("a=1; Path=/; SameSite=Lax", Some("a=1; Path=/; Secure; SameSite=None; Partitioned")),
            (
                "a=1; Secure; Partitioned; Max-Age=5; Domain=x",
                Some("a=1; Max-Age=5; Secure; SameSite=None; Partitioned"),
            ),
            ("a=1", Some("a=1; Secure; SameSite=None; Partitioned")),
            ("preview=x", None),
        ] {
            assert_eq!(set(given, true).as_deref(), kept, "{given}");
        }
    }

    #[test]
    fn those_of_the_host_names_former_holder_are_ended_by_name() {
        let ended = secure().expire_others(&cookies(&["sid=1; __Host-preview=x; b=2"]));
        assert_eq!(
            ended,
            [
                "sid=; Path=/; Max-Age=0; Secure",
                "sid=; Path=/; Max-Age=0; Secure; SameSite=None; Partitioned",
                "b=; Path=/; Max-Age=0; Secure",
                "b=; Path=/; Max-Age=0; Secure; SameSite=None; Partitioned",
            ]
        );
        assert_eq!(plain().expire_others(&cookies(&["sid=1"])), ["sid=; Path=/; Max-Age=0"]);
    }

    fn secure() -> Jar {
        Jar::of(&"https://{id}.preview.example.com".parse().expect("valid"))
    }

    fn plain() -> Jar {
        Jar::of(&"http://{id}.preview.example.com".parse().expect("valid"))
    }

    fn set(cookie: &'static str, embedded: bool) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(SET_COOKIE, HeaderValue::from_static(cookie));
        localise(&mut headers, embedded);
        headers.get(SET_COOKIE).map(|it| it.to_str().expect("text").to_owned())
    }

    fn cookies(values: &[&'static str]) -> HeaderMap {
        values.iter().fold(HeaderMap::new(), |mut map, value| {
            map.append(COOKIE, HeaderValue::from_static(value));
            map
        })
    }
}
