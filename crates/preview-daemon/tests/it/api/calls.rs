//! Attachments, from the first call to the last.

use serde_json::{Value, json};

use super::door::Doors;
use crate::house::listen;

#[tokio::test]
async fn an_attach_answers_201_with_all_that_is_promised_and_200_when_it_replaced_the_name() {
    let doors = Doors::open("", "").await;
    let (_server, port) = doors.house.server();
    let body = json!({ "session_id": "s", "user_id": "u", "port": port, "path": "/?tab=1" });
    let view = doors.api().post("/v1/attachments", &body).await.ok(201);
    for field in [
        "id",
        "name",
        "type",
        "session_id",
        "user_id",
        "host",
        "port",
        "path",
        "bash_task_id",
        "created_at",
        "last_hit_at",
        "iframe_url",
        "url",
        "token",
        "visibility",
        "verdict",
    ] {
        assert!(view.get(field).is_some(), "{field}: {view}");
    }
    let (url, token) = (text(&view, "url"), text(&view, "token"));
    assert_eq!(url, format!("http://preview-{port}.localhost:8080/?tab=1"));
    assert_eq!(text(&view, "iframe_url"), format!("{url}&session_id=s&token={token}"));
    assert_eq!((text(&view, "type"), text(&view, "name")), ("devserver", "default"));
    let verdict = &view["verdict"];
    assert_eq!((&verdict["state"], &verdict["status"]), (&json!("live"), &json!(200)));
    assert_eq!(verdict["listener"], format!("127.0.0.1:{port}"));
    assert_eq!(verdict["host_policy"], "preserve");

    let again = doors.api().post("/v1/attachments", &body).await.ok(200);
    assert_eq!(again["id"], view["id"]);
    assert_ne!(again["token"], view["token"]);
}

#[tokio::test]
async fn a_token_is_only_in_the_answer_that_hands_it_out_and_nobody_may_keep_it() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let attached = doors.api().post("/v1/attachments", &body("default", port)).await;
    let view = attached.ok(201);
    assert_eq!(attached.header("cache-control"), Some("no-store"));
    let token = text(&view, "token");
    for path in [format!("/v1/attachments/{}", text(&view, "id")), "/v1/attachments".to_owned()] {
        let shown = doors.api().get(&path).await;
        assert!(!shown.ok(200).to_string().contains(token), "{path}");
    }
}

#[tokio::test]
async fn a_list_goes_on_at_its_cursor_until_all_have_been_shown_once() {
    let template = "public_url_template: \"http://{id}.localhost:8080\"";
    let limits = "limits: { per_session: 200, per_user: 200 }";
    let doors = Doors::open(&format!("{template}\n{limits}"), "").await;
    let (_listener, port) = listen();
    for number in 0..103 {
        doors.api().post("/v1/attachments", &body(&format!("n{number}"), port)).await.ok(201);
    }
    let mut seen = Vec::new();
    let mut path = "/v1/attachments?session_id=s".to_owned();
    loop {
        let page = doors.api().get(&path).await.ok(200);
        seen.extend(page["attachments"].as_array().expect("a list").iter().map(|it| it["id"].clone()));
        let Some(cursor) = page.get("cursor").and_then(Value::as_str) else { break };
        path = format!("/v1/attachments?session_id=s&cursor={cursor}");
    }
    assert_eq!(seen.len(), 103);
    seen.dedup();
    assert_eq!(seen.len(), 103);
    let nonsense = doors.api().get("/v1/attachments?cursor=x").await.problem();
    assert!(nonsense.detail.starts_with("cursor: "), "{nonsense:?}");
}

#[tokio::test]
async fn a_detach_says_what_it_took_down_and_an_unknown_name_is_success() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let view = doors.api().post("/v1/attachments", &body("my app", port)).await.ok(201);
    let detached = doors.api().delete("/v1/sessions/s/attachments/my%20app").await.ok(200);
    assert_eq!((&detached["name"], &detached["removed"]), (&json!("my app"), &json!(true)));
    assert_eq!(detached["previous"]["id"], view["id"]);
    let again = doors.api().delete("/v1/sessions/s/attachments/my%20app").await.ok(200);
    assert_eq!(again, json!({ "name": "my app", "removed": false, "previous": null }));

    let view = doors.api().post("/v1/attachments", &body("default", port)).await.ok(201);
    let path = format!("/v1/attachments/{}", text(&view, "id"));
    assert_eq!(doors.api().delete(&path).await.ok(200)["removed"], true);
    assert_eq!(doors.api().delete(&path).await.code(), "not_found");
}

#[tokio::test]
async fn the_end_of_a_session_takes_all_of_it_down() {
    let doors = Doors::open("", "").await;
    let ((_one, first), (_two, second)) = (listen(), listen());
    doors.api().post("/v1/attachments", &body("a", first)).await.ok(201);
    doors.api().post("/v1/attachments", &body("b", second)).await.ok(201);
    let mut ended = doors.api().delete("/v1/sessions/s").await.ok(200);
    ended["detached"].as_array_mut().expect("names").sort_by_key(ToString::to_string);
    assert_eq!(ended, json!({ "session_id": "s", "detached": ["a", "b"], "tasks": [] }));
    assert_eq!(doors.api().get("/v1/attachments").await.ok(200)["attachments"], json!([]));
}

#[tokio::test]
async fn rotate_and_revoke_hand_out_a_new_token_and_keep_alive_does_not() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let view = doors.api().post("/v1/attachments", &body("default", port)).await.ok(201);
    let call = async |verb: &str| {
        let path = format!("/v1/attachments/{}/{verb}", text(&view, "id"));
        doors.api().call("POST", &path, None).await.ok(200)
    };
    let is_good = async |view: &Value| {
        let check = json!({ "session_id": "s", "token": text(view, "token") });
        doors.tcp().post("/v1/tokens/verify", &check).await.status == 200
    };
    let rotated = call("rotate").await;
    assert!(is_good(&rotated).await && is_good(&view).await, "the old one has a minute left");
    let revoked = call("revoke").await;
    assert!(is_good(&revoked).await && !is_good(&rotated).await, "it is out at once");
    let kept = call("keep-alive").await;
    assert!(kept.get("token").is_none() && is_good(&revoked).await);
}

#[tokio::test]
async fn the_sixth_attachment_of_a_session_is_refused_with_what_to_detach() {
    let template = "public_url_template: \"http://{id}.localhost:8080\"";
    let doors = Doors::open(template, "").await;
    let (_listener, port) = listen();
    for name in ["a", "b", "c", "d", "e"] {
        doors.api().post("/v1/attachments", &body(name, port)).await.ok(201);
    }
    let refused = doors.api().post("/v1/attachments", &body("f", port)).await;
    assert_eq!(refused.status, 429);
    let problem = refused.problem();
    assert_eq!(
        (problem.code.as_str(), problem.detail.as_str()),
        ("limit_session", "limit reached: 5 / session")
    );
    assert!(problem.hint.contains("a (0s old)"), "{problem:?}");
    doors.api().post("/v1/attachments", &body("a", port)).await.ok(200);
}

#[tokio::test]
async fn a_port_on_which_nothing_listens_is_refused_and_so_is_one_that_is_not_allowed() {
    let doors = Doors::open("", "").await;
    let port = xtask::real::free_port().expect("a port");
    let refused = doors.api().post("/v1/attachments", &body("default", port)).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "port_not_listening"));
    let refused = doors.api().post("/v1/attachments", &body("default", 22)).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "port_refused"));
}

#[tokio::test]
async fn health_counts_what_is_attached() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    doors.api().post("/v1/attachments", &body("default", port)).await.ok(201);
    let health = doors.tcp().get("/health/web_preview").await.ok(200);
    assert_eq!((&health["status"], &health["count"]), (&json!("ok"), &json!(1)));
    assert_eq!((&health["by_type"], &health["session_count"]), (&json!({ "devserver": 1 }), &json!(1)));
    assert_eq!(
        health["limits"],
        json!({ "max_per_session": 5, "max_per_user": 20, "idle_reap_after_seconds": 1800 })
    );
    for field in ["version", "oldest_age_seconds", "oldest_idle_seconds"] {
        assert!(health.get(field).is_some(), "{field}");
    }
    assert_eq!(doors.api().get("/health/web_preview").await.ok(200)["by_user"], json!({ "u": 1 }));
    assert_eq!(doors.tcp().get("/ready").await.ok(200), json!({ "status": "ready" }));
}

#[tokio::test]
async fn health_says_that_sessions_are_not_isolated_where_tasks_run_as_the_daemon() {
    let doors = Doors::open("", "").await;
    let health = doors.tcp().get("/health").await.ok(200);
    assert_eq!((&health["status"], &health["isolation"]), (&json!("ok"), &json!("none")));
    assert!(health["hint"].as_str().expect("a hint").contains("not isolated"));
    let other = Doors::open("tasks: { user: nobody }", "").await;
    assert_eq!(other.tcp().get("/healthz").await.ok(200)["isolation"], "user");
}

fn body(name: &str, port: u16) -> Value {
    json!({
        "session_id": "s", "user_id": "u", "name": name, "port": port,
        "health_check": false, "wait_seconds": 1,
    })
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field}: {value}"))
}
