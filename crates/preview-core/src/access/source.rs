//! Where a request comes from.

use super::{AccessPolicy, Decision, Pass, Visit, VisitKind};
use crate::id::SessionId;
use crate::route::Route;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A page of this very host.
    Own,
    /// The agent's app, or another attachment of the same session.
    Friend,
    /// An attachment of another session, live or not, or a page that does not let itself be known (`null`).
    Sibling,
    /// Any other page.
    Foreign,
    /// The request does not say.
    Unsaid,
}

impl Source {
    pub(super) fn of(
        policy: &AccessPolicy,
        route: &Route,
        visit: &Visit<'_>,
        is_sibling: impl Fn(&str, &SessionId) -> bool,
    ) -> Self {
        let is_vouched_for = visit.fetch_site == Some("same-origin");
        let Some(origin) = visit.origin.or_else(|| visit.referer.and_then(origin_of)) else {
            return if is_vouched_for { Self::Own } else { Self::Unsaid };
        };
        let is_friend = |host| is_sibling(host, &route.session);
        match origin_parts(origin) {
            _ if origin == route.url.origin => Self::Own,
            _ if policy.app_origins.iter().any(|app| app == origin) => Self::Friend,
            Some((_, host)) if policy.is_ours(origin) && is_friend(host) => Self::Friend,
            Some(_) if policy.is_ours(origin) => Self::Sibling,
            Some(_) => Self::Foreign,
            // `null`: any page can hide so, by its referrer policy or in a sandbox, and a sibling's too. Own pages
            // that do are known by what no page can write. Upgrades are not vouched for.
            None if is_vouched_for && visit.kind != VisitKind::Upgrade => Self::Own,
            None => Self::Sibling,
        }
    }

    /// Whether a request from here is refused although its credential is good.
    pub(super) fn is_refused(self, visit: &Visit<'_>, decision: Decision) -> bool {
        let by_cookie = matches!(decision, Decision::Allow(Pass::Granted(_)) | Decision::Ask);
        match (visit.kind, self) {
            (VisitKind::Upgrade, Self::Sibling | Self::Foreign) => true,
            // Only a browser sends the cookie, and a browser says where an upgrade comes from.
            (VisitKind::Upgrade, Self::Unsaid) | (VisitKind::Subresource, Self::Sibling) => by_cookie,
            (VisitKind::Navigation, Self::Sibling) => by_cookie && !visit.reads_only,
            (VisitKind::Subresource, Self::Unsaid) => by_cookie && visit.fetch_site == Some("same-site"),
            (_, Self::Own | Self::Friend)
            | (VisitKind::Preflight, _)
            | (VisitKind::Navigation | VisitKind::Subresource, Self::Foreign)
            | (VisitKind::Navigation, Self::Unsaid) => false,
        }
    }
}

/// The origin of a URL: what stands before its third slash.
fn origin_of(url: &str) -> Option<&str> {
    let start = url.find("://")? + 3;
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    Some(&url[..end])
}

/// Scheme and host name of an origin (RFC 6454 §6.1), without its port.
pub(super) fn origin_parts(origin: &str) -> Option<(&str, &str)> {
    let (scheme, authority) = origin.split_once("://")?;
    Some((scheme, authority.split_once(':').map_or(authority, |(host, _)| host)))
}
