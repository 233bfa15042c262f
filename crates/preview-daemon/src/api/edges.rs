//! What edges ask and tell: routes, activity, and who listens.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use preview_core::wire::watch::{ActivityReport, FeedLine, ListenerAdmitted, ListenerSeen};
use serde::Deserialize;

use super::Shared;
use super::attachments::attachment;
use super::extract::{Json, Path, Query};
use super::problem::Answer;

/// The most bytes of a report: some 20,000 attachments that changed within five seconds.
const REPORT_MOST: usize = 4 * 1024 * 1024;

/// The query of `GET /v1/routes`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoutesQuery {
    since: Option<u64>,
}

/// `GET /v1/routes`: one JSON object a line, without end.
pub(crate) async fn routes(State(api): State<Shared>, Query(query): Query<RoutesQuery>) -> Answer<Response> {
    let lines = api.daemon.routes_since(query.since);
    let lines =
        lines.take_until(api.stop.clone().cancelled_owned()).map(|line| Ok::<_, Infallible>(written(&line)));
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

/// `POST /v1/activity`.
pub(crate) async fn activity(
    State(api): State<Shared>,
    Json(report): Json<ActivityReport, REPORT_MOST>,
) -> Answer<StatusCode> {
    api.daemon.record_activity(&report);
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/attachments/{id}/listener`.
pub(crate) async fn listener(
    State(api): State<Shared>,
    Path(id): Path<String>,
    Json(seen): Json<ListenerSeen>,
) -> Answer<axum::Json<ListenerAdmitted>> {
    Ok(axum::Json(api.daemon.check_listener(attachment(&id)?, seen).await?))
}

fn written(line: &FeedLine) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}
