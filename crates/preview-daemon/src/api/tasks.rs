//! `/v1/tasks`.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use preview_core::command::Authority;
use preview_core::id::TaskId;
use preview_core::wire::api::{TaskRequest, TaskView};
use serde::Deserialize;

use super::Shared;
use super::auth::Acting;
use super::extract::{Json, Path, Query};
use super::problem::{Answer, Fault, refused};
use crate::failure::Failure;

/// `POST /v1/tasks`.
pub(crate) async fn start(caller: Acting, Json(request): Json<TaskRequest>) -> Answer<Response> {
    if caller.by != Authority::Admin && !caller.daemon.config().tasks.remote {
        return Err(Failure::NotAllowed { what: "starting tasks with this key", key: "tasks.remote" }.into());
    }
    let (session, user) = (request.session_id.clone(), request.user_id.clone());
    let task = caller.daemon.start_task(&caller.by, request).await;
    let task = task.map_err(|failure| Fault::from(failure).concerning(&session, &user))?;
    Ok((StatusCode::CREATED, axum::Json(task)).into_response())
}

/// `GET /v1/tasks/{id}`.
pub(crate) async fn show(caller: Acting, Path(id): Path<String>) -> Answer<axum::Json<TaskView>> {
    Ok(axum::Json(caller.daemon.task(&caller.by, &task(&id)?).await?))
}

/// The query of `GET /v1/tasks/{id}/logs`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogsQuery {
    follow: Option<String>,
}

/// `GET /v1/tasks/{id}/logs`: text as the task wrote it; with `follow` it goes on until the task ends.
pub(crate) async fn logs(
    State(api): State<Shared>,
    caller: Acting,
    Path(id): Path<String>,
    Query(query): Query<LogsQuery>,
) -> Answer<Response> {
    let follow = match query.follow.as_deref() {
        None | Some("false" | "0") => false,
        Some("" | "true" | "1") => true,
        Some(_) => return Err(Fault::Invalid("follow: it is true or false".to_owned())),
    };
    let output = caller.daemon.task_logs(&caller.by, &task(&id)?, follow)?;
    let output = output.take_until(api.stop.clone().cancelled_owned()).map(Ok::<_, std::convert::Infallible>);
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], Body::from_stream(output)).into_response())
}

/// `DELETE /v1/tasks/{id}`.
pub(crate) async fn end(caller: Acting, Path(id): Path<String>) -> Answer<axum::Json<TaskView>> {
    Ok(axum::Json(caller.daemon.end_task(&caller.by, &task(&id)?).await?))
}

fn task(id: &str) -> Answer<TaskId> {
    TaskId::new(id).map_err(refused)
}
