//! Who gets in: the decision an edge takes for every request, and another proxy asks the daemon for.

#[cfg(test)]
mod tests;
mod exempt;
mod way;
mod redacted;
mod source;

use std::time::Duration;

use crate::attachment::Visibility;
use crate::clock::Wall;
use crate::grant::Grant;
use crate::id::SessionId;
use crate::route::Route;
use crate::template::UrlTemplate;

pub use exempt::{Exempt, InvalidExempt};
use source::{Source, origin_parts};
use way::Way;

/// How the operator wants previews guarded.
#[derive(Clone, Debug)]
pub struct AccessPolicy {
    /// Who is let in.
    pub mode: AccessMode,
    /// Origins of the agent's app: its pages embed previews and may call them.
    pub app_origins: Vec<String>,
    /// The template of all hosts: a sibling's origin is known by it.
    pub template: UrlTemplate,
    /// How long a grant lives.
    pub grant_life: Duration,
    /// What is let in without a credential.
    pub exempt: Exempt,
}

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessMode {
    /// Everybody: the seed's nginx semantics.
    Open,
    /// Who holds a token or a grant.
    Token,
    /// Whom an endpoint of the operator's lets in, and who was sent a link of their own; see [`Decision::Ask`].
    Forward,
}

/// A request, as far as access looks at it. Header values are as the browser sent them. `Debug` shows neither token
/// nor `Referer`, whose query may hold one.
#[derive(Clone, Copy, Default)]
pub struct Visit<'a> {
    /// What kind of request.
    pub kind: VisitKind,
    /// Path and query, as they were sent.
    pub target: &'a str,
    /// Whether its method only reads: GET or HEAD.
    pub reads_only: bool,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Referer`.
    pub referer: Option<&'a str>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    /// Whether it has `Service-Worker: script`.
    pub service_worker: bool,
    /// `session_id` and `token` of the query, or of the header `Preview-Token`.
    pub token: Option<GivenToken<'a>>,
}

/// What kind of request it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VisitKind {
    /// A page in a tab or frame.
    Navigation,
    /// Everything a page loads or fetches.
    #[default]
    Subresource,
    /// A WebSocket, by Upgrade or extended CONNECT.
    Upgrade,
    /// A CORS preflight.
    Preflight,
}

/// A token that came with a request. `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum GivenToken<'a> {
    /// In the URL, with its session: to be exchanged for a grant.
    Query {
        /// The session named.
        session: &'a str,
        /// The token.
        token: &'a str,
    },
    /// In the header `Preview-Token`, by a client that keeps no cookies.
    Header(&'a str),
}

/// A grant that one of the cookies held: signed for this host by a key in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldGrant {
    /// What it says.
    pub grant: Grant,
    /// Whether it came in the unpartitioned cookie, which is only for workers and upgrades.
    pub unpartitioned: bool,
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Let in.
    Allow(Pass),
    /// Let in, and set a grant for the token.
    Exchange(Grant),
    /// Ask the operator's endpoint, also where there is no route: what a stranger is told must not tell them apart.
    /// Whom it lets in is let in, or told that there is nothing.
    Ask,
    /// Answer the preflight here, alike for every host.
    Preflight,
    /// Keep out.
    Refuse(Denial),
}

/// By what it was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Everybody is let in here.
    Open,
    /// A grant; a fresh one to set in its place when it is due.
    Granted(Option<Grant>),
    /// A token in a header.
    Token,
    /// Nothing: its path is exempt. It is neither visit nor presence, no credential passes either way, and an answer
    /// that [`Exempt::may_show`] does not show is this denial instead.
    Exempt(Denial),
}

/// Why it is kept out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Nobody is told anything: the uniform 502.
    Unknown,
    /// 401: no credential, or a wrong one.
    Unauthorized,
    /// 401: let in before, but the grant ended.
    GrantExpired,
    /// 410: the attachment it was let into has ended.
    Gone,
    /// 403: a page of another origin asks.
    Origin,
    /// 403: its link lets only look.
    ReadOnly,
    /// 403: a service worker would outlive an attachment under a host name that is used again.
    ServiceWorker,
}

impl AccessPolicy {
    /// Decides on a visit to the host of `route`, or to a host without one.
    ///
    /// `held` are the grants its cookies held; `is_sibling` says whether a host name is a live attachment's of the
    /// same session.
    #[must_use]
    pub fn decide(
        &self,
        route: Option<&Route>,
        visit: &Visit<'_>,
        held: &[HeldGrant],
        is_sibling: impl Fn(&str, &SessionId) -> bool,
        now: Wall,
    ) -> Decision {
        if visit.kind == VisitKind::Preflight && visit.origin.is_some_and(|origin| self.is_ours(origin)) {
            return Decision::Preflight;
        }
        let held = || held.iter().map(|held| (held.grant, held.unpartitioned));
        let Some(route) = route else {
            if self.mode == AccessMode::Forward && held().next().is_none() {
                return Decision::Ask;
            }
            return Decision::Refuse(if held().next().is_some() { Denial::Gone } else { Denial::Unknown });
        };
        let source = Source::of(self, route, visit, is_sibling);
        let granted = held()
            .filter(|(_, unpartitioned)| !unpartitioned || visit.is_of_own_page(route))
            .filter(|(grant, _)| grant.admits(route.id, route.epoch, now))
            .filter_map(|(grant, _)| Some((grant, Way::of_grant(&grant, route, now)?)))
            .filter(|(_, way)| self.takes(*way))
            .max_by_key(|(_, way)| way.width());
        let given = visit.token.and_then(|given| Some((given, given.way(route, now)?)));
        let given = given.filter(|(_, way)| self.takes(*way));
        let (decision, way) = match (granted, given) {
            _ if self.mode == AccessMode::Open || route.visibility == Visibility::Public => {
                (Decision::Allow(Pass::Open), Way::Own)
            }
            // A page that is loaded again still has its token in the URL: only a wider one is exchanged.
            (Some((grant, way)), given) if given.is_none_or(|(_, given)| given.width() <= way.width()) => {
                (Decision::Allow(Pass::Granted(self.renewal(grant, way, route, now))), way)
            }
            (_, Some((GivenToken::Query { .. }, way))) => {
                (Decision::Exchange(self.grant(way, route, now)), way)
            }
            (_, Some((GivenToken::Header(_), way))) => (Decision::Allow(Pass::Token), way),
            (_, None) if self.exempt.admits(visit, source) => {
                let denial = self.denial(route, held().map(|(grant, _)| grant));
                (Decision::Allow(Pass::Exempt(denial)), Way::Own)
            }
            (_, None) if self.mode == AccessMode::Forward => (Decision::Ask, Way::Own),
            (_, None) => return Decision::Refuse(self.denial(route, held().map(|(grant, _)| grant))),
        };
        if way.is_read_only() && !visit.only_looks() {
            return Decision::Refuse(Denial::ReadOnly);
        }
        if source.is_refused(visit, decision) {
            return Decision::Refuse(Denial::Origin);
        }
        if visit.service_worker && self.template.is_guessable() {
            return Decision::Refuse(Denial::ServiceWorker);
        }
        decision
    }

    /// Whether this way in counts: where an endpoint says who comes in, only a link that was handed out on purpose
    /// stands beside it.
    fn takes(&self, way: Way<'_>) -> bool {
        self.mode != AccessMode::Forward || matches!(way, Way::Share(_))
    }

    /// The grant that this way in is worth.
    fn grant(&self, way: Way<'_>, route: &Route, now: Wall) -> Grant {
        let grant = Grant::new(route.id, route.epoch, now, self.grant_life);
        match way {
            Way::Own => grant,
            Way::Share(share) => grant.by(share),
        }
    }

    /// A fresh grant, if it is time for one and it would be good for longer.
    fn renewal(&self, grant: Grant, way: Way<'_>, route: &Route, now: Wall) -> Option<Grant> {
        let fresh = grant.is_due_for_renewal(now).then(|| self.grant(way, route, now))?;
        (fresh.expires > grant.expires).then_some(fresh)
    }

    /// What somebody without a valid credential is told: those who were let in once may know more.
    fn denial(&self, route: &Route, held: impl Iterator<Item = Grant>) -> Denial {
        let mut denial = if self.template.is_guessable() { Denial::Unknown } else { Denial::Unauthorized };
        for grant in held {
            if grant.id == route.id {
                return Denial::GrantExpired;
            }
            denial = Denial::Gone;
        }
        denial
    }

    /// Whether an origin is one that the template can render.
    fn is_ours(&self, origin: &str) -> bool {
        origin_parts(origin).is_some_and(|(scheme, host)| {
            scheme == self.template.scheme().as_str() && self.template.could_render(host)
        })
    }
}

impl Visit<'_> {
    /// Whether it changes nothing: pages of dev servers come to life only with their socket, so that is let through.
    fn only_looks(&self) -> bool {
        self.reads_only || matches!(self.kind, VisitKind::Upgrade | VisitKind::Preflight)
    }

    /// Whether a browser vouches that a page of the same origin asks. Upgrades carry no `Sec-Fetch-*`.
    fn is_of_own_page(&self, route: &Route) -> bool {
        self.fetch_site == Some("same-origin")
            || self.kind == VisitKind::Upgrade && self.origin == Some(route.url.origin.as_str())
    }
}
