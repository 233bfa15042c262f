//! Visits that another proxy asks about.

use std::fmt;

use preview_core::access::{Decision, HeldGrant, Pass, Visit};
use preview_core::grant::Grant;
use preview_core::id::SessionId;
use preview_core::route::Route;

use super::Daemon;
use crate::failure::Failure;
use crate::{clock, listeners};

/// A request that another proxy asks about. `Debug` shows no cookie.
#[derive(Clone)]
pub struct VisitAsked<'a> {
    /// The host name it was for: lower case, without port.
    pub host: &'a str,
    /// The request.
    pub visit: Visit<'a>,
    /// Values of the cookies that may hold a grant, and whether each is the unpartitioned one.
    pub cookies: &'a [(&'a str, bool)],
}

/// What to tell the other proxy. `Debug` does not show the grant.
#[derive(Clone)]
pub struct VisitAnswer {
    /// The decision.
    pub decision: Decision,
    /// The route, if the host name has one.
    pub route: Option<Route>,
    /// The cookie value of a grant to be set, sealed for that host.
    pub grant: Option<String>,
}

impl fmt::Debug for VisitAsked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisitAsked")
            .field("host", &self.host)
            .field("visit", &self.visit)
            .field("cookies", &self.cookies.len())
            .finish()
    }
}

impl fmt::Debug for VisitAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisitAnswer")
            .field("decision", &self.decision)
            .field("route", &self.route)
            .field("sets_grant", &self.grant.is_some())
            .finish()
    }
}

impl Daemon {
    /// Decides for another proxy whether a visit is let in.
    #[must_use]
    pub fn verify_visit(&self, asked: &VisitAsked<'_>) -> VisitAnswer {
        let (keys, now) = (self.keys().now(), clock::wall());
        let route = self.live().at_host(asked.host).map(|it| Route::to(&it));
        let held: Vec<HeldGrant> = asked
            .cookies
            .iter()
            .filter_map(|(value, unpartitioned)| {
                let grant = keys.open(value, asked.host)?;
                Some(HeldGrant { grant, unpartitioned: *unpartitioned })
            })
            .collect();
        let is_sibling = |host: &str, session: &SessionId| {
            self.live().at_host(host).is_some_and(|it| it.session == *session)
        };
        let decision = self.config().access.decide(route.as_ref(), &asked.visit, &held, is_sibling, now);
        let grant = to_set(decision).and_then(|grant| keys.seal(&grant, asked.host));
        VisitAnswer { decision, route, grant }
    }

    /// Lets a visit on to its dev server: counts it, and sees to it that whoever listens there now is the attachment's
    /// own server. Where nobody listens, the proxy finds that out itself.
    pub async fn admit_visit(&self, route: &Route) -> Result<(), Failure> {
        self.activity().visit(route.id, clock::now());
        match self.sockets().at(route.listener) {
            Ok(Some(socket)) if socket.inode == route.owner.inode && socket.uid == route.owner.uid => Ok(()),
            Ok(None) => Ok(()),
            // What the kernel does not say either way is asked more thoroughly.
            Ok(Some(_)) | Err(_) => listeners::readmit(self, route.id).await.map(drop),
        }
    }
}

fn to_set(decision: Decision) -> Option<Grant> {
    match decision {
        Decision::Exchange(grant) | Decision::Allow(Pass::Granted(Some(grant))) => Some(grant),
        Decision::Allow(Pass::Open | Pass::Token | Pass::Exempt(_) | Pass::Granted(None))
        | Decision::Ask
        | Decision::Preflight
        | Decision::Refuse(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use preview_core::access::{Denial, GivenToken};

    use super::*;

    #[test]
    fn neither_cookies_nor_tokens_nor_grants_are_shown() {
        let token = Some(GivenToken::Header("s3cret"));
        let asked = VisitAsked {
            host: "a.example",
            visit: Visit { token, ..Visit::default() },
            cookies: &[("s3cret", false)],
        };
        let decision = Decision::Refuse(Denial::Unknown);
        let answer = VisitAnswer { decision, route: None, grant: Some("s3cret".into()) };
        let shown = format!("{asked:?} {answer:?}");
        assert!(!shown.contains("s3cret") && shown.contains("sets_grant: true"), "{shown}");
    }
}
