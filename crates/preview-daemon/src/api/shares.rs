//! `/v1/attachments/{id}/shares`: links for others; and `/visibility`.

use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use preview_core::share::{Label, Wish};
use preview_core::wire::api::{AttachmentView, ShareList, ShareRequest, Unshared, VisibilityRequest};

use super::attachments::attachment;
use super::auth::Acting;
use super::extract::{Json, Path};
use super::problem::{Answer, Fault};

/// `POST /v1/attachments/{id}/shares`.
pub(crate) async fn make(
    caller: Acting,
    Path(id): Path<String>,
    Json(request): Json<ShareRequest>,
) -> Answer<Response> {
    let invalid = |field: &str, error: &dyn std::fmt::Display| Fault::Invalid(format!("{field}: {error}"));
    let label = Label::new(&request.label).map_err(|error| invalid("label", &error))?;
    let ttl = Duration::from_secs(request.ttl_seconds);
    let wish = Wish::new(label, request.read_only, ttl).map_err(|error| invalid("ttl_seconds", &error))?;
    let made = caller.daemon.share(&caller.by, attachment(&id)?, wish).await?;
    Ok((StatusCode::CREATED, axum::Json(made)).into_response())
}

/// `GET /v1/attachments/{id}/shares`.
pub(crate) async fn list(caller: Acting, Path(id): Path<String>) -> Answer<axum::Json<ShareList>> {
    Ok(axum::Json(caller.daemon.shares(&caller.by, attachment(&id)?)?))
}

/// `DELETE /v1/attachments/{id}/shares/{number}`.
pub(crate) async fn withdraw(
    caller: Acting,
    Path((id, number)): Path<(String, String)>,
) -> Answer<axum::Json<Unshared>> {
    let number =
        number.parse().map_err(|_| Fault::Invalid("number: it is none that a list shows".to_owned()))?;
    Ok(axum::Json(caller.daemon.unshare(&caller.by, attachment(&id)?, number).await?))
}

/// `POST /v1/attachments/{id}/visibility`.
pub(crate) async fn show_to(
    caller: Acting,
    Path(id): Path<String>,
    Json(request): Json<VisibilityRequest>,
) -> Answer<axum::Json<AttachmentView>> {
    let visibility = request.visibility.into();
    Ok(axum::Json(caller.daemon.set_visibility(&caller.by, attachment(&id)?, visibility).await?))
}
