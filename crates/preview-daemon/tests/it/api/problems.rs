//! What is wrong with a request comes back as a problem that names the field.

use serde_json::{Value, json};

use super::door::{ADMIN, Doors, EDGE};
use crate::service::Service;

#[tokio::test]
async fn each_field_of_each_body_is_named_when_it_has_the_wrong_type() {
    let doors = Doors::open("", "").await;
    for (path, key, body) in bodies() {
        let fields = body.as_object().expect("an object").clone();
        for field in fields.keys() {
            let mut wrong = fields.clone();
            // The only type that none of the fields has.
            wrong.insert(field.clone(), json!([[{}]]));
            let refused = doors.tcp().key(key).post(path, &wrong.into()).await;
            let problem = refused.problem();
            assert_eq!((problem.status, problem.code.as_str()), (400, "request_invalid"), "{path} {field}");
            assert!(problem.detail.contains(field.as_str()), "{path} {field}: {problem:?}");
        }
    }
}

#[tokio::test]
async fn a_missing_an_unknown_and_a_double_field_are_named() {
    let doors = Doors::open("", "").await;
    let post = async |body: &str| {
        let text = format!(
            "POST /v1/attachments HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        doors.api().exchange(text.as_bytes()).await.expect("an answer").problem()
    };
    let missing = post(r#"{"session_id":"s","user_id":"u"}"#).await;
    assert!(missing.detail.contains("missing field `port`"), "{missing:?}");
    let unknown = post(r#"{"session_id":"s","user_id":"u","port":3000,"prot":1}"#).await;
    assert!(unknown.detail.contains("unknown field `prot`"), "{unknown:?}");
    let double = post(r#"{"session_id":"s","user_id":"u","port":3000,"port":3001}"#).await;
    assert!(double.detail.contains("duplicate field `port`"), "{double:?}");
    for broken in ["", "{", "[]", "null", r#"{"port":3000} x"#, "\u{1}"] {
        let problem = post(broken).await;
        assert_eq!(problem.code, "request_invalid", "{broken}");
        assert!(problem.detail.starts_with("body: "), "{broken}: {problem:?}");
    }
    for deep in ["[", "{\"a\":"] {
        assert_eq!(post(&deep.repeat(10_000)).await.code, "request_invalid");
    }
}

#[tokio::test]
async fn a_value_that_no_such_field_may_have_is_named_with_what_is_allowed() {
    let doors = Doors::open("", "").await;
    for (field, value, code) in [
        ("session_id", json!("a b"), "session_invalid"),
        ("session_id", json!(""), "session_invalid"),
        ("user_id", json!("x".repeat(129)), "session_invalid"),
        ("app_id", json!("/"), "session_invalid"),
        ("name", json!("a/b"), "name_invalid"),
        ("name", json!("x".repeat(65)), "name_invalid"),
        ("port", json!(0), "request_invalid"),
        ("port", json!(65_536), "request_invalid"),
        ("port", json!(-1), "request_invalid"),
        ("port", json!(3000.5), "request_invalid"),
        ("port", json!(1e300), "request_invalid"),
        ("path", json!("no-slash"), "request_invalid"),
        ("path", json!("/".repeat(513)), "request_invalid"),
        ("host", json!("10.0.0.1"), "request_invalid"),
        ("host", json!("evil.example"), "request_invalid"),
        ("wait_seconds", json!(121), "request_invalid"),
        ("wait_seconds", json!(u64::MAX), "request_invalid"),
        ("host_header", json!("magic"), "request_invalid"),
        ("visibility", json!("PUBLIC"), "request_invalid"),
        ("bash_task_id", json!("../x"), "request_invalid"),
    ] {
        let mut body = attach();
        body[field] = value.clone();
        let problem = doors.api().post("/v1/attachments", &body).await.problem();
        assert_eq!((problem.status, problem.code.as_str()), (400, code), "{field} {value}: {problem:?}");
        assert!(problem.detail.contains(field), "{field} {value}: {problem:?}");
    }
}

#[tokio::test]
async fn what_stands_in_path_and_query_is_named_too() {
    let doors = Doors::open("", "").await;
    for (path, names) in [
        ("/v1/attachments/x", "id"),
        ("/v1/attachments/AAAAAAAAAAAAAAAAAAAAAAAAAA", "id"),
        ("/v1/attachments/%00", "id"),
        ("/v1/attachments/%ff", "id"),
        ("/v1/attachments?session_id=a%20b", "session_id"),
        ("/v1/attachments?user_id=", "user_id"),
        ("/v1/attachments?session=s", "session"),
        ("/v1/attachments?session_id=a&session_id=b", "session_id"),
        ("/v1/events?since=-1", "since"),
        ("/v1/events?since=18446744073709551616", "since"),
        ("/v1/tasks/a%2Fb", "task"),
        ("/v1/tasks/t/logs?follow=maybe", "follow"),
    ] {
        let problem = doors.api().get(path).await.problem();
        assert_eq!(problem.status, 400, "{path}: {problem:?}");
        assert!(problem.detail.contains(names), "{path}: {problem:?}");
    }
}

#[tokio::test]
async fn a_body_over_64_kib_is_refused_before_it_is_read() {
    let doors = Doors::open("", "").await;
    let body = json!({ "session_id": "s", "token": "x".repeat(64 * 1024) });
    let refused = doors.tcp().post("/v1/tokens/verify", &body).await;
    assert_eq!((refused.status, refused.code().as_str()), (413, "request_invalid"));
    assert_eq!(refused.problem().detail, "body: it is longer than 65536 bytes");
}

#[tokio::test]
async fn a_body_that_is_not_said_to_be_json_is_refused() {
    let doors = Doors::open("", "").await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let text = format!(
            "POST /v1/attachments HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n\
             Content-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        );
        let refused = doors.api().exchange(text.as_bytes()).await.expect("an answer");
        assert_eq!((refused.status, refused.code().as_str()), (415, "request_invalid"));
        assert!(refused.problem().detail.starts_with("content-type: "));
    }
}

#[tokio::test]
async fn an_unknown_call_is_not_found_and_a_wrong_method_is_told_the_right_ones() {
    let doors = Doors::open("", "").await;
    for path in ["/", "/v1", "/v1/attachment", "/v2/attachments", "/v1/attachments/", "/v1/logins", "/%ff"] {
        let problem = doors.api().get(path).await.problem();
        assert_eq!((problem.status, problem.code.as_str()), (404, "not_found"), "{path}");
        assert!(problem.detail.contains("path"), "{problem:?}");
    }
    for (method, path, allowed) in [
        ("PUT", "/v1/attachments", "POST,GET,HEAD"),
        ("DELETE", "/health", "GET,HEAD"),
        ("GET", "/v1/tools/PreviewList", "POST"),
        ("POST", "/v1/sessions/s", "DELETE"),
    ] {
        let refused = doors.api().call(method, path, None).await;
        assert_eq!((refused.status, refused.code().as_str()), (405, "request_invalid"), "{method} {path}");
        assert!(refused.problem().detail.starts_with("method: "));
        let mut named: Vec<_> = refused.header("allow").expect("Allow").split(',').map(str::trim).collect();
        let mut expected: Vec<_> = allowed.split(',').collect();
        named.sort_unstable();
        expected.sort_unstable();
        assert_eq!(named, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn switched_off_previews_refuse_new_attaches() {
    let doors = Doors::open("enabled: false", "").await;
    let refused = doors.api().post("/v1/attachments", &attach()).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "disabled"));
    doors.api().get("/v1/attachments").await.ok(200);
}

#[test]
fn no_token_key_or_query_reaches_the_log() {
    let service = Service::start("log: { level: trace, format: json }");
    let client = service.client();
    let (_listener, port) = crate::house::listen();
    let body = json!({ "session_id": "s", "user_id": "u", "port": port, "health_check": false });
    let view = client.call("POST", "/v1/attachments", Some(&body)).expect("answered").body;
    let token = view["token"].as_str().expect("a token").to_owned();
    let canary = "canary-5f1c";
    let check = json!({ "session_id": "s", "token": token });
    client.call("POST", "/v1/tokens/verify", Some(&check)).expect("answered");
    let path = format!("/v1/attachments?session_id=s&token={canary}");
    assert_eq!(client.call("GET", &path, None).expect("answered").status, 400);
    let wrong = json!({ "session_id": "s", "token": canary });
    client.call("POST", "/v1/tokens/verify", Some(&wrong)).expect("answered");
    // CR and LF cannot stand in a request line, and written as %0d%0a they stay what they are.
    client.call("GET", "/v1/attachments/a%0d%0ab", None).expect("answered");
    let log = service.output();
    assert!(log.contains("/v1/attachments/a%0d%0ab"), "{log}");
    assert!(!log.contains(&token) && !log.contains(canary), "{log}");
}

/// A good body for each call that takes one, with a key that may make it.
fn bodies() -> Vec<(&'static str, &'static str, Value)> {
    let task = json!({
        "session_id": "s", "user_id": "u", "command": ["true"], "cwd": "/", "env": {}, "name": "n",
    });
    let report = json!({ "node": "box", "entries": [] });
    vec![
        ("/v1/attachments", ADMIN, attach()),
        ("/v1/tasks", ADMIN, task),
        ("/v1/tokens/verify", ADMIN, json!({ "session_id": "s", "token": "t" })),
        ("/v1/activity", EDGE, report),
        (
            "/v1/attachments/aaaaaaaaaaaaaaaaaaaaaaaaaa/listener",
            EDGE,
            json!({ "uid": 0, "inode": 1, "cgroup": 1 }),
        ),
    ]
}

fn attach() -> Value {
    json!({
        "session_id": "s", "user_id": "u", "app_id": "a", "port": 3999, "name": "n", "path": "/",
        "host": "localhost", "bash_task_id": null, "wait_seconds": 1, "health_check": false,
        "host_header": "auto", "visibility": "private",
    })
}
