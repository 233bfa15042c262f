//! `/v1/audit`: who did what, and who was refused.

use preview_core::audit::Action;
use preview_core::id::{SessionId, UserId};
use preview_core::wire::audit::AuditPage;
use serde::Deserialize;

use super::auth::Acting;
use super::extract::Query;
use super::problem::{Answer, Fault, refused};
use crate::daemon::AuditFilter;

/// The query of `GET /v1/audit`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditQuery {
    since: Option<u64>,
    session_id: Option<String>,
    user_id: Option<String>,
    action: Option<String>,
    limit: Option<u32>,
}

/// `GET /v1/audit`.
pub(crate) async fn trail(caller: Acting, Query(query): Query<AuditQuery>) -> Answer<axum::Json<AuditPage>> {
    let filter = AuditFilter {
        since: query.since,
        session: query.session_id.as_deref().map(SessionId::new).transpose().map_err(refused)?,
        user: query.user_id.as_deref().map(UserId::new).transpose().map_err(refused)?,
        action: query.action.as_deref().map(action).transpose()?,
        limit: query.limit,
    };
    Ok(axum::Json(caller.daemon.audit(&caller.by, filter).await?))
}

fn action(text: &str) -> Answer<Action> {
    let found = Action::ALL.into_iter().find(|it| it.as_str() == text);
    found.ok_or_else(|| {
        Fault::Invalid(format!("action: it is none of {}", Action::ALL.map(Action::as_str).join(", ")))
    })
}
