//! Login mode: an endpoint of the operator's says who is let in. Without its word nobody is.

mod ask;
mod memo;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::header::{HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use http::{Response, Uri};
use preview_core::access::{AccessMode, VisitKind};

use crate::body::Body;
use crate::config::Config;
use crate::exchange::Http;
use crate::headers::names::FETCH_DEST;
use crate::headers::{cookies, hop};
use crate::page::{self, Answer};
use crate::start::StartError;
use memo::Memo;

pub(crate) use ask::Asked;

/// The asking of one thread, with connections and memory of its own.
pub(crate) struct Login {
    http: Http,
    endpoint: Uri,
    /// Headers of its answer that are passed on.
    passed: Rc<[HeaderName]>,
    memo: Memo,
    /// Whether it failed when it was last asked: each failure in a row is not worth a line.
    is_down: Rc<Cell<bool>>,
}

/// What the endpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Let in.
    In(Entered),
    /// Kept out.
    Out(Turned),
    /// It did not say: kept out.
    Silent,
}

/// What is known of somebody who was let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entered {
    /// Who it is, for the dev server.
    identity: Vec<(HeaderName, HeaderValue)>,
    /// What the endpoint has the browser keep.
    cookies: Vec<HeaderValue>,
}

/// What the endpoint says to somebody who is kept out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turned {
    /// Whether another login would not help.
    forbidden: bool,
    /// Where to log in.
    location: Option<HeaderValue>,
    /// How to log in here: `WWW-Authenticate`.
    challenge: Option<HeaderValue>,
    cookies: Vec<HeaderValue>,
}

impl Login {
    /// A client for the endpoint, if there is one; each thread asks with one [apart](Http::apart).
    ///
    /// # Errors
    /// [`StartError::Login`] if it could trust nobody.
    pub(crate) fn client(config: &Config) -> Result<Option<Http>, StartError> {
        let endpoint = config.login.endpoint.as_ref().map(Uri::to_string);
        let client = endpoint.map(|endpoint| Http::to(&endpoint, config.times.login));
        client.transpose().map_err(|failure| StartError::Login(failure.to_string()))
    }

    pub(crate) fn new(config: &Config, client: &Http) -> Option<Self> {
        Some(Self {
            http: client.apart(),
            endpoint: config.login.endpoint.clone()?,
            passed: config.login.headers.as_slice().into(),
            memo: Memo::new(config.login.cache),
            is_down: Rc::default(),
        })
    }

    /// Asks, or remembers.
    pub(crate) async fn judge(&self, asked: &Asked<'_>, now: Duration) -> Rc<Verdict> {
        let question = asked.question(&self.endpoint);
        let (http, passed, is_down) = (self.http.clone(), Rc::clone(&self.passed), Rc::clone(&self.is_down));
        let ask = async move {
            let answer = http.send(question).await.map_err(|error| error.to_string());
            let verdict = answer.and_then(|answer| ask::read(answer, &passed));
            let failed = verdict.as_ref().err();
            match (failed, is_down.replace(failed.is_some())) {
                (Some(error), false) => tracing::error!(%error, "login_unreachable: nobody is let in"),
                (None, true) => tracing::info!("the login endpoint answers again"),
                _ => {}
            }
            Rc::new(verdict.unwrap_or(Verdict::Silent))
        };
        self.memo.get(asked.key(), now, ask.boxed_local()).await
    }
}

impl Entered {
    /// Tells the dev server who it is.
    pub(crate) fn introduce(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.identity {
            headers.append(name.clone(), value.clone());
        }
    }

    /// Has the browser keep what the endpoint wants it to.
    pub(crate) fn hand_over(&self, headers: &mut HeaderMap) {
        for cookie in &self.cookies {
            headers.append(SET_COOKIE, cookie.clone());
        }
    }
}

impl Turned {
    /// What somebody who is kept out gets. A tab is sent to the login; a frame could not log in: other sites' cookies
    /// are kept from it, and no login wants to be framed. Everything else is told by its status.
    pub(crate) fn response(&self, kind: VisitKind, headers: &HeaderMap) -> Response<Body> {
        let is_page = kind == VisitKind::Navigation;
        let is_framed = is_page && headers.get(FETCH_DEST).is_some_and(|dest| dest != "document");
        if self.location.is_some() && is_framed {
            return Answer::LoginInTab.response(true);
        }
        if let (true, Some(location)) = (is_page, &self.location) {
            return page::to_login(location.clone(), &self.cookies);
        }
        let answer = if self.forbidden { Answer::NotAllowed } else { Answer::LoginNeeded };
        let mut response = answer.response(is_page);
        if let (true, Some(challenge)) = (is_page, &self.challenge) {
            response.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge.clone());
        }
        response
    }
}

/// Takes out of a request what only we may tell a dev server, and what it may not learn.
pub(crate) fn clean_request(headers: &mut HeaderMap, config: &Config) {
    hop::drop_named(headers, &config.login.headers);
    if config.access.mode == AccessMode::Forward {
        cookies::withhold(headers, &config.login.cookies);
    }
}

/// Takes out of a dev server's answer what would log somebody in as somebody else.
pub(crate) fn clean_answer(headers: &mut HeaderMap, config: &Config) {
    if config.access.mode == AccessMode::Forward {
        cookies::refuse(headers, &config.login.cookies);
    }
}
