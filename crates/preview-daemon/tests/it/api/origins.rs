//! Which pages may call, and under which host names.

use serde_json::json;

use super::door::{ADMIN, Door, Doors};

const APP: &str = "https://app.example.com";

#[tokio::test]
async fn a_request_that_a_foreign_page_made_is_origin_refused_even_with_a_good_key() {
    let doors = open().await;
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Sec-Fetch-Mode", "cors"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost:1"),
    ] {
        for door in [doors.api(), doors.tcp().key(ADMIN), doors.unix("public").key(ADMIN)] {
            let refused = door.with(name, value).get("/v1/attachments").await;
            assert_eq!((refused.status, refused.code().as_str()), (403, "origin_refused"), "{name}: {value}");
        }
    }
}

#[tokio::test]
async fn a_page_of_our_own_and_a_program_pass() {
    let doors = open().await;
    for site in ["same-origin", "none"] {
        let door = doors.api().with("Sec-Fetch-Site", site).with("Sec-Fetch-Mode", "cors");
        door.get("/v1/attachments").await.ok(200);
    }
    doors.api().with("Origin", "http://localhost").get("/v1/attachments").await.ok(200);
    let other_scheme = doors.api().with("Origin", "https://localhost").get("/v1/attachments").await;
    assert_eq!(other_scheme.code(), "origin_refused");
    let public = doors.unix("public").key(ADMIN).with("Host", "daemon.example.com");
    public.with("Origin", "https://daemon.example.com").get("/v1/attachments").await.ok(200);
    let http = public.with("X-Forwarded-Proto", "http");
    http.with("Origin", "http://daemon.example.com").get("/v1/attachments").await.ok(200);
    let mixed = http.with("Origin", "https://daemon.example.com").get("/v1/attachments").await;
    assert_eq!(mixed.code(), "origin_refused");
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_passes_and_may_read_the_answer() {
    let doors = open().await;
    let app = doors.tcp().key(ADMIN).with("Origin", APP);
    let answer = app.with("Sec-Fetch-Site", "cross-site").get("/v1/attachments").await;
    answer.ok(200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(APP));

    let asked = doors.tcp().with("Access-Control-Request-Method", "POST");
    let preflight = asked.with("Origin", APP).call("OPTIONS", "/v1/attachments", None).await;
    assert_eq!(preflight.status, 204);
    assert!(preflight.header("access-control-allow-headers").is_some_and(|it| it.contains("Authorization")));
    let foreign = asked.with("Origin", "https://evil.example").call("OPTIONS", "/v1/attachments", None).await;
    assert_eq!(foreign.code(), "origin_refused");
    assert_eq!(foreign.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_host_outside_the_allow_list_is_origin_refused() {
    let doors = open().await;
    for host in ["evil.example", "localhost.evil.example", "preview-3000.localhost", "127.0.0.2"] {
        for door in [doors.api(), doors.tcp().key(ADMIN)] {
            let refused = door.with("Host", host).get("/v1/attachments").await;
            assert_eq!((refused.status, refused.code().as_str()), (403, "origin_refused"), "{host}");
        }
    }
    for host in ["localhost", "127.0.0.1:7000", "[::1]", "daemon.example.com", "other.example.com"] {
        doors.tcp().key(ADMIN).with("Host", host).get("/v1/attachments").await.ok(200);
    }
    // Rebinding ends here: the page is of the very host that it asks.
    let rebound = doors.tcp().with("Host", "evil.example").with("Origin", "http://evil.example");
    assert_eq!(rebound.key(ADMIN).get("/v1/attachments").await.code(), "origin_refused");
}

#[tokio::test]
async fn a_unix_client_that_names_no_host_passes_where_no_browser_reaches() {
    let doors = open().await;
    doors.api().with("Host", "").get("/v1/attachments").await.ok(200);
    assert_eq!(doors.tcp().key(ADMIN).with("Host", "").get("/v1/attachments").await.code(), "origin_refused");
}

#[tokio::test]
async fn health_answers_whatever_host_and_origin_it_is_asked_with() {
    let doors = open().await;
    let door = doors.tcp().with("Host", "10.0.0.1").with("Origin", "https://evil.example");
    for path in ["/health", "/healthz", "/ready", "/health/web_preview"] {
        assert_eq!(door.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_token_check_obeys_the_rule_too() {
    let doors = open().await;
    let door: Door = doors.tcp().with("Origin", "https://evil.example");
    let check = json!({ "session_id": "s", "token": "x" });
    assert_eq!(door.post("/v1/tokens/verify", &check).await.code(), "origin_refused");
}

async fn open() -> Doors {
    Doors::open(
        "edge: { daemon_host: daemon.example.com }",
        &format!("origins: [\"{APP}\"], hosts: [other.example.com]"),
    )
    .await
}
