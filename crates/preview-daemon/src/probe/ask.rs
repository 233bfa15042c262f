//! Asks a dev server how it takes its public name.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join};
use http::HeaderMap;
use http::header::{CONTENT_SECURITY_POLICY, LOCATION, X_FRAME_OPTIONS};
use preview_core::attachment::StartPath;
use preview_core::listener::Listener;
use preview_core::template::Rendered;
use preview_core::verdict::{HostHeader, HostPolicy, PolicyReason, ServerState, Verdict};
use tokio::time::{sleep, timeout};

use super::exchange::{Answer, Page, Upgraded, get, upgrade};
use super::known::{self, Known, LiveUpdate};
use super::policy::{choose, needs_loopback};
use super::presented::Presented;

/// How many redirects on the server itself are followed to the page whose marks are looked at.
const REDIRECTS: usize = 3;
/// How often a server that hangs up without an answer is asked: it may be starting anew.
const TRIES: usize = 3;
/// How long to wait before asking again.
const BETWEEN: Duration = Duration::from_millis(300);

/// What is to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Who is asked.
    pub(crate) listener: Listener,
    /// Under which public name.
    pub(crate) public: Rendered,
    /// For which page.
    pub(crate) path: StartPath,
    /// The server's command line, as a hint.
    pub(crate) command: Vec<String>,
    /// What the caller wishes; a pinned policy is the only one asked with.
    pub(crate) host_header: HostHeader,
}

/// What came of it.
pub(crate) enum Asked {
    /// The server has answered.
    Settled(Verdict),
    /// It has not yet; the requests are still out.
    Pending(Verdict, Rest),
}

/// Requests that are still out. Dropped, they are given up.
pub(crate) struct Rest {
    verdict: BoxFuture<'static, Verdict>,
    until_then: Verdict,
}

impl Rest {
    /// The longest that a first page may take.
    pub(crate) const MOST: Duration = Duration::from_mins(2);

    /// Waits for the answers, at most [`Self::MOST`] from now; then the verdict stays what it was.
    pub(crate) async fn finish(self) -> Verdict {
        timeout(Self::MOST, self.verdict).await.unwrap_or(self.until_then)
    }
}

/// Asks, and waits at most `limit` for the verdict. Without one, that time has passed.
pub(crate) async fn ask(question: Question, limit: Duration) -> Asked {
    let until_then = guess(&question);
    let mut verdict = answer(question).boxed();
    match timeout(limit, &mut verdict).await {
        Ok(verdict) => Asked::Settled(verdict),
        Err(_) => Asked::Pending(until_then.clone(), Rest { verdict, until_then }),
    }
}

/// The verdict on a server that has not answered.
pub(crate) fn guess(question: &Question) -> Verdict {
    let known = known::by_command(&question.command);
    let (policy, reason) = match question.host_header {
        HostHeader::Pinned(policy) => (policy, PolicyReason::Pinned),
        HostHeader::Auto => {
            (known.map_or(HostPolicy::Loopback, |it| it.guess), PolicyReason::GuessedFromCommand)
        }
    };
    Verdict { server: known.map(|it| it.name.to_owned()), ..Verdict::pending(policy, reason) }
}

async fn answer(question: Question) -> Verdict {
    let asking = Asking {
        presented: Presented::new(question.listener, &question.public),
        listener: question.listener,
        path: match question.path.as_str() {
            "" => "/".to_owned(),
            path => path.to_owned(),
        },
    };
    let by_command = known::by_command(&question.command);
    match question.host_header {
        HostHeader::Pinned(policy) => {
            let heard = asking.page(policy).await;
            asking.verdict((policy, PolicyReason::Pinned), &heard, by_command).await
        }
        HostHeader::Auto => {
            let (public, local) =
                join(asking.page(HostPolicy::Preserve), asking.page(HostPolicy::Loopback)).await;
            let (mut policy, mut reason) = choose(&public.first, &local.first);
            let known = public.known().or_else(|| local.known()).or(by_command);
            if policy == HostPolicy::Preserve
                && known.is_some_and(|it| it.live_update == Some(LiveUpdate::Next))
                && asking.next_needs_loopback().await
            {
                (policy, reason) = (HostPolicy::Loopback, PolicyReason::LiveUpdateNeedsLoopback);
            }
            let heard = if policy == HostPolicy::Preserve { public } else { local };
            asking.verdict((policy, reason), &heard, known).await
        }
    }
}

struct Asking {
    presented: Presented,
    listener: Listener,
    path: String,
}

/// The answer to the first request, and the page to which it led.
struct Heard {
    first: Answer,
    last: Option<Page>,
}

impl Heard {
    fn known(&self) -> Option<Known> {
        self.last.as_ref().and_then(known::by_page)
    }
}

impl Asking {
    async fn page(&self, policy: HostPolicy) -> Heard {
        let first = self.insist(policy).await;
        let Answer::Http(page) = &first else { return Heard { first, last: None } };
        let mut last = page.clone();
        for _ in 0..REDIRECTS {
            let location = last.headers.get(LOCATION).and_then(|location| location.to_str().ok());
            let leads = location.filter(|_| (300..400).contains(&last.status));
            let Some(path) = leads.and_then(|location| self.presented.own_path(location)) else { break };
            let path = path.split('#').next().unwrap_or(path).to_owned();
            match get(self.listener, &self.presented, &path, policy).await {
                Answer::Http(page) => last = page,
                Answer::NotHttp | Answer::Closed | Answer::Refused => break,
            }
        }
        Heard { first, last: Some(last) }
    }

    /// Asks until there is an answer; a few times where the server hangs up, without end while nothing listens.
    async fn insist(&self, policy: HostPolicy) -> Answer {
        let mut hung_up = 0;
        loop {
            match get(self.listener, &self.presented, &self.path, policy).await {
                Answer::Closed => hung_up += 1,
                Answer::Refused => {}
                answer => return answer,
            }
            if hung_up == TRIES {
                return Answer::Closed;
            }
            sleep(BETWEEN).await;
        }
    }

    async fn next_needs_loopback(&self) -> bool {
        for path in NEXT {
            let ask = |policy| upgrade(self.listener, &self.presented, path, policy, ("", true));
            let (public, local) = join(ask(HostPolicy::Preserve), ask(HostPolicy::Loopback)).await;
            if needs_loopback(public, local) {
                return true;
            }
        }
        false
    }

    async fn verdict(
        &self,
        (policy, reason): (HostPolicy, PolicyReason),
        heard: &Heard,
        known: Option<Known>,
    ) -> Verdict {
        let known = heard.known().or(known);
        let status = match &heard.first {
            Answer::Http(page) => Some(page.status),
            Answer::NotHttp | Answer::Closed | Answer::Refused => None,
        };
        let live_update = match known.and_then(|it| it.live_update) {
            Some(kind) if status.is_some() => Some(self.live_update(kind, policy, heard).await),
            _ => None,
        };
        Verdict {
            state: ServerState::Live,
            policy,
            reason,
            status,
            not_http: status.is_none(),
            framing: heard.last.as_ref().map(|page| framing(&page.headers)).unwrap_or_default(),
            live_update,
            server: known.map(|it| it.name.to_owned()),
        }
    }

    /// The status that a page's live-update socket would get through the edge.
    async fn live_update(&self, kind: LiveUpdate, policy: HostPolicy, heard: &Heard) -> u16 {
        let base = heard.last.as_ref().map_or_else(|| "/".to_owned(), known::vite_base);
        let (paths, extra): (Vec<&str>, _) = match kind {
            // It wants a token of those who show an origin; who shows none is judged by its host alone.
            LiveUpdate::Vite => (vec![&base], ("vite-hmr", false)),
            LiveUpdate::Next => (NEXT.to_vec(), ("", true)),
            LiveUpdate::Webpack => (vec!["/ws"], ("", true)),
        };
        let mut status = 504;
        for path in paths {
            status = match upgrade(self.listener, &self.presented, path, policy, extra).await {
                Upgraded::Status(101) => return 101,
                Upgraded::Status(status) => status,
                Upgraded::NotHttp => 502,
                Upgraded::Silent => 504,
            };
        }
        status
    }
}

const NEXT: [&str; 2] = ["/_next/hmr?id=preview", "/_next/webpack-hmr?id=preview"];

/// The headers that would blank a frame of another site, as they were sent; of a policy only the directive.
fn framing(headers: &HeaderMap) -> Vec<String> {
    let options = headers.get_all(X_FRAME_OPTIONS).iter().filter_map(|value| value.to_str().ok());
    let options = options.map(|value| format!("X-Frame-Options: {value}"));
    let policies = headers.get_all(CONTENT_SECURITY_POLICY).iter().filter_map(|value| value.to_str().ok());
    let ancestors = policies
        .flat_map(|policies| policies.split([';', ',']).map(str::trim).collect::<Vec<_>>())
        .filter(|directive| directive.to_ascii_lowercase().starts_with("frame-ancestors"))
        .map(|directive| format!("Content-Security-Policy: {directive}"));
    options.chain(ancestors).collect()
}

#[cfg(test)]
mod tests;
