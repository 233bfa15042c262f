//! The HTTP API (`docs/api.md`): which calls there are, and by which door each can be made.
//!
//! A request passes [`doors`], [`guard`], [`auth`], then one handler, which takes it apart ([`extract`]), calls
//! the daemon and puts the answer together. What goes wrong on the way is a [`problem`].

mod socket;
mod doors;
mod problem;
mod extract;
mod origin;
mod keys_file;
mod auth;
mod guard;
mod misses;
mod refusals;
mod health;
mod attachments;
mod shares;
mod blocks;
mod audit;
mod tasks;
mod events;
mod tools;
mod verify;
mod edges;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, delete, get, post};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use doors::Open;

use auth::VerifyPeers;
use doors::{Bind, Door};
use keys_file::KeysFile;
use misses::Misses;
use origin::Allowed;
use problem::Fault;

use crate::config::InvalidConfig;
use crate::daemon::Daemon;
use crate::failure::StartError;

/// What handlers share.
pub(crate) struct Api {
    daemon: Daemon,
    allowed: Allowed,
    keys: Option<KeysFile>,
    peers: VerifyPeers,
    misses: Misses,
    /// Ends answers that never end by themselves.
    stop: CancellationToken,
    /// Whom closing the doors waits for.
    guests: TaskTracker,
}

pub(crate) type Shared = Arc<Api>;

/// Opens the doors: from here on calls are answered.
pub(crate) async fn open(daemon: Daemon, run_dir: &Path) -> Result<Open, StartError> {
    let config = daemon.config().api.clone();
    let invalid =
        |error: keys_file::KeysError| InvalidConfig { key: "api.keys_file", problem: error.to_string() };
    let keys = config.keys_file.as_deref().map(KeysFile::open).transpose().map_err(invalid)?;
    let peers = VerifyPeers::new(&config.verify_peers)?;
    let listen = config.listen.map(|address| origin::host_of(address.ip()));
    let hosts = config.daemon_host.iter().chain(&config.hosts).cloned();
    let allowed = Allowed::new(hosts.chain(listen), &config.origins);
    let doors = Bind::new(run_dir, &config, &daemon.config().tasks).await?;
    let (misses, stop, guests) = (Misses::default(), CancellationToken::new(), TaskTracker::new());
    let (end, all) = (stop.clone(), guests.clone());
    let api = Arc::new(Api { daemon, allowed, keys, peers, misses, stop, guests });
    Ok(doors.serve(|door| router(door, &api), end, all))
}

fn router(door: Door, api: &Shared) -> Router {
    let calls = match door {
        Door::Api | Door::Public | Door::Tcp => acting(api).merge(edge(api)).merge(credentials()),
        Door::Edge => edge(api),
        Door::Verify => credentials(),
    };
    let source = from_fn_with_state(Arc::clone(api), guard::check_source);
    let calls = known(calls).fallback(async || Fault::NoSuchCall).layer(source);
    // Health and visits carry other people's hosts and origins.
    let calls = match door {
        Door::Verify => calls.merge(known(visits())),
        Door::Edge => calls.merge(known(health())),
        Door::Api | Door::Public | Door::Tcp => calls.merge(known(health().merge(visits()))),
    };
    let keep = from_fn_with_state(Arc::clone(api), refusals::keep);
    calls.layer(keep).layer(from_fn(guard::around)).with_state(Arc::clone(api))
}

/// The same calls; another method on one of their paths is answered as a problem.
fn known(calls: Router<Shared>) -> Router<Shared> {
    calls.method_not_allowed_fallback(async || Fault::WrongMethod)
}

fn acting(api: &Shared) -> Router<Shared> {
    Router::new()
        .route("/v1/attachments", post(attachments::attach).get(attachments::list))
        .route("/v1/attachments/{id}", get(attachments::show).delete(attachments::detach))
        .route("/v1/attachments/{id}/rotate", post(attachments::rotate))
        .route("/v1/attachments/{id}/revoke", post(attachments::revoke))
        .route("/v1/attachments/{id}/keep-alive", post(attachments::keep_alive))
        .route("/v1/attachments/{id}/visibility", post(shares::show_to))
        .route("/v1/attachments/{id}/shares", post(shares::make).get(shares::list))
        .route("/v1/attachments/{id}/shares/{number}", delete(shares::withdraw))
        .route("/v1/sessions/{session_id}", delete(attachments::end_session))
        .route("/v1/sessions/{session_id}/attachments/{name}", delete(attachments::detach_named))
        .route("/v1/blocks", post(blocks::block).get(blocks::list))
        .route("/v1/blocks/{kind}/{value}", delete(blocks::unblock))
        .route("/v1/audit", get(audit::trail))
        .route("/v1/tasks", post(tasks::start))
        .route("/v1/tasks/{id}", get(tasks::show).delete(tasks::end))
        .route("/v1/tasks/{id}/logs", get(tasks::logs))
        .route("/v1/events", get(events::follow))
        .route("/v1/tools/PreviewProxy", post(tools::proxy))
        .route("/v1/tools/PreviewDetach", post(tools::detach))
        .route("/v1/tools/PreviewList", post(tools::list))
        .route_layer(from_fn_with_state(Arc::clone(api), auth::require_acting))
}

fn edge(api: &Shared) -> Router<Shared> {
    Router::new()
        .route("/v1/routes", get(edges::routes))
        .route("/v1/activity", post(edges::activity))
        .route("/v1/attachments/{id}/listener", post(edges::listener))
        .route_layer(from_fn_with_state(Arc::clone(api), auth::require_edge))
}

/// Calls whose body is the credential.
fn credentials() -> Router<Shared> {
    Router::new().route("/v1/tokens/verify", post(verify::token))
}

fn visits() -> Router<Shared> {
    Router::new()
        .route("/auth/verify", get(verify::visit))
        .route("/auth/verify/", any(verify::prefixed))
        .route("/auth/verify/{*visited}", any(verify::prefixed))
}

fn health() -> Router<Shared> {
    Router::new()
        .route("/health", get(health::live))
        .route("/healthz", get(health::live))
        .route("/ready", get(health::ready))
        .route("/health/web_preview", get(health::module))
}
