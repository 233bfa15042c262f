//! Who did what and who was refused, as `GET /v1/audit` tells it.

use preview_core::audit::{Link, Sealed, verify};
use preview_core::wire::audit::AuditPage;
use serde_json::{Value, json};

use super::door::{ADA, ADAS_SESSION, ADMIN, BOB, Door, Doors, EDGE};
use crate::house::{PATIENCE, listen, with_tasks};

#[tokio::test]
async fn every_change_is_kept_with_who_made_it_and_the_whole_leads_to_its_end() {
    let doors = Doors::open(&with_tasks(""), "").await;
    let (api, ada) = (doors.api(), doors.tcp().key(ADA));
    let (_listener, port) = listen();
    let attach = json!({ "session_id": "a1", "user_id": "ada", "port": port, "health_check": false });
    let id = ada.post("/v1/attachments", &attach).await.ok(201)["id"].as_str().expect("an id").to_owned();
    for verb in ["rotate", "revoke"] {
        ada.post(&format!("/v1/attachments/{id}/{verb}"), &json!({})).await.ok(200);
    }
    let shared = ada.post(&format!("/v1/attachments/{id}/shares"), &json!({ "label": "Bea" })).await.ok(201);
    let number = shared["number"].as_u64().expect("a number");
    ada.delete(&format!("/v1/attachments/{id}/shares/{number}")).await.ok(200);
    let public = json!({ "visibility": "public" });
    ada.post(&format!("/v1/attachments/{id}/visibility"), &public).await.ok(200);
    let task = json!({ "session_id": "a1", "user_id": "ada", "command": ["sleep", "1000"], "cwd": "/" });
    let task = api.post("/v1/tasks", &task).await.ok(201)["id"].as_str().expect("an id").to_owned();
    api.delete(&format!("/v1/tasks/{task}")).await.ok(200);
    let block = json!({ "kind": "session", "value": "b9", "reason": "test" });
    api.post("/v1/blocks", &block).await.ok(201);
    api.delete("/v1/blocks/session/b9").await.ok(200);
    ada.delete(&format!("/v1/attachments/{id}")).await.ok(200);
    ada.delete("/v1/sessions/a1").await.ok(200);

    let page = audit(&api, "").await;
    let hers = "tcp 127.0.0.1 user:ada";
    let mine = format!("api.sock uid {} admin", rustix::process::geteuid().as_raw());
    let told: Vec<_> = page.entries.iter().map(|it| (it.action.as_str(), it.by.as_str())).collect();
    let expected = [
        ("attached", hers),
        ("rotated", hers),
        ("revoked", hers),
        ("shared", hers),
        ("unshared", hers),
        ("visibility", hers),
        ("task_started", &mine),
        ("task_ended", &mine),
        ("blocked", &mine),
        ("unblocked", &mine),
        ("detached", hers),
        ("session_ended", hers),
    ];
    assert_eq!(told, expected);
    let attached = &page.entries[0];
    assert_eq!(attached.subject.as_deref(), Some(id.as_str()));
    assert_eq!((attached.session_id.as_deref(), attached.user_id.as_deref()), (Some("a1"), Some("ada")));
    assert_eq!(page.entries[3].subject.as_deref(), Some(id.as_str()));
    let link = page.entries[3].detail.as_deref().expect("which link");
    assert!(link.contains(&number.to_string()) && !link.contains("token"), "{link}");
    assert_eq!(page.entries[6].subject.as_deref(), Some(task.as_str()));
    assert_eq!(page.entries[8].subject.as_deref(), Some("session b9"));
    assert_eq!(page.entries[8].detail.as_deref(), Some("test"));
    let anchor = Link::from(page.anchor.as_ref().expect("an admin"));
    let head = Link::from(page.head.as_ref().expect("an admin"));
    let sealed: Vec<Sealed> = page.entries.into_iter().map(Sealed::from).collect();
    assert_eq!(verify(anchor, &sealed), Ok(head));
}

#[tokio::test]
async fn each_key_reads_what_is_its_own() {
    let doors = Doors::open("", "").await;
    let ((_one, first), (_two, second), (_three, third)) = (listen(), listen(), listen());
    for (session, user, port) in [("a1", "ada", first), ("a2", "ada", second), ("b1", "bob", third)] {
        let attach = json!({ "session_id": session, "user_id": user, "port": port, "health_check": false });
        doors.api().post("/v1/attachments", &attach).await.ok(201);
    }
    let sessions = async |key: &str, query: &str| {
        let page = audit(&doors.tcp().key(key), query).await;
        assert_eq!(page.head.is_some(), key == ADMIN);
        page.entries.into_iter().filter_map(|it| it.session_id).collect::<Vec<_>>()
    };
    assert_eq!(sessions(ADMIN, "").await, ["a1", "a2", "b1"]);
    assert_eq!(sessions(ADMIN, "?user_id=ada&limit=1").await, ["a2"], "the newest");
    assert_eq!(sessions(ADMIN, "?since=1&limit=1").await, ["a2"], "the oldest after it");
    assert_eq!(sessions(ADMIN, "?session_id=b1&action=attached").await, ["b1"]);
    assert_eq!(sessions(ADMIN, "?action=detached").await, [""; 0]);
    assert_eq!(sessions(ADA, "").await, ["a1", "a2"]);
    assert_eq!(sessions(BOB, "").await, ["b1"]);
    assert_eq!(sessions(ADAS_SESSION, "").await, ["a1"]);
    for foreign in ["?user_id=bob", "?session_id=b1"] {
        let path = format!("/v1/audit{foreign}");
        assert_eq!(doors.tcp().key(ADA).get(&path).await.code(), "forbidden");
    }
    assert_eq!(doors.tcp().key(EDGE).get("/v1/audit").await.code(), "forbidden");
    assert_eq!(doors.tcp().get("/v1/audit").await.code(), "unauthorized");
    assert_eq!(doors.api().get("/v1/audit?action=danced").await.code(), "request_invalid");
}

#[tokio::test]
async fn who_is_refused_is_kept_with_the_code_and_never_with_what_they_showed() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    doors.tcp().key("a-key-that-nobody-knows").get("/v1/attachments").await.problem();
    let attach = json!({ "session_id": "b1", "user_id": "bob", "port": port, "health_check": false });
    doors.tcp().key(ADA).post("/v1/attachments", &attach).await.problem();
    doors.tcp().with("Origin", "https://evil.example").get("/v1/attachments").await.problem();
    let check = json!({ "session_id": "s", "token": "a-token-that-nobody-knows" });
    doors.unix("verify").post("/v1/tokens/verify", &check).await.problem();
    let visit = doors.unix("verify").with("X-Forwarded-Host", "x.localhost").with("X-Forwarded-Uri", "/");
    assert_eq!(visit.with("X-Forwarded-Method", "GET").get("/auth/verify").await.status, 401);
    // What makes no sense is refused to nobody.
    doors.api().get("/v1/nothing").await.problem();
    doors.api().get("/v1/attachments?senseless=1").await.problem();

    let page = refusals(&doors.api(), 5).await;
    let uid = rustix::process::geteuid().as_raw();
    let mut told: Vec<_> = page
        .entries
        .iter()
        .map(|it| {
            let code = it.code.as_deref().expect("a code");
            format!("{}: {} {} {}", it.by, it.action, code, it.detail.as_deref().expect("a call"))
        })
        .collect();
    told.sort();
    let verify = format!("verify.sock uid {uid}");
    let mut expected = [
        "tcp 127.0.0.1 user:ada: refused forbidden POST /v1/attachments".to_owned(),
        "tcp 127.0.0.1: refused origin_refused GET /v1/attachments".to_owned(),
        "tcp 127.0.0.1: refused unauthorized GET /v1/attachments".to_owned(),
        format!("{verify}: refused unauthorized POST /v1/tokens/verify"),
        format!("{verify}: visit_refused unauthorized GET /auth/verify"),
    ];
    expected.sort();
    assert_eq!(told, expected);
    let attach = page.entries.iter().find(|it| it.code.as_deref() == Some("forbidden")).expect("there");
    assert_eq!((attach.session_id.as_deref(), attach.user_id.as_deref()), (Some("b1"), Some("bob")));
    assert!(!serde_json::to_string(&page).expect("JSON").contains("that-nobody-knows"));
}

#[tokio::test]
async fn a_flood_of_refusals_is_two_entries() {
    let mut doors = Doors::open("", "").await;
    for _ in 0..50 {
        doors.tcp().get("/v1/attachments").await.problem();
    }
    refusals(&doors.api(), 1).await;
    // What was counted is kept when the minute is over, or the daemon stops.
    doors.house.reopen().await;
    let counts: Vec<_> = refusals(&doors.api(), 2).await.entries.iter().map(|it| it.count).collect();
    assert_eq!(counts, [1, 49]);
}

#[tokio::test]
async fn visitors_that_an_edge_kept_out_are_counted_for_each_attachment_and_code() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let attach = json!({ "session_id": "a1", "user_id": "ada", "port": port, "health_check": false });
    let id = doors.api().post("/v1/attachments", &attach).await.ok(201)["id"].clone();
    let quiet = json!({ "visit_ago_ms": null, "presence_ago_ms": null, "open": 0, "requests": 0,
        "bytes_in": 0, "bytes_out": 0 });
    let entry = |id: &Value, refused: Value| {
        let mut entry = quiet.clone();
        (entry["id"], entry["refused"]) = (id.clone(), refused);
        entry
    };
    let known = entry(&id, json!({ "unauthorized": 7, "a_code_of_tomorrow": 1 }));
    let unknown = entry(&json!("aaaaaaaaaaaaaaaaaaaaaaaaaa"), json!({ "unauthorized": 9 }));
    let report = json!({ "node": "box", "entries": [known, unknown] });
    assert_eq!(doors.unix("edge").post("/v1/activity", &report).await.status, 204);
    let page = refusals(&doors.api(), 1).await;
    let told: Vec<_> = page
        .entries
        .iter()
        .map(|it| (it.by.as_str(), it.action.as_str(), it.subject.as_deref(), it.code.as_deref(), it.count))
        .collect();
    assert_eq!(told, [("edge box", "visit_refused", id.as_str(), Some("unauthorized"), 7)]);
}

/// Waits until so many refusals are kept: nobody who is refused waits for it.
async fn refusals(door: &Door, count: usize) -> AuditPage {
    let kept = async {
        loop {
            let mut page = audit(door, "").await;
            page.entries.retain(|it| it.action.ends_with("refused"));
            if page.entries.len() >= count {
                return page;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, kept).await.expect("they are kept")
}

async fn audit(door: &Door, query: &str) -> AuditPage {
    let page: Value = door.get(&format!("/v1/audit{query}")).await.ok(200);
    serde_json::from_value(page).expect("a page")
}
