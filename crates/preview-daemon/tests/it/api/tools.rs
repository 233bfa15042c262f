//! The agent tools of the seed, by name.

use serde_json::json;

use super::door::{ADA, ADMIN, Doors};
use crate::house::listen;

#[tokio::test]
async fn an_agent_attaches_lists_and_detaches_in_the_session_that_the_platform_names() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let agent = doors.tcp().key(ADMIN).with("Preview-Session", "s").with("Preview-User", "u");
    let call = json!({ "port": port, "name": "app", "health_check": false });
    let view = agent.post("/v1/tools/PreviewProxy", &call).await.ok(201);
    assert_eq!(
        (&view["session_id"], &view["user_id"], &view["name"]),
        (&json!("s"), &json!("u"), &json!("app"))
    );
    assert!(view["iframe_url"].as_str().is_some_and(|url| url.contains("session_id=s&token=")));
    agent.post("/v1/tools/PreviewProxy", &call).await.ok(200);

    let list = agent.post("/v1/tools/PreviewList", &json!({})).await.ok(200);
    assert_eq!(list["attachments"][0]["id"], view["id"]);
    let other = doors.tcp().key(ADMIN).with("Preview-Session", "t").with("Preview-User", "u");
    assert_eq!(other.post("/v1/tools/PreviewList", &json!({})).await.ok(200)["attachments"], json!([]));

    let detached = agent.post("/v1/tools/PreviewDetach", &json!({ "name": "app" })).await.ok(200);
    assert_eq!(detached["removed"], true);
    let again = agent.post("/v1/tools/PreviewDetach", &json!({})).await.ok(200);
    assert_eq!(again, json!({ "name": "default", "removed": false, "previous": null }));
}

#[tokio::test]
async fn an_agent_does_not_choose_for_whom_it_acts() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let agent = doors.tcp().key(ADMIN).with("Preview-Session", "s").with("Preview-User", "u");
    for field in ["session_id", "user_id"] {
        let refused = agent.post("/v1/tools/PreviewProxy", &json!({ "port": port, field: "x" })).await;
        assert!(refused.problem().detail.starts_with(field), "{}", refused.text());
    }
    let nameless = doors.tcp().key(ADMIN).post("/v1/tools/PreviewProxy", &json!({ "port": port })).await;
    assert!(nameless.problem().detail.starts_with("preview-session: "), "{}", nameless.text());
    let foreign = doors.tcp().key(ADA).with("Preview-Session", "s").with("Preview-User", "bob");
    assert_eq!(foreign.post("/v1/tools/PreviewProxy", &json!({ "port": port })).await.code(), "forbidden");
}

#[tokio::test]
async fn a_wrong_argument_is_named() {
    let doors = Doors::open("", "").await;
    let agent = doors.tcp().key(ADMIN).with("Preview-Session", "s").with("Preview-User", "u");
    for (arguments, field) in [
        (json!({}), "port"),
        (json!({ "port": "3000" }), "port"),
        (json!({ "port": 3000, "wait_seconds": -1 }), "wait_seconds"),
        (json!({ "port": 3000, "host_header": "magic" }), "host_header"),
        (json!({ "port": 3000, "prot": 1 }), "prot"),
    ] {
        let problem = agent.post("/v1/tools/PreviewProxy", &arguments).await.problem();
        assert_eq!(problem.code, "request_invalid");
        assert!(problem.detail.contains(field), "{arguments}: {problem:?}");
    }
}
