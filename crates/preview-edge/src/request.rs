//! The way of one request: head, route, access, quota, headers, dev server, and back.

pub(crate) mod head;
pub(crate) mod quota;
mod notes;
mod exempt;
mod forward;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use preview_core::access::{Denial, VisitKind};
use preview_core::template::Scheme;

pub(crate) use notes::Notes;

use crate::access::{self, Admitted, Entrance};
use crate::activity::{Periods, uptime};
use crate::body::Body;
use crate::clock;
use crate::config::{Config, Handoff};
use crate::exchange::Http;
use crate::headers::cookies::Jar;
use crate::headers::forwarded::Via;
use crate::headers::framing::Framing;
use crate::headers::value;
use crate::login::{self, Entered, Login, Verdict};
use crate::notice;
use crate::page::{self, Answer};
use crate::shared::{Conn, Shared};
use crate::start::StartError;
use crate::upstream::Pools;
use head::{BadHead, Head, host_of, is_navigation};
use quota::Misses;

/// What the request path keeps for all threads.
pub(crate) struct Global {
    pub(crate) jar: Jar,
    pub(crate) framing: Framing,
    /// The page before public previews, where there is one.
    pub(crate) notice: Option<page::Notice>,
    misses: Misses,
    periods: Periods,
    /// The port of https URLs, where plain HTTP is sent to HTTPS.
    https_port: Option<u16>,
    threads: AtomicUsize,
    /// What each thread's client for the login endpoint is made like.
    login: Option<Http>,
}

/// What the request path keeps for one thread.
pub(crate) struct Local {
    pub(crate) pools: Rc<Pools>,
    /// Whom the operator's endpoint lets in, where it is asked.
    login: Option<Login>,
    /// Where this thread counts activity.
    slot: usize,
}

impl Global {
    pub(crate) fn new(config: &Config) -> Result<Self, StartError> {
        let https = config.https.filter(|_| config.redirect_http).map(|listen| listen.port);
        let template_port =
            config.template.public_port().filter(|_| config.template.scheme() == Scheme::Https);
        Ok(Self {
            jar: Jar::of(&config.template),
            framing: Framing::of(&config.access.app_origins),
            notice: config.notice.as_ref().map(|it| page::Notice::of(it, &config.template)),
            misses: Misses::new(config.limits.misses_per_minute),
            periods: Periods::new(),
            https_port: https.map(|port| template_port.map_or(port, preview_core::ports::Port::get)),
            threads: AtomicUsize::new(0),
            login: Login::client(config)?,
        })
    }
}

impl Local {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let slot = shared.global.threads.fetch_add(1, Ordering::Relaxed);
        let login = shared.global.login.as_ref().and_then(|client| Login::new(&shared.config, client));
        Self { pools: Pools::new(slot, shared.config.times.tunnel_idle), login, slot }
    }
}

/// Answers one request of a client's connection.
pub(crate) async fn serve(request: Request<Incoming>, conn: Rc<Conn>) -> Response<Body> {
    let began = uptime();
    let method = request.method().clone();
    let wants_page = is_navigation(&method, request.headers());
    let log = conn.thread.shared.config.access_log.then(|| log_line(&request));
    let mut response = match answer(request, &conn, began).await {
        Ok(response) => response,
        Err(answer) => answer.response(wants_page),
    };
    if method == Method::HEAD {
        silence(&mut response);
    }
    if let Some((host, path)) = log {
        let took = uptime().saturating_sub(began);
        tracing::info!(
            target: "access",
            status = response.status().as_u16(),
            method = method.as_str(),
            host,
            path,
            client = %conn.peer.ip(),
            micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        );
    }
    response
}

async fn answer(
    request: Request<Incoming>,
    conn: &Rc<Conn>,
    now: Duration,
) -> Result<Response<Body>, Answer> {
    let shared = &conn.thread.shared;
    let head = Head::of(&request).map_err(Answer::from)?;
    let address = conn.notes.address();
    let via = Via::of(conn.peer, address, conn.is_tls(), request.headers(), &shared.config.trusted_proxies);
    let authority = via.host.as_ref().unwrap_or(&head.authority).clone();
    let host = host_of(&authority).ok_or(Answer::Malformed)?;

    if let Some(location) = https_location(shared, &via, &host, &request) {
        let has_certificate = shared.certificate.as_ref().is_none_or(|it| it.shown().is_some());
        return if has_certificate { Ok(page::moved(location)) } else { Err(Answer::CertPending) };
    }
    let shown = host_of(&head.authority).ok_or(Answer::Malformed)?;
    if conn.certificate.as_ref().is_some_and(|names| !names.covers(&shown)) {
        return Err(Answer::Misdirected);
    }
    if shared.config.daemon_host.as_deref() == Some(&*host) {
        return forward::to_daemon(request, conn, head.kind, &via, &authority).await;
    }

    let table = conn.thread.table();
    let asked = (head.kind, request.method(), request.uri());
    let opened = &conn.notes.opened;
    let admitted =
        match access::decide(shared, &table, opened, &host, asked, request.headers(), clock::wall()) {
            Entrance::Open(admitted) => admitted,
            Entrance::Preflight => return Ok(page::preflight(request.headers())),
            Entrance::Ask(admitted) => {
                let (method, uri, headers) = (request.method(), request.uri(), request.headers());
                let asked =
                    login::Asked { method, uri, headers, host: &host, authority: &authority, via: &via };
                match enter(conn, &asked, head.kind, now).await? {
                    // What is not there is told only to those who were let in.
                    Ok(login) => {
                        let lasted = admitted.filter(|it| !it.entry.computed.ended().is_cancelled());
                        Admitted { login: Some(login), ..lasted.ok_or(Answer::Uniform)? }
                    }
                    Err(turned) => return Ok(turned),
                }
            }
            Entrance::Closed(denial) => {
                if let Some(entry) = table.routes.find(&host) {
                    entry.computed.live.traffic.refuse(denial);
                }
                return Err(refuse(shared, &via, denial, now));
            }
        };
    if let Some(denial) = admitted.exempt {
        return exempt::answer(request, conn, (&via, &authority), &admitted, denial, now).await;
    }
    count(conn, &admitted, &request, &via, now)?;
    if let Some(response) = notice::answer(shared, &admitted, head.kind, &request) {
        return Ok(response);
    }
    if let Some(location) = stripped_location(shared, &admitted, head.kind, &request) {
        let mut response = page::without_token(location);
        hand_over(admitted, response.headers_mut());
        return Ok(response);
    }
    let wants_page = head.kind == VisitKind::Navigation;
    let forwarded = forward::to_dev_server(request, conn, head.kind, &via, &authority, &admitted).await;
    let mut response = forwarded.unwrap_or_else(|answer| answer.response(wants_page));
    hand_over(admitted, response.headers_mut());
    Ok(response)
}

/// Asks the operator's endpoint. Whom it keeps out is told so, or where to log in; too often counts as ever.
async fn enter(
    conn: &Conn,
    asked: &login::Asked<'_>,
    kind: VisitKind,
    now: Duration,
) -> Result<Result<Entered, Response<Body>>, Answer> {
    let login = conn.thread.local.login.as_ref().ok_or(Answer::LoginUnreachable)?;
    match &*login.judge(asked, now).await {
        Verdict::In(entered) => Ok(Ok(entered.clone())),
        Verdict::Silent => Err(Answer::LoginUnreachable),
        Verdict::Out(turned) => match conn.thread.shared.global.misses.count(asked.via.client, now) {
            Some(wait) => Err(Answer::TooMany(wait)),
            None => Ok(Err(turned.response(kind, asked.headers))),
        },
    }
}

/// What somebody is told who is kept out. Those who are so too often are told to wait, whatever they asked for.
fn refuse(shared: &Shared, via: &Via, denial: Denial, now: Duration) -> Answer {
    let is_miss = matches!(denial, Denial::Unknown | Denial::Unauthorized);
    if let Some(wait) = is_miss.then(|| shared.global.misses.count(via.client, now)).flatten() {
        return Answer::TooMany(wait);
    }
    Answer::from(denial)
}

/// Counts a request that was let in, unless there are too many.
fn count(
    conn: &Conn,
    admitted: &Admitted<'_>,
    request: &Request<Incoming>,
    via: &Via,
    now: Duration,
) -> Result<(), Answer> {
    let shared = &conn.thread.shared;
    let live = &admitted.entry.computed.live;
    let limits = &shared.config.limits;
    if !live.quota.admit(now, limits.requests_per_second, limits.request_burst) {
        return Err(Answer::TooMany(Duration::from_secs(1)));
    }
    let (id, path) = (admitted.entry.route.id, request.uri().path());
    let is_visit = !shared.global.periods.is_periodic(id, via.client, request.method(), path, now);
    live.traffic.request(conn.thread.local.slot, now, is_visit);
    Ok(())
}

fn hand_over(admitted: Admitted<'_>, headers: &mut HeaderMap) {
    if let Some(login) = &admitted.login {
        login.hand_over(headers);
    }
    if let Some(hand_over) = admitted.hand_over {
        hand_over.apply(headers);
    }
}

/// Where plain HTTP is sent: to the same over TLS, on every host that may be a preview's.
fn https_location<B>(shared: &Shared, via: &Via, host: &str, request: &Request<B>) -> Option<HeaderValue> {
    let port = shared.global.https_port.filter(|_| !via.https)?;
    let template = &shared.config.template;
    let base = template.base();
    let is_ours = host == base
        || template.could_render(host)
        || host.strip_suffix(base).is_some_and(|label| label.ends_with('.') && label.len() > 1)
        || shared.config.daemon_host.as_deref() == Some(host);
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    is_ours.then(|| value(format!("https://{host}{port}{path}")))
}

/// Where a URL with a token leads when tokens are stripped: to itself without it. Only pages are sent elsewhere.
fn stripped_location<B>(
    shared: &Shared,
    admitted: &Admitted<'_>,
    kind: VisitKind,
    request: &Request<B>,
) -> Option<HeaderValue> {
    let strips = shared.config.handoff == Handoff::Strip
        && admitted.shows_token
        && admitted.authenticated
        && kind == VisitKind::Navigation
        && *request.method() == Method::GET;
    let origin = &admitted.entry.route.url.origin;
    strips.then(|| value(format!("{origin}{}", access::without_token(request.uri()))))
}

/// An answer to HEAD says how long the body would be and has none.
fn silence(response: &mut Response<Body>) {
    let length = response.body().size_hint().exact().filter(|length| *length > 0);
    if let (Some(length), false) = (length, response.headers().contains_key(CONTENT_LENGTH)) {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        *response.body_mut() = Body::Empty;
    }
}

/// Host and path: a query may hold a token.
fn log_line<B>(request: &Request<B>) -> (String, String) {
    let host = request.uri().host().map(str::to_owned).or_else(|| {
        Some(String::from_utf8_lossy(request.headers().get(http::header::HOST)?.as_bytes()).into_owned())
    });
    (host.unwrap_or_default(), request.uri().path().to_owned())
}

impl From<BadHead> for Answer {
    fn from(head: BadHead) -> Self {
        match head {
            BadHead::Malformed(_) => Self::Malformed,
            BadHead::TooManyFields => Self::HeaderTooLarge,
            BadHead::Loop => Self::Loop,
        }
    }
}

impl From<Denial> for Answer {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Unknown => Self::Uniform,
            Denial::Unauthorized => Self::Unauthorized,
            Denial::GrantExpired => Self::GrantExpired,
            Denial::Gone => Self::Gone,
            Denial::Origin => Self::OriginRefused,
            Denial::ReadOnly => Self::ReadOnly,
            Denial::ServiceWorker => Self::ServiceWorker,
        }
    }
}
