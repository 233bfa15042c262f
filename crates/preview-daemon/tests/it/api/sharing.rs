//! Links for others, and who may see an attachment.

use preview_core::clock::Wall;
use serde_json::{Value, json};

use super::door::{ADA, ADAS_SESSION, BOB, Doors};
use crate::house::listen;

#[tokio::test]
async fn a_link_is_made_listed_without_its_token_and_withdrawn_alone() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let path = shares(&attach(&doors, port).await);
    let wish = json!({ "label": "Zo\u{eb}, design", "read_only": true, "ttl_seconds": 7_200 });
    let made = doors.api().post(&path, &wish).await.ok(201);
    assert_eq!((&made["number"], &made["label"]), (&json!(1), &wish["label"]));
    assert_eq!(made["read_only"], true);
    assert_eq!(life(&made), 7_200);
    let second = doors.api().post(&path, &json!({})).await.ok(201);
    assert_eq!((&second["number"], &second["read_only"], life(&second)), (&json!(2), &json!(false), 3_600));
    let url = |made: &Value| made["url"].as_str().expect("a link").to_owned();
    assert!(url(&made).contains("session_id=s&token=") && url(&made) != url(&second));

    let listed = doors.api().get(&path).await.ok(200);
    assert_eq!(listed["shares"].as_array().map(Vec::len), Some(2));
    assert!(listed["shares"][0].get("url").is_none() && !listed.to_string().contains("token"), "{listed}");
    let withdrawn = doors.api().delete(&format!("{path}/1")).await.ok(200);
    assert_eq!(withdrawn, json!({ "number": 1, "removed": true }));
    let again = doors.api().delete(&format!("{path}/1")).await.ok(200);
    assert_eq!(again, json!({ "number": 1, "removed": false }));
    assert_eq!(doors.api().get(&path).await.ok(200)["shares"][0]["number"], 2);
    assert_eq!(doors.api().delete(&format!("{path}/x")).await.code(), "request_invalid");
}

#[tokio::test]
async fn the_app_learns_of_a_link_that_lets_only_look_until_when_it_is_good() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let path = shares(&attach(&doors, port).await);
    let made = doors.api().post(&path, &json!({ "read_only": true })).await.ok(201);
    let url = made["url"].as_str().expect("a link");
    let token = url.split("token=").nth(1).expect("a token");
    let check = json!({ "session_id": "s", "token": token });
    let verified = doors.unix("verify").post("/v1/tokens/verify", &check).await.ok(200);
    assert_eq!((&verified["read_only"], &verified["valid_until"]), (&json!(true), &made["expires_at"]));
    doors.api().delete(&format!("{path}/1")).await.ok(200);
    assert_eq!(doors.unix("verify").post("/v1/tokens/verify", &check).await.code(), "unauthorized");
}

#[tokio::test]
async fn another_proxy_hears_that_a_link_lets_only_look() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let path = shares(&attach(&doors, port).await);
    let made = doors.api().post(&path, &json!({ "read_only": true })).await.ok(201);
    let uri = format!("/?{}", made["url"].as_str().expect("a link").split('?').nth(1).expect("a query"));
    let asked = |method| {
        let told = doors.unix("verify").with("X-Forwarded-Method", method);
        told.with("X-Forwarded-Host", &format!("preview-{port}.localhost")).with("X-Forwarded-Uri", &uri)
    };
    assert_eq!(asked("GET").get("/auth/verify").await.status, 204);
    let refused = asked("POST").get("/auth/verify").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
}

#[tokio::test]
async fn where_a_login_decides_another_proxy_hears_yes_of_shared_links_and_public_previews_alone() {
    let login = "access: { mode: forward, forward_url: \"http://127.0.0.1:4180/\" }";
    let doors = Doors::open(login, "").await;
    let (_listener, port) = listen();
    let view = attach(&doors, port).await;
    let made = doors.api().post(&shares(&view), &json!({})).await.ok(201);
    let asked = async |url: &str| {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let told = doors.unix("verify").with("X-Forwarded-Host", &format!("preview-{port}.localhost"));
        let told = told.with("X-Forwarded-Method", "GET").with("X-Forwarded-Uri", &format!("/?{query}"));
        told.get("/auth/verify").await
    };
    let own = asked(view["iframe_url"].as_str().expect("a link")).await;
    assert_eq!((own.status, own.header("preview-upstream")), (401, None), "the login was not asked");
    let shared = made["url"].as_str().expect("a link");
    assert_eq!(asked(shared).await.status, 204);
    let path = format!("/v1/attachments/{}/visibility", view["id"].as_str().expect("an id"));
    doors.api().post(&path, &json!({ "visibility": "public" })).await.ok(200);
    assert_eq!(asked("").await.status, 204);
}

#[tokio::test]
async fn what_is_asked_of_a_link_has_bounds_and_there_are_twenty() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let path = shares(&attach(&doors, port).await);
    for (wish, field) in [
        (json!({ "ttl_seconds": 59 }), "ttl_seconds: "),
        (json!({ "ttl_seconds": 2_592_001 }), "ttl_seconds: "),
        (json!({ "label": "x".repeat(65) }), "label: "),
        (json!({ "label": "a\nb" }), "label: "),
    ] {
        let problem = doors.api().post(&path, &wish).await.problem();
        assert!(problem.code == "request_invalid" && problem.detail.starts_with(field), "{problem:?}");
    }
    for _ in 0..20 {
        doors.api().post(&path, &json!({})).await.ok(201);
    }
    let full = doors.api().post(&path, &json!({})).await;
    assert_eq!((full.status, full.code().as_str()), (429, "limit_shares"));
}

#[tokio::test]
async fn who_may_see_it_changes_within_what_the_operator_allows() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let view = attach(&doors, port).await;
    let path = format!("/v1/attachments/{}/visibility", view["id"].as_str().expect("an id"));
    let shown = doors.api().post(&path, &json!({ "visibility": "public" })).await.ok(200);
    assert_eq!((&shown["visibility"], &shown["type"]), (&json!("public"), &json!("published")));
    doors.api().post(&path, &json!({ "visibility": "private" })).await.ok(200);
    assert_eq!(doors.api().post(&path, &json!({ "visibility": "all" })).await.code(), "request_invalid");

    let strict = Doors::open("visibility: { max: private }", "").await;
    let (_listener, port) = listen();
    let view = attach(&strict, port).await;
    let path = format!("/v1/attachments/{}/visibility", view["id"].as_str().expect("an id"));
    let refused = strict.api().post(&path, &json!({ "visibility": "public" })).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
}

#[tokio::test]
async fn nobody_shares_what_is_anothers() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let body = json!({ "session_id": "a1", "user_id": "ada", "port": port, "health_check": false });
    let view = doors.api().post("/v1/attachments", &body).await.ok(201);
    let path = shares(&view);
    let bob = doors.tcp().key(BOB);
    assert_eq!(bob.post(&path, &json!({})).await.code(), "not_found");
    assert_eq!(bob.get(&path).await.code(), "not_found");
    assert_eq!(bob.delete(&format!("{path}/1")).await.code(), "not_found");
    for own in [ADA, ADAS_SESSION] {
        doors.tcp().key(own).post(&path, &json!({})).await.ok(201);
    }
}

async fn attach(doors: &Doors, port: u16) -> Value {
    let body = json!({ "session_id": "s", "user_id": "u", "port": port, "health_check": false });
    doors.api().post("/v1/attachments", &body).await.ok(201)
}

fn shares(view: &Value) -> String {
    format!("/v1/attachments/{}/shares", view["id"].as_str().expect("an id"))
}

/// Seconds from when it was made until it ends.
fn life(made: &Value) -> u64 {
    let at = |field: &str| {
        let time: preview_core::wire::Timestamp =
            serde_json::from_value(made[field].clone()).expect("a time");
        Wall::as_secs(time.0)
    };
    at("expires_at") - at("created_at")
}
