//! A client of the daemon's API: attaches a port, follows the events of its session over WebSocket, detaches.
//!
//! `cargo run -p preview-examples --bin attach_and_watch -- /run/preview/api.sock 5173`

#![expect(clippy::print_stdout, reason = "the program's output is its purpose")]

use anyhow::Context as _;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use preview_core::wire::api::{AttachmentView, Detached, Problem};
use preview_core::wire::events::{EventView, EventWord};
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio_tungstenite::tungstenite::Message;

const SESSION: &str = "example";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let socket = args.next().context("usage: attach_and_watch API_SOCK PORT")?;
    let port: u16 = args.next().context("usage: attach_and_watch API_SOCK PORT")?.parse()?;

    let stream = UnixStream::connect(&socket).await.with_context(|| format!("connecting to {socket}"))?;
    let url = format!("ws://localhost/v1/events?session_id={SESSION}");
    let (mut events, _) = tokio_tungstenite::client_async(url, stream).await?;

    let attach = json!({ "session_id": SESSION, "user_id": "me", "port": port, "name": "web" });
    let attached: AttachmentView = call(&socket, Method::POST, "/v1/attachments", Some(attach)).await?;
    println!("attached {} at {}", attached.name, attached.url);
    println!("open     {}", attached.iframe_url.as_deref().unwrap_or(&attached.url));

    let path = format!("/v1/sessions/{SESSION}/attachments/web");
    let detached: Detached = call(&socket, Method::DELETE, &path, None).await?;
    println!("detached {}: {}", detached.name, detached.removed);

    while let Some(message) = events.next().await {
        let Message::Text(text) = message? else { continue };
        let event: EventView = serde_json::from_str(&text)?;
        println!("event    {} {}", event.revision, word(&event.what));
        if matches!(event.what, EventWord::Detached { .. }) {
            break;
        }
    }
    Ok(())
}

/// One call of the API; a refusal becomes an error that says what to do next.
async fn call<T: serde::de::DeserializeOwned>(
    socket: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> anyhow::Result<T> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::<Bytes>::from(body.map_or_else(String::new, |body| body.to_string())))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let bytes = response.into_body().collect().await?.to_bytes();
    if !status.is_success() {
        let problem: Problem = serde_json::from_slice(&bytes)?;
        anyhow::bail!("{} × {} ({})", problem.code, problem.detail, problem.hint);
    }
    Ok(serde_json::from_slice(&bytes)?)
}

fn word(event: &EventWord) -> &'static str {
    match event {
        EventWord::Attached { .. } => "attached",
        EventWord::Detached { .. } => "detached",
        EventWord::Ready { .. } => "ready",
        _ => "other",
    }
}
