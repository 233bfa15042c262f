//! `/v1/attachments` and `/v1/sessions`.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use preview_core::id::{AttachmentId, Name, SessionId, UserId};
use preview_core::wire::api::{AttachRequest, AttachmentList, AttachmentView, Detached, SessionEnded};
use serde::Deserialize;

use super::auth::Acting;
use super::extract::{Json, Path, Query};
use super::problem::{Answer, Fault, refused};
use crate::daemon::ListFilter;

/// `POST /v1/attachments`.
pub(crate) async fn attach(caller: Acting, Json(request): Json<AttachRequest>) -> Answer<Response> {
    let (session, user) = (request.session_id.clone(), request.user_id.clone());
    let attached = caller.daemon.attach(&caller.by, request).await;
    let attached = attached.map_err(|failure| Fault::from(failure).concerning(&session, &user))?;
    let status = if attached.replaced { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, axum::Json(attached.view)).into_response())
}

/// The query of `GET /v1/attachments`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    session_id: Option<String>,
    user_id: Option<String>,
    cursor: Option<String>,
}

/// `GET /v1/attachments`.
pub(crate) async fn list(
    caller: Acting,
    Query(query): Query<ListQuery>,
) -> Answer<axum::Json<AttachmentList>> {
    let session = query.session_id.as_deref().map(SessionId::new).transpose().map_err(refused)?;
    let user = query.user_id.as_deref().map(UserId::new).transpose().map_err(refused)?;
    let after = query.cursor.as_deref().map(cursor).transpose()?;
    caller.daemon.check_scope(&caller.by, session.as_ref(), user.as_ref())?;
    let filter = ListFilter { session, user, after };
    Ok(axum::Json(caller.daemon.list(&caller.by, &filter)?))
}

/// `GET /v1/attachments/{id}`.
pub(crate) async fn show(caller: Acting, Path(id): Path<String>) -> Answer<axum::Json<AttachmentView>> {
    Ok(axum::Json(caller.daemon.show(&caller.by, attachment(&id)?)?))
}

/// `DELETE /v1/attachments/{id}`.
pub(crate) async fn detach(caller: Acting, Path(id): Path<String>) -> Answer<axum::Json<Detached>> {
    Ok(axum::Json(caller.daemon.detach(&caller.by, attachment(&id)?).await?))
}

/// `DELETE /v1/sessions/{session_id}/attachments/{name}`.
pub(crate) async fn detach_named(
    caller: Acting,
    Path((session, name)): Path<(String, String)>,
) -> Answer<axum::Json<Detached>> {
    let session = SessionId::new(&session).map_err(refused)?;
    let name = Name::new(&name).map_err(refused)?;
    Ok(axum::Json(caller.daemon.detach_named(&caller.by, session, name).await?))
}

/// `DELETE /v1/sessions/{session_id}`.
pub(crate) async fn end_session(
    caller: Acting,
    Path(session): Path<String>,
) -> Answer<axum::Json<SessionEnded>> {
    let session = SessionId::new(&session).map_err(refused)?;
    Ok(axum::Json(caller.daemon.end_session(&caller.by, session).await?))
}

/// `POST /v1/attachments/{id}/rotate`.
pub(crate) async fn rotate(caller: Acting, Path(id): Path<String>) -> Answer<axum::Json<AttachmentView>> {
    Ok(axum::Json(caller.daemon.rotate(&caller.by, attachment(&id)?).await?))
}

/// `POST /v1/attachments/{id}/revoke`.
pub(crate) async fn revoke(caller: Acting, Path(id): Path<String>) -> Answer<axum::Json<AttachmentView>> {
    Ok(axum::Json(caller.daemon.revoke(&caller.by, attachment(&id)?).await?))
}

/// `POST /v1/attachments/{id}/keep-alive`.
pub(crate) async fn keep_alive(caller: Acting, Path(id): Path<String>) -> Answer<axum::Json<AttachmentView>> {
    Ok(axum::Json(caller.daemon.keep_alive(&caller.by, attachment(&id)?)?))
}

/// An attachment's id from a path.
pub(crate) fn attachment(id: &str) -> Answer<AttachmentId> {
    id.parse::<AttachmentId>().map_err(refused)
}

fn cursor(text: &str) -> Answer<AttachmentId> {
    text.parse().map_err(|_| Fault::Invalid("cursor: it is none that a list has answered".to_owned()))
}
