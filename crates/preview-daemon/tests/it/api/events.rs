//! Events, by SSE and by WebSocket.

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::door::{ADA, BOB, Door, Doors, Stream};
use crate::house::{PATIENCE, listen};

#[tokio::test]
async fn server_sent_events_come_as_they_happen_with_the_seeds_names() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let mut events = doors.api().follow("/v1/events?session_id=s").await;
    let view = attach(&doors, "s", "ada", port).await;
    assert_eq!(events.after("event: ").await, "web_preview:attached");
    let event: Value = serde_json::from_str(&events.after("data: ").await).expect("JSON");
    for (field, value) in [
        ("event", json!("web_preview:attached")),
        ("session_id", json!("s")),
        ("user_id", json!("ada")),
        ("id", view["id"].clone()),
        ("name", json!("default")),
        ("type", json!("devserver")),
        ("url", view["url"].clone()),
        ("host", json!("127.0.0.1")),
        ("port", json!(port)),
        ("path", json!("")),
        ("replaced", json!(false)),
    ] {
        assert_eq!(event[field], value, "{field}");
    }
    assert!(event["revision"].is_u64() && event["time"].is_string() && event["duration_ms"].is_u64());
    doors.api().delete("/v1/sessions/s").await.ok(200);
    assert_eq!(events.after("event: ").await, "web_preview:detached");
}

#[tokio::test]
async fn a_follower_resumes_after_the_last_event_id_or_since() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let mut all = doors.api().follow("/v1/events?since=0").await;
    attach(&doors, "s", "ada", port).await;
    let first: u64 = revision(&mut all).await;
    doors.api().delete("/v1/sessions/s/attachments/default").await.ok(200);
    let second = revision(&mut all).await;
    assert!(second > first);

    let mut by_query = doors.api().follow(&format!("/v1/events?since={first}")).await;
    assert_eq!(revision(&mut by_query).await, second);
    let resumed = doors.api().with("Last-Event-ID", &first.to_string());
    let mut by_header = resumed.follow("/v1/events?since=0").await;
    assert_eq!(revision(&mut by_header).await, second, "the header is the later word");
    for door in [doors.api().with("Last-Event-ID", "x"), doors.api().with("Last-Event-ID", "-1")] {
        assert!(door.get("/v1/events").await.problem().detail.starts_with("last-event-id: "));
    }
}

#[tokio::test]
async fn a_follower_hears_nothing_of_others() {
    let doors = Doors::open("", "").await;
    let ((_one, first), (_two, second)) = (listen(), listen());
    let mut adas = doors.tcp().key(ADA).follow("/v1/events?since=0").await;
    attach(&doors, "b", "bob", first).await;
    assert!(adas.is_silent().await);
    attach(&doors, "a", "ada", second).await;
    let event: Value = serde_json::from_str(&adas.after("data: ").await).expect("JSON");
    assert_eq!(event["user_id"], "ada");
}

#[tokio::test]
async fn the_same_events_come_over_a_websocket() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let mut socket = websocket(&doors.api(), "/v1/events?session_id=s", None).await.expect("upgraded");
    let view = attach(&doors, "s", "ada", port).await;
    let event = next(&mut socket).await;
    assert_eq!((&event["event"], &event["id"]), (&json!("web_preview:attached"), &view["id"]));
    doors.api().delete("/v1/sessions/s").await.ok(200);
    assert_eq!(next(&mut socket).await["event"], "web_preview:detached");

    let since = format!("/v1/events?since={}", event["revision"]);
    let mut late = websocket(&doors.api(), &since, None).await.expect("upgraded");
    assert_eq!(next(&mut late).await["event"], "web_preview:detached");
    let mut bobs = websocket(&doors.tcp(), "/v1/events?since=0", Some(BOB)).await.expect("upgraded");
    attach(&doors, "b", "bob", port).await;
    assert_eq!(next(&mut bobs).await["user_id"], "bob");
}

#[tokio::test]
async fn a_websocket_needs_a_key_and_a_session_within_it() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    attach(&doors, "b", "bob", port).await;
    for (key, path, status) in [
        (None, "/v1/events", 401),
        (Some("no-such-key-at-all-00"), "/v1/events", 401),
        (Some(ADA), "/v1/events?session_id=b", 403),
    ] {
        let refused = websocket(&doors.tcp(), path, key).await.map(|_| ()).expect_err("refused");
        let Error::Http(response) = refused else { panic!("{refused}") };
        assert_eq!(response.status(), status);
    }
    let foreign = doors.api().with("Connection", "Upgrade").with("Upgrade", "websocket");
    let refused = foreign.with("Origin", "https://evil.example").get("/v1/events").await;
    assert_eq!(refused.code(), "origin_refused");
    let unknown = doors.api().with("Upgrade", "h2c").get("/v1/events").await.problem();
    assert!(unknown.detail.starts_with("upgrade: "), "{unknown:?}");
}

#[tokio::test]
async fn a_daemon_that_stops_tells_followers_to_come_again() {
    let doors = Doors::open("", "").await;
    let mut events = doors.api().follow("/v1/events").await;
    let mut socket = websocket(&doors.api(), "/v1/events", None).await.expect("upgraded");
    // Until it is upgraded on both sides, there is nobody to be told.
    let hello = tokio::time::timeout(PATIENCE, socket.next()).await.expect("alive").expect("open");
    assert!(matches!(hello, Ok(Message::Ping(_))), "{hello:?}");
    let Doors { house, .. } = doors;
    let told = async { tokio::time::timeout(PATIENCE, socket.next()).await.expect("told") };
    let ((), last) = tokio::join!(house.close(), told);
    assert_eq!(events.next().await, None);
    let Some(Ok(Message::Close(Some(frame)))) = last else { panic!("{last:?}") };
    assert_eq!(u16::from(frame.code), 1001);
}

async fn revision(events: &mut super::door::Lines) -> u64 {
    events.after("id: ").await.parse().expect("a revision")
}

async fn websocket(door: &Door, path: &str, key: Option<&str>) -> Result<WebSocketStream<Stream>, Error> {
    let mut request = format!("ws://localhost{path}").into_client_request()?;
    if let Some(key) = key {
        let value = format!("Bearer {key}").parse().expect("a header value");
        request.headers_mut().insert("authorization", value);
    }
    client_async(request, door.connect().await).await.map(|(socket, _)| socket)
}

async fn next(socket: &mut WebSocketStream<Stream>) -> Value {
    loop {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.expect("it comes");
        if let Message::Text(text) = message.expect("it is open").expect("it is sound") {
            return serde_json::from_str(&text).expect("JSON");
        }
    }
}

async fn attach(doors: &Doors, session: &str, user: &str, port: u16) -> Value {
    let body = json!({ "session_id": session, "user_id": user, "port": port, "health_check": false });
    doors.api().post("/v1/attachments", &body).await.ok(201)
}
