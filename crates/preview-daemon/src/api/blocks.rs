//! `/v1/blocks`: who is shut out. The operator's calls.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use preview_core::block::{InvalidBlock, Reason, Target};
use preview_core::wire::api::{BlockList, BlockRequest, Unblocked};

use super::auth::Acting;
use super::extract::{Json, Path};
use super::problem::{Answer, Fault, refused};

/// `POST /v1/blocks`.
pub(crate) async fn block(caller: Acting, Json(request): Json<BlockRequest>) -> Answer<Response> {
    let target = target(&request.kind, &request.value)?;
    let reason = Reason::new(&request.reason).map_err(invalid)?;
    let block = caller.daemon.block(&caller.by, target, reason).await?;
    Ok((StatusCode::CREATED, axum::Json(block)).into_response())
}

/// `GET /v1/blocks`.
pub(crate) async fn list(caller: Acting) -> Answer<axum::Json<BlockList>> {
    Ok(axum::Json(caller.daemon.blocks(&caller.by)?))
}

/// `DELETE /v1/blocks/{kind}/{value}`.
pub(crate) async fn unblock(
    caller: Acting,
    Path((kind, value)): Path<(String, String)>,
) -> Answer<axum::Json<Unblocked>> {
    Ok(axum::Json(caller.daemon.unblock(&caller.by, target(&kind, &value)?).await?))
}

fn target(kind: &str, value: &str) -> Answer<Target> {
    Target::new(kind, value).map_err(invalid)
}

fn invalid(error: InvalidBlock) -> Fault {
    match error {
        InvalidBlock::Id(text) => refused(text),
        other => Fault::Invalid(other.to_string()),
    }
}
