//! What other proxies and the app ask.

use serde_json::{Value, json};

use super::door::{ADMIN, Answer, Door, Doors};
use crate::house::listen;

const BY_ID: &str = "public_url_template: \"https://{id}.preview.example.com\"";

#[tokio::test]
async fn a_token_is_exchanged_for_cookies_that_let_in_from_then_on() {
    let doors = Doors::open(BY_ID, "").await;
    let (_listener, port) = listen();
    let view = attach(&doors, port).await;
    let host = host(&view);
    let uri = format!("/?session_id=s&token={}", text(&view, "token"));
    let first = visit(&doors, host, &uri).get("/auth/verify").await;
    assert_eq!(first.status, 204);
    assert_eq!(first.header("preview-session"), Some("s"));
    assert_eq!(first.header("preview-user"), Some("u"));
    assert_eq!(first.header("preview-attachment"), Some(text(&view, "id")));
    let cookies = set_cookies(&first);
    assert_eq!(cookies.len(), 2);
    assert!(cookies[0].starts_with("__Host-preview=") && cookies[0].ends_with("SameSite=None; Partitioned"));
    assert!(cookies[1].starts_with("__Host-preview-w=") && cookies[1].ends_with("HttpOnly; SameSite=None"));

    let pair = |cookie: &str| cookie.split(';').next().expect("a pair").to_owned();
    let held = visit(&doors, host, "/").with("Cookie", &format!("app=1; {}", pair(cookies[0])));
    let again = held.get("/auth/verify").await;
    assert_eq!((again.status, set_cookies(&again).len()), (204, 0));
    let worker = visit(&doors, host, "/w.js").with("Cookie", &pair(cookies[1]));
    assert_eq!(worker.get("/auth/verify").await.status, 401);
    let own = worker.with("Sec-Fetch-Site", "same-origin");
    assert_eq!(own.get("/auth/verify").await.status, 204);

    let path = format!("/v1/attachments/{}/revoke", text(&view, "id"));
    doors.api().call("POST", &path, None).await.ok(200);
    assert_eq!(held.get("/auth/verify").await.code(), "grant_expired");
}

#[tokio::test]
async fn a_visit_without_a_good_token_is_401_alike_for_every_host() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let view = attach(&doors, port).await;
    let stranger = visit(&doors, host(&view), "/").get("/auth/verify").await;
    let unknown = visit(&doors, "preview-3999.localhost", "/").get("/auth/verify").await;
    assert_eq!((stranger.status, &stranger.body), (401, &unknown.body));
    for uri in ["/?session_id=s&token=wrong", "/?token=x", "/?session_id=t&token=TOKEN"] {
        let uri = uri.replace("TOKEN", text(&view, "token"));
        assert_eq!(visit(&doors, host(&view), &uri).get("/auth/verify").await.status, 401, "{uri}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_with_the_cookie_is_403() {
    let doors = Doors::open(BY_ID, "").await;
    let (_listener, port) = listen();
    let view = attach(&doors, port).await;
    let uri = format!("/?session_id=s&token={}", text(&view, "token"));
    let first = visit(&doors, host(&view), &uri).get("/auth/verify").await;
    let cookie = set_cookies(&first)[0].split(';').next().expect("a pair").to_owned();
    let upgrade = visit(&doors, host(&view), "/ws").with("Sec-WebSocket-Key", "x").with("Cookie", &cookie);
    let foreign = upgrade.with("Origin", "https://evil.example").get("/auth/verify").await;
    assert_eq!((foreign.status, foreign.code().as_str()), (403, "origin_refused"));
    let own = upgrade.with("Origin", &format!("https://{}", host(&view)));
    assert_eq!(own.get("/auth/verify").await.status, 204);
    let preflight = visit(&doors, host(&view), "/")
        .with("X-Forwarded-Method", "OPTIONS")
        .with("Access-Control-Request-Method", "GET")
        .with("Origin", "https://aaaaaaaaaaaaaaaaaaaaaaaaaa.preview.example.com");
    assert_eq!(preflight.get("/auth/verify").await.status, 403, "it would reach any port");
}

#[tokio::test]
async fn forwarded_headers_are_read_from_verify_peers_only() {
    let doors = Doors::open(BY_ID, "").await;
    let (_listener, port) = listen();
    let view = attach(&doors, port).await;
    let uri = format!("/?session_id=s&token={}", text(&view, "token"));
    let speak = |door: Door| door.with("X-Forwarded-Host", host(&view)).with("X-Forwarded-Uri", &uri);
    for door in [doors.api(), doors.tcp().key(ADMIN), doors.unix("public").key(ADMIN)] {
        let refused = speak(door).get("/auth/verify").await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
        assert!(refused.problem().detail.contains("api.verify_peers"));
    }
    let peers = Doors::open(BY_ID, "verify_peers: [127.0.0.0/8]").await;
    assert_eq!(speak(peers.tcp()).get("/auth/verify").await.status, 401, "it knows no such token");
    assert_eq!(speak(peers.unix("verify")).get("/auth/verify").await.code(), "forbidden", "not unix");
}

#[tokio::test]
async fn a_proxy_that_sends_too_little_is_told_which_header() {
    let doors = Doors::open("", "").await;
    let verify = doors.unix("verify");
    let problem = verify.get("/auth/verify").await.problem();
    assert!(problem.detail.starts_with("x-forwarded-host: "), "{problem:?}");
    let problem = verify.with("X-Forwarded-Host", "x.localhost").get("/auth/verify").await.problem();
    assert!(problem.detail.starts_with("x-forwarded-uri: "), "{problem:?}");
}

#[tokio::test]
async fn an_app_learns_whether_a_token_is_good_without_a_key() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let view = attach(&doors, port).await;
    let check = json!({ "session_id": "s", "token": view["token"] });
    for door in [doors.unix("verify"), doors.tcp(), doors.unix("public")] {
        let good = door.post("/v1/tokens/verify", &check).await.ok(200);
        assert_eq!(
            good,
            json!({ "id": view["id"], "name": "default", "session_id": "s", "valid_until": null })
        );
        for wrong in [
            json!({ "session_id": "t", "token": view["token"] }),
            json!({ "session_id": "s", "token": "" }),
            json!({ "session_id": "s", "token": "x" }),
        ] {
            assert_eq!(door.post("/v1/tokens/verify", &wrong).await.code(), "unauthorized", "{wrong}");
        }
    }
    let path = format!("/v1/attachments/{}/rotate", text(&view, "id"));
    doors.api().call("POST", &path, None).await.ok(200);
    let rotated = doors.tcp().post("/v1/tokens/verify", &check).await.ok(200);
    assert!(rotated["valid_until"].is_string(), "its minute runs: {rotated}");
}

#[tokio::test]
async fn wrong_tokens_count_as_misses_and_right_ones_pass_all_the_same() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let view = attach(&doors, port).await;
    let wrong = json!({ "session_id": "s", "token": "x" });
    for _ in 0..100 {
        assert_eq!(doors.tcp().post("/v1/tokens/verify", &wrong).await.status, 401);
    }
    let refused = doors.tcp().post("/v1/tokens/verify", &wrong).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    let seconds: u64 = refused.header("retry-after").expect("when").parse().expect("seconds");
    assert!((1..=60).contains(&seconds));
    let right = json!({ "session_id": "s", "token": view["token"] });
    doors.tcp().post("/v1/tokens/verify", &right).await.ok(200);

    let other = doors.unix("public").with("X-Real-IP", "192.0.2.1");
    assert_eq!(other.post("/v1/tokens/verify", &wrong).await.status, 401, "another client");
    let claimed = doors.tcp().with("X-Real-IP", "192.0.2.2").with("X-Forwarded-For", "192.0.2.3");
    assert_eq!(claimed.post("/v1/tokens/verify", &wrong).await.status, 429, "nobody trusts its word");
}

async fn attach(doors: &Doors, port: u16) -> Value {
    let body = json!({ "session_id": "s", "user_id": "u", "port": port, "health_check": false });
    doors.api().post("/v1/attachments", &body).await.ok(201)
}

/// The question of a proxy about a visit to this host.
fn visit(doors: &Doors, host: &str, uri: &str) -> Door {
    // A proxy passes the browser's own Host and Origin on.
    let verify = doors.unix("verify").with("Host", host).with("Sec-Fetch-Mode", "navigate");
    verify.with("X-Forwarded-Host", host).with("X-Forwarded-Uri", uri)
}

fn host(view: &Value) -> &str {
    let url = text(view, "url").split("://").nth(1).expect("a URL");
    url.split(['/', ':']).next().expect("a host")
}

fn set_cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.as_str()).collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field}: {value}"))
}
