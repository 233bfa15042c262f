//! What a visitor of a public preview is told first, once: that it is somebody's preview, and who runs this.
//!
//! Only a navigation of a tab is held up: frames, fetch and sockets belong to a page that was opened knowingly.

use http::header::{HeaderMap, ORIGIN, REFERER};
use http::{Method, Request, Response};
use preview_core::access::VisitKind;

use crate::access::Admitted;
use crate::body::Body;
use crate::headers::names::{FETCH_DEST, FETCH_SITE};
use crate::headers::value;
use crate::page;
use crate::shared::Shared;

/// Where the page's button leads. No dev server has it: the path is ours (RFC 8615).
pub(crate) const PATH: &str = "/.well-known/preview-notice";

/// The page, or the way on from it, where one of the two is due.
pub(crate) fn answer<B>(
    shared: &Shared,
    admitted: &Admitted<'_>,
    kind: VisitKind,
    request: &Request<B>,
) -> Option<Response<Body>> {
    let notice = shared.global.notice.as_ref()?;
    let route = &admitted.entry.route;
    if admitted.authenticated || admitted.shows_token {
        return None;
    }
    let (headers, jar, seen) = (request.headers(), shared.global.jar, route.id.to_string());
    let origin = &route.url.origin;
    if *request.method() == Method::POST && request.uri().path() == PATH && is_own(headers, origin) {
        let location = value(format!("{origin}{}", way_back(headers, origin)));
        return Some(page::passed(location, jar.remember(&seen)));
    }
    let is_due = is_of_a_tab(kind, headers) && !jar.has_seen(headers, &seen);
    is_due.then(|| notice.response())
}

/// Whether it opens a page in a tab. Browsers that say nothing of it say nothing of frames either.
fn is_of_a_tab(kind: VisitKind, headers: &HeaderMap) -> bool {
    kind == VisitKind::Navigation && headers.get(FETCH_DEST).is_none_or(|dest| dest == "document")
}

/// Whether a page of this very origin asks: nobody is led past the notice by somebody else's.
fn is_own(headers: &HeaderMap, origin: &str) -> bool {
    match headers.get(ORIGIN) {
        Some(given) => given == origin,
        None => headers.get(FETCH_SITE).is_some_and(|site| site == "same-origin"),
    }
}

/// Path and query of the page that the button stood on: its own origin's, or the beginning.
fn way_back<'h>(headers: &'h HeaderMap, origin: &str) -> &'h str {
    let referer = headers.get(REFERER).and_then(|referer| referer.to_str().ok());
    let path = referer.and_then(|referer| referer.strip_prefix(origin)).filter(|path| path.starts_with('/'));
    path.filter(|path| !path.starts_with(PATH)).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const ORIGIN_: &str = "https://a.example";

    #[test]
    fn the_way_back_leads_nowhere_else() {
        for (referer, back) in [
            (Some("https://a.example/x?y=1"), "/x?y=1"),
            (Some("https://a.example//evil.example/"), "//evil.example/"),
            (Some("https://a.example.evil.example/x"), "/"),
            (Some("https://a.example@evil.example/x"), "/"),
            (Some("https://a.example:8443/x"), "/"),
            (Some("https://evil.example/"), "/"),
            (Some("https://a.example/.well-known/preview-notice"), "/"),
            (Some(""), "/"),
            (None, "/"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(referer) = referer {
                headers.insert(REFERER, HeaderValue::from_static(referer));
            }
            assert_eq!(way_back(&headers, ORIGIN_), back, "{referer:?}");
        }
    }

    #[test]
    fn only_a_page_of_the_same_origin_leads_past_it() {
        let own = |name: HeaderName, given: &'static str| {
            is_own(&HeaderMap::from_iter([(name, HeaderValue::from_static(given))]), ORIGIN_)
        };
        assert!(own(ORIGIN, ORIGIN_) && own(FETCH_SITE, "same-origin"));
        for given in ["null", "https://b.example", "https://a.example:8443"] {
            assert!(!own(ORIGIN, given), "{given}");
        }
        assert!(!own(FETCH_SITE, "same-site") && !is_own(&HeaderMap::new(), ORIGIN_));
    }
}
