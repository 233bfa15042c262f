//! Dev servers as tasks, over the API.

use serde_json::{Value, json};

use super::door::{ADA, ADMIN, BOB, Doors};
use crate::house::{PATIENCE, with_tasks};

#[tokio::test]
async fn a_task_is_started_shown_followed_and_ended() {
    let doors = Doors::open(&with_tasks(""), "").await;
    let script = "echo one; echo \"$WORD\" >&2; sleep 1000";
    let started = doors.api().post("/v1/tasks", &body(&["sh", "-c", script])).await.ok(201);
    let path = format!("/v1/tasks/{}", started["id"].as_str().expect("an id"));
    assert_eq!((&started["running"], &started["exit_code"]), (&json!(true), &Value::Null));
    assert_eq!(started["name"], "web");

    let mut lines = doors.api().follow(&format!("{path}/logs?follow")).await;
    assert_eq!(lines.next().await.as_deref(), Some("one"));
    assert_eq!(lines.next().await.as_deref(), Some("two words"));
    let so_far = doors.api().get(&format!("{path}/logs")).await;
    assert_eq!(so_far.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(so_far.text().contains("one\ntwo words\n"), "{}", so_far.text());

    let ended = doors.api().delete(&path).await.ok(200);
    assert_eq!(ended["running"], false);
    assert_eq!(lines.next().await, None, "its output ends with it");
    assert_eq!(doors.api().get(&path).await.ok(200)["running"], false);
}

#[tokio::test]
async fn an_attachment_tied_to_a_task_ends_it_and_a_dead_task_is_refused_with_its_last_lines() {
    let doors = Doors::open(&with_tasks(""), "").await;
    let port = xtask::real::free_port().expect("a port").to_string();
    let command = ["python3", "-m", "http.server", &port, "--bind", "127.0.0.1"];
    let task = doors.api().post("/v1/tasks", &body(&command)).await.ok(201);
    let attach = json!({
        "session_id": "s", "user_id": "ada", "port": port.parse::<u16>().expect("a port"),
        "bash_task_id": task["id"], "wait_seconds": PATIENCE.as_secs(),
    });
    let view = doors.api().post("/v1/attachments", &attach).await.ok(201);
    assert_eq!(view["bash_task_id"], task["id"]);
    let path = format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));
    let listeners = doors.api().get(&path).await.ok(200)["listeners"].clone();
    assert_eq!(listeners, json!([format!("127.0.0.1:{port}")]));
    doors.api().delete("/v1/sessions/s/attachments/default").await.ok(200);
    assert_eq!(doors.api().get(&path).await.ok(200)["running"], false);

    let refused = doors.api().post("/v1/attachments", &attach).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "task_dead"));
}

#[tokio::test]
async fn starting_tasks_needs_an_admin_unless_tasks_remote_is_set() {
    let doors = Doors::open(&with_tasks(""), "").await;
    let refused = doors.tcp().key(ADA).post("/v1/tasks", &body(&["true"])).await;
    assert_eq!(refused.code(), "forbidden");
    assert!(refused.problem().hint.contains("tasks.remote"));
    doors.tcp().key(ADMIN).post("/v1/tasks", &body(&["true"])).await.ok(201);

    let remote = with_tasks("").replace('}', ", remote: true }");
    let doors = Doors::open(&remote, "").await;
    doors.tcp().key(ADA).post("/v1/tasks", &body(&["true"])).await.ok(201);
    assert_eq!(doors.tcp().key(BOB).post("/v1/tasks", &body(&["true"])).await.code(), "forbidden");
}

#[tokio::test]
async fn another_users_task_reads_as_not_found_and_goes_on() {
    let doors = Doors::open(&with_tasks(""), "").await;
    let task = doors.api().post("/v1/tasks", &body(&["sleep", "1000"])).await.ok(201);
    let path = format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));
    let bob = doors.tcp().key(BOB);
    assert_eq!(bob.get(&path).await.code(), "not_found");
    assert_eq!(bob.get(&format!("{path}/logs")).await.code(), "not_found");
    assert_eq!(bob.delete(&path).await.code(), "not_found");
    assert_eq!(doors.tcp().key(ADA).get(&path).await.ok(200)["running"], true);

    let port = xtask::real::free_port().expect("a port");
    let steal = json!({ "session_id": "b", "user_id": "bob", "port": port, "bash_task_id": task["id"] });
    assert_eq!(bob.post("/v1/attachments", &steal).await.code(), "not_found");
    let ended = doors.api().delete("/v1/sessions/s").await.ok(200);
    assert_eq!(ended["tasks"], json!([task["id"]]));
}

fn body(command: &[&str]) -> Value {
    json!({
        "session_id": "s", "user_id": "ada", "command": command, "cwd": "/", "name": "web",
        "env": { "WORD": "two words" },
    })
}
