//! Who is shut out, by the operator's calls.

use serde_json::{Value, json};

use super::door::{ADA, ADMIN, Doors};
use crate::house::{listen, with_tasks};

#[tokio::test]
async fn what_is_blocked_is_told_listed_and_refused_until_it_is_let_in_again() {
    let doors = Doors::open(&with_tasks(""), "").await;
    let api = doors.api();
    let (_listener, port) = listen();
    let view = api.post("/v1/attachments", &attach(port)).await.ok(201);
    let mut events = api.follow("/v1/events").await;

    let block = json!({ "kind": "user", "value": "ada", "reason": "phishing" });
    let made = api.post("/v1/blocks", &block).await.ok(201);
    assert_eq!(
        (&made["kind"], &made["value"], &made["reason"]),
        (&json!("user"), &json!("ada"), &block["reason"])
    );
    let told: Value = serde_json::from_str(&events.after("data: ").await).expect("JSON");
    assert_eq!((&told["event"], &told["id"]), (&json!("web_preview:blocked"), &view["id"]));
    assert_eq!(api.get("/v1/blocks").await.ok(200)["blocks"], json!([made]));
    let shown = api.get("/v1/attachments").await.ok(200);
    assert_eq!(shown["attachments"][0]["blocked"], true, "{shown}");

    let refused = api.post("/v1/attachments", &attach(port)).await.problem();
    assert_eq!((refused.code.as_str(), refused.status), ("forbidden", 403));
    assert_eq!(refused.detail, "user ada is blocked by the operator");
    assert!(!format!("{refused:?}").contains("phishing"), "the reason is the operator's alone");
    let refused = api.post("/v1/tasks", &task()).await.problem();
    assert_eq!(refused.detail, "user ada is blocked by the operator");
    let check = json!({ "session_id": "a1", "token": view["token"] });
    assert_eq!(api.post("/v1/tokens/verify", &check).await.code(), "unauthorized");

    let gone = api.delete("/v1/blocks/user/ada").await.ok(200);
    assert_eq!(gone, json!({ "kind": "user", "value": "ada", "removed": true }));
    assert_eq!(api.delete("/v1/blocks/user/ada").await.ok(200)["removed"], false);
    let told: Value = serde_json::from_str(&events.after("data: ").await).expect("JSON");
    assert_eq!(told["event"], "web_preview:unblocked");
    api.post("/v1/tokens/verify", &check).await.ok(200);
    api.post("/v1/attachments", &attach(port)).await.ok(200);
    api.post("/v1/tasks", &task()).await.ok(201);
}

#[tokio::test]
async fn blocks_are_the_operators_alone() {
    let doors = Doors::open("", "").await;
    let (ada, admin) = (doors.tcp().key(ADA), doors.tcp().key(ADMIN));
    let block = json!({ "kind": "session", "value": "a1" });
    assert_eq!(ada.post("/v1/blocks", &block).await.code(), "forbidden");
    assert_eq!(ada.get("/v1/blocks").await.code(), "forbidden");
    assert_eq!(ada.delete("/v1/blocks/session/a1").await.code(), "forbidden");
    assert_eq!(doors.tcp().get("/v1/blocks").await.code(), "unauthorized");
    admin.post("/v1/blocks", &block).await.ok(201);
    for senseless in [
        json!({ "kind": "planet", "value": "a1" }),
        json!({ "kind": "host", "value": "https://a.example" }),
        json!({ "kind": "user" }),
        json!({ "kind": "user", "value": "ada", "reason": "x".repeat(257) }),
    ] {
        let problem = admin.post("/v1/blocks", &senseless).await.problem();
        assert_eq!((problem.status, problem.code.as_str()), (400, "request_invalid"), "{senseless}");
    }
}

#[tokio::test]
async fn another_proxys_visitor_of_what_is_blocked_is_not_let_in() {
    let doors = Doors::open("", "").await;
    let (_server, port) = doors.house.server();
    let view = doors.api().post("/v1/attachments", &attach(port)).await.ok(201);
    let uri = format!("/?session_id=a1&token={}", view["token"].as_str().expect("text"));
    let ask = doors.unix("verify").with("X-Forwarded-Host", &format!("preview-{port}.localhost:8080"));
    let ask =
        ask.with("X-Forwarded-Uri", &uri).with("X-Forwarded-Method", "GET").with("X-Forwarded-Proto", "http");
    assert_eq!(ask.get("/auth/verify").await.status, 204);
    let host = json!({ "kind": "host", "value": format!("preview-{port}.localhost") });
    doors.api().post("/v1/blocks", &host).await.ok(201);
    assert_eq!(ask.get("/auth/verify").await.status, 401);
    doors.api().delete(&format!("/v1/blocks/host/preview-{port}.localhost")).await.ok(200);
    assert_eq!(ask.get("/auth/verify").await.status, 204);
}

fn attach(port: u16) -> Value {
    json!({ "session_id": "a1", "user_id": "ada", "port": port, "wait_seconds": 1, "health_check": false })
}

fn task() -> Value {
    json!({ "session_id": "a2", "user_id": "ada", "command": ["sleep", "1000"], "cwd": "/" })
}
