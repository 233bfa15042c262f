//! Whether the daemon lives, can work, and how much it holds. Without a key, counts only.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use nix::unistd::{User, geteuid};
use preview_core::wire::api::{Health, ModuleHealth, Ready};

use super::Shared;
use super::auth::{Caller, caller};
use super::doors::Arrival;
use super::problem::Answer;

/// `GET /health` and `/healthz`: it lives.
pub(crate) async fn live(State(api): State<Shared>) -> Json<Health> {
    let one_person = api.daemon.config().tasks.user.as_deref().is_none_or(is_own_user);
    Json(Health {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        isolation: if one_person { "none" } else { "user" }.to_owned(),
        hint: one_person.then(|| {
            "tasks run as the daemon's own user: sessions are not isolated from each other (tasks.user)"
                .to_owned()
        }),
    })
}

/// `GET /ready`: it can take changes.
pub(crate) async fn ready(State(api): State<Shared>) -> Answer<Json<Ready>> {
    api.daemon.ready().await?;
    Ok(Json(Ready { status: "ready".to_owned() }))
}

/// `GET /health/web_preview` (seed). A key that is none changes nothing: monitors must not fail by it.
pub(crate) async fn module(
    State(api): State<Shared>,
    arrival: Arrival,
    headers: HeaderMap,
) -> Answer<Json<ModuleHealth>> {
    let by = match caller(&api, arrival, &headers) {
        Ok(Caller::Acts(by)) => Some(by),
        Ok(Caller::Edge | Caller::Stranger) | Err(_) => None,
    };
    Ok(Json(api.daemon.module_health(by.as_ref()).await?))
}

/// Whether that is the user the daemon runs as.
fn is_own_user(name: &str) -> bool {
    User::from_name(name).ok().flatten().is_some_and(|user| user.uid == geteuid())
}
