//! `GET /v1/events`: what happens, as server-sent events or over a WebSocket.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseCode, CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse as _, Response, Sse};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use http::HeaderMap;
use http::header::UPGRADE;
use preview_core::id::SessionId;
use preview_core::wire::events::EventView;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::auth::Acting;
use super::extract::Query;
use super::problem::{Answer, Fault, refused};
use crate::daemon::EventFilter;

/// How often a silent stream says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long closing may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// The most bytes of a client's message; clients have nothing to say.
const MESSAGE_MOST: usize = 4 * 1024;

/// The query of `GET /v1/events`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsQuery {
    session_id: Option<String>,
    since: Option<u64>,
}

/// `GET /v1/events`.
pub(crate) async fn follow(
    State(api): State<Shared>,
    caller: Acting,
    Query(query): Query<EventsQuery>,
    request: Request,
) -> Answer<Response> {
    let session = query.session_id.as_deref().map(SessionId::new).transpose().map_err(refused)?;
    api.daemon.check_scope(&caller.by, session.as_ref(), None)?;
    let filter = EventFilter { session, user: None };
    // A browser that resumes repeats the URL, so the header is the later word.
    let since = last_event_id(request.headers())?.or(query.since);
    let events = api.daemon.events_since(&caller.by, filter, since)?;
    let stop = api.stop.clone();
    if !request.headers().contains_key(UPGRADE) {
        return Ok(by_sse(events, stop));
    }
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &())
        .await
        .map_err(|rejection| Fault::Invalid(format!("upgrade: {}", rejection.body_text())))?;
    let guest = api.guests.token();
    Ok(upgrade.max_message_size(MESSAGE_MOST).on_upgrade(async move |mut socket| {
        if let Some(code) = by_websocket(&mut socket, events, stop).await {
            let _ = tokio::time::timeout(FAREWELL, close(socket, code)).await;
        }
        drop(guest);
    }))
}

fn by_sse(events: BoxStream<'static, EventView>, stop: CancellationToken) -> Response {
    let events = events.take_until(stop.cancelled_owned()).filter_map(async |view| {
        let (name, json) = written(&view)?;
        let event = Event::default().id(view.revision.to_string()).event(name).data(json);
        Some(Ok::<_, Infallible>(event))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

/// Tells events until the client is gone, or there is a reason to close.
async fn by_websocket(
    socket: &mut WebSocket,
    mut events: BoxStream<'static, EventView>,
    stop: CancellationToken,
) -> Option<CloseCode> {
    let mut alive = tokio::time::interval(KEEP_ALIVE);
    let mut heard = true;
    loop {
        let message = tokio::select! {
            () = stop.cancelled() => return Some(close_code::AWAY),
            event = events.next() => match event {
                Some(view) => written(&view).map(|(_, json)| Message::text(json)),
                None => return Some(close_code::AWAY),
            },
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {
                    heard = true;
                    None
                }
            },
            _ = alive.tick() => if std::mem::take(&mut heard) {
                Some(Message::Ping(Bytes::new()))
            } else {
                return None;
            },
        };
        if let Some(message) = message {
            socket.send(message).await.ok()?;
        }
    }
}

/// Closes, and waits for the client to do the same: what it had under way would else break the pipe before it
/// reads why.
async fn close(mut socket: WebSocket, code: CloseCode) {
    let reason = "the service is stopping: connect again, with the last revision as since".into();
    if socket.send(Message::Close(Some(CloseFrame { code, reason }))).await.is_ok() {
        while let Some(Ok(_)) = socket.recv().await {}
    }
}

/// An event's name, and all of it as JSON.
fn written(view: &EventView) -> Option<(String, String)> {
    let json = serde_json::to_value(view).ok()?;
    let name = json.get("event")?.as_str()?.to_owned();
    Some((name, json.to_string()))
}

fn last_event_id(headers: &HeaderMap) -> Answer<Option<u64>> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| Fault::Invalid("last-event-id: it is no revision".to_owned()))
}
