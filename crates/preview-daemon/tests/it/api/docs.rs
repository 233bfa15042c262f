//! The examples of `docs/api.md`.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::door::{ADMIN, Doors};
use crate::house::{PATIENCE, listen, with_tasks};

#[tokio::test]
async fn every_example_of_the_docs_works() {
    let doors = Doors::open(&with_tasks(""), "").await;
    let (_server, port) = doors.house.server();
    let (_listener, other) = listen();
    let web = attach(&doors, json!({ "session_id": "s1", "name": "web", "port": port })).await;
    let last = attach(&doors, json!({ "session_id": "s2", "port": other, "health_check": false })).await;
    let task = json!({
        "session_id": "s1", "user_id": "ada", "command": ["sh", "-c", "echo up; sleep 1000"], "cwd": "/",
    });
    let task = doors.api().post("/v1/tasks", &task).await.ok(201);
    let run = doors.house.scratch.join("state/run");
    let variables = BTreeMap::from([
        ("RUN", run.display().to_string()),
        ("KEY", ADMIN.to_owned()),
        ("ID", text(&web, "id")),
        ("TOKEN", text(&web, "token")),
        ("OTHER", text(&last, "id")),
        ("TASK", text(&task, "id")),
    ]);
    let tcp = doors.tcp_address().to_string();
    let examples = examples(include_str!("../../../../../docs/api.md"));
    assert!(examples.len() > 20);
    for example in examples {
        let command = example.replace("5173", &port.to_string()).replace("127.0.0.1:9460", &tcp);
        let told = if command.contains("curl -sSN") {
            first_line(&command, &variables).await
        } else {
            whole(&command, &variables).await
        };
        assert!(!told.contains("urn:preview:"), "{example}\n{told}");
    }
}

async fn attach(doors: &Doors, mut body: Value) -> Value {
    body["user_id"] = json!("ada");
    doors.api().post("/v1/attachments", &body).await.ok(201)
}

/// What stands between the marks of a shell block.
fn examples(page: &str) -> Vec<String> {
    page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

async fn whole(command: &str, variables: &BTreeMap<&str, String>) -> String {
    let output = Command::new("sh").args(["-ec", command]).envs(variables).output();
    let output = tokio::time::timeout(PATIENCE, output).await.expect("it ends").expect("sh");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command}\n{told}{}", String::from_utf8_lossy(&output.stderr));
    told
}

/// The beginning of what goes on without end.
async fn first_line(command: &str, variables: &BTreeMap<&str, String>) -> String {
    let mut child = Command::new("sh")
        .args(["-ec", &format!("exec {command}")])
        .envs(variables)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("sh");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it says something");
    child.kill().await.expect("it runs until then");
    line.expect("text").unwrap_or_else(|| panic!("it ended: {command}"))
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().expect(field).to_owned()
}
