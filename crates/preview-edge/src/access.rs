//! Who is let in: what core's decision needs is read from the request, and what it says is done.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, ORIGIN, REFERER, SET_COOKIE};
use http::{Method, Uri};
use percent_encoding::percent_decode_str;
use preview_core::access::{Decision, Denial, GivenToken, HeldGrant, Pass, Visit, VisitKind};
use preview_core::clock::Wall;
use preview_core::grant::{Grant, GrantKeys};

use crate::headers::names::{CLEAR_SITE_DATA, FETCH_SITE, SERVICE_WORKER, TOKEN};
use crate::login::Entered;
use crate::route::{Entry, Table};
use crate::shared::Shared;

/// What core decided.
#[derive(Debug)]
pub(crate) enum Entrance<'t> {
    /// Let in.
    Open(Admitted<'t>),
    /// A preflight that is answered here.
    Preflight,
    /// The operator's endpoint decides, also where there is no attachment; whom it lets in is let in so.
    Ask(Option<Admitted<'t>>),
    /// Kept out.
    Closed(Denial),
}

/// A request that was let in.
#[derive(Debug)]
pub(crate) struct Admitted<'t> {
    pub(crate) entry: &'t Arc<Entry>,
    /// Whether a token or grant let it in, not that everybody is.
    pub(crate) authenticated: bool,
    /// Whether its URL holds the attachment's token.
    pub(crate) shows_token: bool,
    /// The cookies to set in its answer, if any.
    pub(crate) hand_over: Option<HandOver>,
    /// Who it is, if the operator's endpoint said so.
    pub(crate) login: Option<Entered>,
    /// That nothing let it in but its path, and what it is told where its answer may not be shown.
    pub(crate) exempt: Option<Denial>,
}

/// What hands a grant to a browser.
#[derive(Debug)]
pub(crate) struct HandOver {
    cookies: Vec<HeaderValue>,
    /// Cookies that end those of a dev server which had this host name before.
    expired: Vec<HeaderValue>,
    /// Whether somebody else's page may have left something under this host name.
    clears: bool,
}

/// Grants that this connection's cookies held, opened once.
#[derive(Debug, Default)]
pub(crate) struct Opened(RefCell<Memo>);

#[derive(Debug, Default)]
struct Memo {
    /// The keys that opened them; with others, everything is opened anew.
    keys: GrantKeys,
    grants: Vec<OpenedGrant>,
}

struct OpenedGrant {
    host: Box<str>,
    sealed: Box<str>,
    grant: Option<Grant>,
}

impl fmt::Debug for OpenedGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedGrant")
            .field("host", &self.host)
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}

/// Grants that are remembered for one connection: browsers share a few attachments over one.
const REMEMBERED: usize = 8;

/// Asks core about a request for `host`.
pub(crate) fn decide<'t>(
    shared: &Shared,
    table: &'t Table,
    opened: &Opened,
    host: &str,
    (kind, method, uri): (VisitKind, &Method, &Uri),
    headers: &HeaderMap,
    now: Wall,
) -> Entrance<'t> {
    let policy = &shared.config.access;
    let entry = table.routes.find(host);
    let jar = shared.global.jar;
    let held: Vec<HeldGrant> = jar
        .grants(headers)
        .filter_map(|(sealed, unpartitioned)| {
            opened.open(&table.keys, host, sealed).map(|grant| HeldGrant { grant, unpartitioned })
        })
        .collect();
    let query = uri.query().and_then(QueryToken::of);
    let visit = Visit {
        kind,
        target: uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str),
        reads_only: matches!(*method, Method::GET | Method::HEAD),
        origin: text(headers, &ORIGIN),
        referer: text(headers, &REFERER),
        fetch_site: text(headers, &FETCH_SITE),
        service_worker: headers.get(SERVICE_WORKER).is_some_and(|it| it == "script"),
        token: headers
            .get(TOKEN)
            .map(|token| GivenToken::Header(token.to_str().unwrap_or_default()))
            .or_else(|| query.as_ref().map(QueryToken::given)),
    };
    let is_sibling =
        |host: &str, session: &_| table.routes.find(host).is_some_and(|it| it.route.session == *session);
    let route = entry.map(|entry| &entry.route);
    let shows_token =
        |entry: &Entry| query.as_ref().is_some_and(|query| entry.route.is_opened_by(&query.token, now));
    let pass = match (policy.decide(route, &visit, &held, is_sibling, now), entry) {
        (Decision::Preflight, _) => return Entrance::Preflight,
        (Decision::Ask, Some(entry)) => {
            let shows_token = shows_token(entry);
            let admitted = Admitted { shows_token, ..Admitted::of(entry) };
            return Entrance::Ask(Some(Admitted { authenticated: true, ..admitted }));
        }
        // Of names that are not ours no login is to make URLs.
        (Decision::Ask, None) if !policy.template.could_render(host) => {
            return Entrance::Closed(Denial::Unknown);
        }
        (Decision::Ask, None) => return Entrance::Ask(None),
        (Decision::Refuse(denial), _) => return Entrance::Closed(denial),
        (Decision::Allow(pass), Some(entry)) => (entry, pass),
        (Decision::Exchange(grant), Some(entry)) => {
            let clears = policy.template.is_guessable();
            let hand_over = HandOver::of(shared, table, host, &grant).map(|it| HandOver {
                expired: if clears { jar.expire_others(headers) } else { Vec::new() },
                clears,
                ..it
            });
            let admitted = Admitted { authenticated: true, shows_token: true, ..Admitted::of(entry) };
            return Entrance::Open(Admitted { hand_over, ..admitted });
        }
        (Decision::Allow(_) | Decision::Exchange(_), None) => return Entrance::Closed(Denial::Unknown),
    };
    let (entry, pass) = pass;
    let shows_token = shows_token(entry);
    let admitted = Admitted { shows_token, ..Admitted::of(entry) };
    Entrance::Open(match pass {
        Pass::Open => admitted,
        Pass::Exempt(denial) => Admitted { exempt: Some(denial), ..admitted },
        Pass::Token => Admitted { authenticated: true, ..admitted },
        Pass::Granted(renewed) => {
            let hand_over = renewed.and_then(|grant| HandOver::of(shared, table, host, &grant));
            Admitted { authenticated: true, hand_over, ..admitted }
        }
    })
}

impl<'t> Admitted<'t> {
    /// By nothing yet.
    fn of(entry: &'t Arc<Entry>) -> Self {
        Self { entry, authenticated: false, shows_token: false, hand_over: None, login: None, exempt: None }
    }
}

impl HandOver {
    /// `None` without a key: an edge that was given none yet.
    fn of(shared: &Shared, table: &Table, host: &str, grant: &Grant) -> Option<Self> {
        let sealed = table.keys.seal(grant, host)?;
        let cookies = shared.global.jar.hand_over(&sealed, shared.config.access.grant_life);
        Some(Self { cookies, expired: Vec::new(), clears: false })
    }

    /// Whether the request's cookies are those of a dev server that had this host name before.
    pub(crate) fn clears(&self) -> bool {
        self.clears
    }

    /// Puts the grant into an answer, which nobody may keep.
    pub(crate) fn apply(self, headers: &mut HeaderMap) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.clears {
            headers.insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\", \"storage\""));
        }
        // What the dev server sets now comes last, so that it stays.
        let set_now: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
        headers.remove(SET_COOKIE);
        for cookie in self.cookies.into_iter().chain(self.expired).chain(set_now) {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

impl Opened {
    /// The grant in a cookie, if one of `keys` signed it for `host`.
    fn open(&self, keys: &GrantKeys, host: &str, sealed: &str) -> Option<Grant> {
        let memo = &mut *self.0.borrow_mut();
        if memo.keys != *keys {
            memo.keys = keys.clone();
            memo.grants.clear();
        }
        let known = memo.grants.iter().find(|it| *it.host == *host && *it.sealed == *sealed);
        if let Some(known) = known {
            return known.grant;
        }
        let grant = keys.open(sealed, host);
        if memo.grants.len() == REMEMBERED {
            memo.grants.remove(0);
        }
        memo.grants.push(OpenedGrant { host: host.into(), sealed: sealed.into(), grant });
        grant
    }
}

/// `session_id` and `token` of a query, decoded.
struct QueryToken<'q> {
    session: Cow<'q, str>,
    token: Cow<'q, str>,
}

impl<'q> QueryToken<'q> {
    fn of(query: &'q str) -> Option<Self> {
        let value = |wanted: &str| {
            let found =
                query.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == wanted);
            found.and_then(|(_, value)| percent_decode_str(value).decode_utf8().ok())
        };
        Some(Self { token: value("token")?, session: value("session_id")? })
    }

    fn given(&self) -> GivenToken<'_> {
        GivenToken::Query { session: &self.session, token: &self.token }
    }
}

/// A URL's path and query without the token and its session.
pub(crate) fn without_token(uri: &Uri) -> String {
    let kept: Vec<&str> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !matches!(pair.split('=').next(), Some("token" | "session_id") | None))
        .filter(|pair| !pair.is_empty())
        .collect();
    if kept.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), kept.join("&")) }
}

/// A header's text. What is no text is something, but nothing that anybody trusts.
fn text<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("null"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use preview_core::grant::GrantKey;
    use preview_core::id::AttachmentId;
    use std::time::Duration;

    #[test]
    fn what_a_connection_remembers_and_an_answer_hands_over_is_not_shown() {
        let keys = GrantKeys::new(vec![GrantKey::new(1, [5; 32])]);
        let id = AttachmentId::from_entropy([7; 17]);
        let grant = Grant::new(id, 0, Wall::from_secs(1), Duration::from_hours(8));
        let sealed = keys.seal(&grant, "a.example").expect("a key");
        let opened = Opened::default();
        assert!(opened.open(&keys, "a.example", &sealed).is_some());
        let template = "https://{id}.example".parse().expect("valid");
        let cookies = crate::headers::cookies::Jar::of(&template).hand_over(&sealed, Duration::from_hours(8));
        let hand_over = HandOver { cookies, expired: Vec::new(), clears: false };
        let shown = format!("{opened:?} {hand_over:?} {keys:?}");
        let mac = sealed.rsplit('.').next().expect("parts");
        assert!(!shown.contains(&sealed) && !shown.contains(mac) && shown.contains("a.example"), "{shown}");
    }

    #[test]
    fn a_token_is_read_from_a_query_only_with_its_session() {
        let read = |query| QueryToken::of(query).map(|it| (it.session.into_owned(), it.token.into_owned()));
        let both = |session: &str, token: &str| Some((session.to_owned(), token.to_owned()));
        assert_eq!(read("session_id=s&token=t"), both("s", "t"));
        assert_eq!(read("a=1&token=t&session_id=a%3Ab%40c&b"), both("a:b@c", "t"));
        assert_eq!(read("token=t"), None);
        assert_eq!(read("session_id=s&xtoken=t"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn nothing_but_the_token_and_its_session_leaves_a_url() {
        for (uri, stripped) in [
            ("/x?session_id=s&token=t", "/x"),
            ("/x?a=1&session_id=s&b&token=t&c=%20", "/x?a=1&b&c=%20"),
            ("/?tokens=1", "/?tokens=1"),
            ("//evil.example/?token=t", "//evil.example/"),
        ] {
            assert_eq!(without_token(&Uri::from_static(uri)), stripped);
        }
    }

    #[test]
    fn a_grant_is_opened_once_until_its_key_is_withdrawn() {
        let keys = |number| GrantKeys::new(vec![GrantKey::new(number, [1; 32])]);
        let grant =
            Grant::new(AttachmentId::from_entropy([1; 17]), 0, Wall::from_secs(9), Duration::from_mins(1));
        let sealed = keys(1).seal(&grant, "h").expect("a key");
        let opened = Opened::default();
        assert_eq!(opened.open(&keys(1), "h", &sealed), Some(grant));
        assert_eq!(opened.open(&keys(1), "h", &sealed), Some(grant));
        assert_eq!(opened.open(&keys(1), "other", &sealed), None);
        assert_eq!(opened.0.borrow().grants.len(), 2);
        assert_eq!(opened.open(&keys(2), "h", &sealed), None, "withdrawn");
        for n in 0..20 {
            assert_eq!(opened.open(&keys(2), "h", &format!("1.2.{n}")), None);
        }
        assert_eq!(opened.0.borrow().grants.len(), REMEMBERED);
    }
}
