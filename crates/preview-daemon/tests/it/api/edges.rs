//! What edges ask and tell.

use serde_json::{Value, json};

use super::door::{Doors, EDGE};
use crate::house::listen;

#[tokio::test]
async fn the_feed_is_a_snapshot_and_then_every_change_one_json_object_a_line() {
    let doors = Doors::open("", "").await;
    let ((_one, first), (_two, second)) = (listen(), listen());
    let view = attach(&doors, "a", first).await;
    for door in [doors.unix("edge"), doors.tcp().key(EDGE)] {
        let mut feed = door.follow("/v1/routes").await;
        let mut kinds = Vec::new();
        let put = loop {
            let line: Value = serde_json::from_str(&feed.next().await.expect("a line")).expect("JSON");
            kinds.push(line["kind"].as_str().expect("a kind").to_owned());
            if line["kind"] == "put" {
                break line;
            }
        };
        assert_eq!(kinds.first().map(String::as_str), Some("hello"));
        assert!(kinds.contains(&"snapshot".to_owned()), "{kinds:?}");
        assert_eq!(put["route"]["id"], view["id"]);
        assert!(!put.to_string().contains(view["token"].as_str().expect("a token")), "digests only");
    }
    let mut feed = doors.unix("edge").follow("/v1/routes").await;
    let other = attach(&doors, "b", second).await;
    let id = other["id"].as_str().expect("an id");
    loop {
        let line = feed.next().await.expect("it goes on");
        if line.contains(id) {
            assert!(line.starts_with("{\"kind\":\"put\""), "{line}");
            break;
        }
    }
    let nonsense = doors.unix("edge").get("/v1/routes?since=x").await.problem();
    assert!(nonsense.detail.contains("since"), "{nonsense:?}");
}

#[tokio::test]
async fn a_report_of_a_visit_shows_in_the_attachment() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let view = attach(&doors, "a", port).await;
    assert_eq!(view["last_hit_at"], Value::Null);
    let entry = json!({
        "id": view["id"], "visit_ago_ms": 5, "presence_ago_ms": null, "open": 0, "requests": 1,
        "bytes_in": 10, "bytes_out": 20,
    });
    let report = json!({ "node": "box", "entries": [entry] });
    let told = doors.unix("edge").post("/v1/activity", &report).await;
    assert_eq!((told.status, told.body.len()), (204, 0));
    let path = format!("/v1/attachments/{}", view["id"].as_str().expect("an id"));
    assert!(doors.api().get(&path).await.ok(200)["last_hit_at"].is_string());
}

#[tokio::test]
async fn a_report_may_be_longer_than_other_bodies() {
    let doors = Doors::open("", "").await;
    let id = "a".repeat(26);
    let entry = json!({ "id": id, "open": 0, "requests": 1, "bytes_in": 0, "bytes_out": 0 });
    let report = json!({ "node": "box", "entries": vec![entry; 2_000] });
    assert!(report.to_string().len() > 64 * 1024);
    assert_eq!(doors.unix("edge").post("/v1/activity", &report).await.status, 204);
}

#[tokio::test]
async fn an_edge_asks_about_a_listener_that_is_new_to_it() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let view = attach(&doors, "a", port).await;
    let path = format!("/v1/attachments/{}/listener", view["id"].as_str().expect("an id"));
    let seen = json!({ "uid": 0, "inode": 1, "cgroup": null });
    let admitted = doors.unix("edge").post(&path, &seen).await.ok(200);
    assert!(admitted["revision"].is_u64());
    let unknown = "/v1/attachments/aaaaaaaaaaaaaaaaaaaaaaaaaa/listener";
    assert_eq!(doors.unix("edge").post(unknown, &seen).await.code(), "not_found");
    let problem = doors.unix("edge").post(&path, &json!({ "uid": -1, "inode": 1 })).await.problem();
    assert!(problem.detail.starts_with("uid: "), "{problem:?}");
}

async fn attach(doors: &Doors, name: &str, port: u16) -> Value {
    let body =
        json!({ "session_id": "s", "user_id": "u", "name": name, "port": port, "health_check": false });
    doors.api().post("/v1/attachments", &body).await.ok(201)
}
