//! What each key covers.

use serde_json::{Value, json};

use super::door::{ADA, ADAS_SESSION, ADMIN, BOB, Doors, write_keys};
use crate::house::listen;

#[tokio::test]
async fn a_key_of_another_session_or_user_reads_foreign_ids_as_not_found() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let id = attach(&doors, "a2", "ada", port).await;
    for key in [BOB, ADAS_SESSION] {
        let door = doors.tcp().key(key);
        let path = format!("/v1/attachments/{id}");
        assert_eq!(door.get(&path).await.code(), "not_found");
        assert_eq!(door.delete(&path).await.code(), "not_found");
        for verb in ["rotate", "revoke", "keep-alive"] {
            assert_eq!(door.post(&format!("{path}/{verb}"), &json!({})).await.code(), "not_found");
        }
        let unknown = door.get("/v1/attachments/aaaaaaaaaaaaaaaaaaaaaaaaaa").await;
        assert_eq!(door.get(&path).await.body, unknown.body, "nobody learns that it exists");
    }
    doors.tcp().key(ADA).get(&format!("/v1/attachments/{id}")).await.ok(200);
}

#[tokio::test]
async fn a_session_or_user_in_body_query_path_or_header_must_lie_within_the_keys_scope() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    attach(&doors, "b1", "bob", port).await;
    let ada = doors.tcp().key(ADA);
    let session = doors.tcp().key(ADAS_SESSION);

    for foreign in [body("b1", "bob", port), body("a9", "bob", port), body("b1", "ada", port)] {
        assert_eq!(ada.post("/v1/attachments", &foreign).await.code(), "forbidden", "{foreign}");
    }
    assert_eq!(session.post("/v1/attachments", &body("a2", "ada", port)).await.code(), "forbidden");

    for path in ["/v1/attachments?session_id=b1", "/v1/attachments?user_id=bob", "/v1/events?session_id=b1"] {
        assert_eq!(ada.get(path).await.code(), "forbidden", "{path}");
        assert_eq!(session.get(&path.replace("user_id=bob", "session_id=a2")).await.code(), "forbidden");
    }
    for path in ["/v1/sessions/b1", "/v1/sessions/b1/attachments/default"] {
        assert_eq!(ada.delete(path).await.code(), "forbidden", "{path}");
        assert_eq!(session.delete(path).await.code(), "forbidden", "{path}");
    }
    for (name, value) in [("Preview-Session", "b1"), ("Preview-User", "bob")] {
        assert_eq!(ada.with(name, value).get("/v1/attachments").await.code(), "forbidden", "{name}");
    }
    assert_eq!(session.with("Preview-Session", "a2").get("/v1/attachments").await.code(), "forbidden");
    ada.with("Preview-User", "ada").with("Preview-Session", "a1").get("/v1/attachments").await.ok(200);
}

#[tokio::test]
async fn a_list_shows_each_key_its_own() {
    let doors = Doors::open("", "").await;
    let ((_one, first), (_two, second), (_three, third)) = (listen(), listen(), listen());
    let narrow = attach(&doors, "a1", "ada", first).await;
    let hers = attach(&doors, "a2", "ada", second).await;
    let his = attach(&doors, "b1", "bob", third).await;
    for (key, mut expected) in [
        (ADMIN, vec![&narrow, &hers, &his]),
        (ADA, vec![&narrow, &hers]),
        (BOB, vec![&his]),
        (ADAS_SESSION, vec![&narrow]),
    ] {
        let list = doors.tcp().key(key).get("/v1/attachments").await.ok(200);
        expected.sort();
        assert_eq!(ids(&list), expected, "{key}");
    }
    assert_eq!(ids(&doors.api().get("/v1/attachments?session_id=a2").await.ok(200)), [&hers]);
    assert_eq!(ids(&doors.api().get("/v1/attachments?user_id=bob").await.ok(200)), [&his]);
}

#[tokio::test]
async fn a_session_belongs_to_the_user_of_its_first_attach_until_it_ends() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    attach(&doors, "s", "ada", port).await;
    doors.api().delete("/v1/sessions/s/attachments/default").await.ok(200);
    assert_eq!(doors.api().post("/v1/attachments", &body("s", "bob", port)).await.code(), "forbidden");
    doors.api().delete("/v1/sessions/s").await.ok(200);
    attach(&doors, "s", "bob", port).await;
}

#[tokio::test]
async fn a_key_shown_on_the_api_socket_counts_alone() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    attach(&doors, "b1", "bob", port).await;
    let list = doors.api().key(ADA).get("/v1/attachments").await.ok(200);
    assert!(ids(&list).is_empty());
    assert_eq!(doors.api().key("no-such-key-at-all-00").get("/v1/attachments").await.code(), "unauthorized");
}

#[tokio::test]
async fn a_changed_keys_file_counts_at_once() {
    let doors = Doors::open("", "").await;
    let fresh = "key-of-somebody-who-is-new";
    assert_eq!(doors.tcp().key(fresh).get("/v1/attachments").await.code(), "unauthorized");
    write_keys(&doors.keys, &format!("admin {fresh}\n"));
    doors.tcp().key(fresh).get("/v1/attachments").await.ok(200);
    assert_eq!(doors.tcp().key(ADMIN).get("/v1/attachments").await.code(), "unauthorized");
}

#[tokio::test]
async fn keys_that_others_may_read_are_refused_at_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let doors = Doors::open("", "").await;
    let file = doors.keys.join("keys");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("ours");
    let mut config = crate::house::config(&doors.keys.join("other"), "");
    config.api.keys_file = Some(file);
    let refused = preview_daemon::start(config).await.map(|_| ()).expect_err("wide").to_string();
    assert!(refused.starts_with("api.keys_file: ") && refused.ends_with("keep digests"), "{refused}");
}

async fn attach(doors: &Doors, session: &str, user: &str, port: u16) -> String {
    let answer = doors.api().post("/v1/attachments", &body(session, user, port)).await.ok(201);
    answer["id"].as_str().expect("an id").to_owned()
}

fn body(session: &str, user: &str, port: u16) -> Value {
    json!({ "session_id": session, "user_id": user, "port": port, "health_check": false, "wait_seconds": 1 })
}

fn ids(list: &Value) -> Vec<&str> {
    let mut ids: Vec<_> = list["attachments"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["id"].as_str().expect("an id"))
        .collect();
    ids.sort_unstable();
    ids
}
