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
    let preflight = visiting(&doors, "OPTIONS", host(&view), "/")
        .with("Access-Control-Request-Method", "GET")
        .with("Origin", "https://aaaaaaaaaaaaaaaaaaaaaaaaaa.preview.example.com");
    assert_eq!(preflight.get("/auth/verify").await.status, 403, "it would reach any port");
}

#[tokio::test]
async fn a_manifest_that_the_edge_exempts_needs_a_grant_through_another_proxy() {
    let exempting = format!("{BY_ID}\naccess: {{ exempt: [/manifest.json] }}");
    let doors = Doors::open(&exempting, "").await;
    let (_listener, port) = listen();
    let view = attach(&doors, port).await;
    let asked = told(&doors.unix("verify"), "GET", host(&view), "/manifest.json");
    let refused = asked.with("Sec-Fetch-Mode", "cors").get("/auth/verify").await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "unauthorized"));
}

#[tokio::test]
async fn forwarded_headers_are_read_from_verify_peers_only() {
    let doors = Doors::open(BY_ID, "").await;
    let (_listener, port) = listen();
    let view = attach(&doors, port).await;
    let uri = format!("/?session_id=s&token={}", text(&view, "token"));
    let speak = |door: Door| told(&door, "GET", host(&view), &uri);
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
    let verify = told(&verify, "GET", "x.localhost", "/");
    for name in ["X-Forwarded-Method", "X-Forwarded-Host", "X-Forwarded-Uri"] {
        let problem = verify.with(name, "/").get("/auth/verify").await.problem();
        assert_eq!(problem.status, 400, "of two, one is the visitor's: {problem:?}");
    }
}

#[tokio::test]
async fn a_proxy_is_told_where_to_forward_and_as_what() {
    let doors = Doors::open("", "").await;
    let (_listener, port) = listen();
    let loopback = attach_as(&doors, port, "loopback").await;
    let (host, origin) = (host(&loopback), text(&loopback, "url").trim_end_matches('/'));
    let uri = format!("/?session_id=s&token={}", text(&loopback, "token"));
    let asked = visit(&doors, host, &uri)
        .with("Origin", origin)
        .with("Referer", &format!("{origin}/page?x"))
        .with("Preview-Upstream", "127.0.0.1:22");
    let first = asked.with("Cookie", "app=1").get("/auth/verify").await;
    let local = format!("localhost:{port}");
    for (name, value) in [
        ("preview-upstream", Some(format!("127.0.0.1:{port}"))),
        ("preview-host", Some(local.clone())),
        ("preview-origin", Some(format!("http://{local}"))),
        ("preview-referer", Some(format!("http://{local}/page?x"))),
        ("preview-cookie", None),
        ("preview-forwarded-host", None),
        ("preview-forwarded-proto", None),
        ("preview-referrer-policy", Some("same-origin".into())),
        ("preview-clear-site-data", Some("\"cache\", \"storage\"".into())),
    ] {
        assert_eq!(first.header(name), value.as_deref(), "{name}");
    }
    let cookies = set_cookies(&first);
    assert_eq!(first.header("preview-set-cookie"), Some(cookies[0]));
    assert_eq!(first.header("preview-set-cookie-w"), Some(cookies[1]));
    assert!(cookies[2].starts_with("app=; Path=/; Max-Age=0"), "another attachment's: {cookies:?}");

    let grant = cookies[0].split(';').next().expect("a pair").to_owned();
    let asked = visit(&doors, host, "/").with("Cookie", &format!("a=1; {grant}; b=2"));
    let again = asked.get("/auth/verify").await;
    assert_eq!(again.header("preview-cookie"), Some("a=1; b=2"));
    assert_eq!(again.header("preview-referrer-policy"), None);
    assert_eq!(again.header("preview-origin"), None);

    attach_as(&doors, port, "preserve").await;
    let preserved = asked.with("Origin", origin).get("/auth/verify").await;
    let authority = origin.trim_start_matches("http://");
    for (name, value) in [
        ("preview-host", authority),
        ("preview-forwarded-host", authority),
        ("preview-forwarded-proto", "http"),
        ("preview-forwarded-port", authority.rsplit(':').next().expect("a port")),
        ("preview-origin", origin),
    ] {
        assert_eq!(preserved.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn what_the_proxy_would_forward_is_what_is_judged() {
    let doors = Doors::open(BY_ID, "").await;
    let ((_first, port), (_second, other)) = (listen(), listen());
    let (mine, theirs) = (attach(&doors, port).await, attach_named(&doors, other, "theirs").await);
    let link = format!("session_id=s&token={}", text(&mine, "token"));
    let at = |view| host(view).to_owned();
    let refused = |host: &str, uri: String| visit(&doors, host, &uri);
    for (door, why) in [
        (refused(&at(&theirs), format!("/?{link}")), "a token of another attachment"),
        (refused(&at(&theirs), format!("//{}/?{link}", at(&mine))), "a path that begins like an authority"),
        (refused(&at(&theirs), format!("https://{}/?{link}", at(&mine))), "an absolute target"),
        (refused(&at(&mine), format!("/%3F{link}")), "an encoded question mark"),
        (refused(&at(&mine), format!("/#?{link}")), "a fragment"),
        (refused(&at(&mine), format!("/;{link}")), "path parameters"),
        (refused(&at(&mine), format!("/?session_id=t&{link}")), "the first session counts"),
        (refused(&at(&mine), format!("/?token=x&{link}")), "the first token counts"),
        (refused(&at(&mine), format!("/?Session_id=s&Token={}", text(&mine, "token"))), "other names"),
        (refused(&at(&mine), "/".into()).with("X-Original-URI", &format!("/?{link}")), "X-Original-URI"),
        (refused(&at(&mine), "/".into()).with("X-Original-URL", &format!("/?{link}")), "X-Original-URL"),
        (refused(&at(&mine), "/".into()).with("X-Rewrite-URL", &format!("/?{link}")), "X-Rewrite-URL"),
        (refused(&at(&mine), "/".into()).with("Referer", &format!("https://x/?{link}")), "Referer"),
        (refused(&format!("{}.evil.example", at(&mine)), format!("/?{link}")), "a longer host"),
        (refused(&format!("{},{}", at(&theirs), at(&mine)), format!("/?{link}")), "two hosts"),
        (refused(&format!("{}:99999999", at(&mine)), format!("/?{link}")), "no port"),
        (refused("", format!("/?{link}")), "no host"),
    ] {
        let answer = door.get("/auth/verify").await;
        assert_eq!((answer.status, answer.header("preview-upstream")), (401, None), "{why}");
    }
    let ok =
        visit(&doors, &format!("{}:443", at(&mine).to_uppercase()), &format!("/a/../%2e%2e//b?{link}#x"));
    let answer = ok.get("/auth/verify").await;
    let upstream = format!("127.0.0.1:{port}");
    assert_eq!((answer.status, answer.header("preview-upstream")), (204, Some(upstream.as_str())));
}

#[tokio::test]
async fn a_proxy_may_ask_with_the_visitors_own_request_line_behind_a_prefix() {
    let doors = Doors::open(BY_ID, "").await;
    let ((_first, port), (_second, other)) = (listen(), listen());
    let (mine, theirs) = (attach(&doors, port).await, attach_named(&doors, other, "theirs").await);
    let link = format!("session_id=s&token={}", text(&mine, "token"));
    let to = |view| doors.unix("verify").with("Host", host(view));
    let spoofed = told(&to(&theirs), "GET", host(&mine), &format!("/?{link}"));
    for (method, door, path, status) in [
        ("GET", to(&mine), format!("/auth/verify/?{link}"), 204),
        ("POST", to(&mine), format!("/auth/verify/a/b?{link}"), 204),
        ("DELETE", to(&mine), format!("/auth/verify//a/%2e%2e/%2F..?x=1&{link}"), 204),
        ("GET", to(&mine), "/auth/verify/".into(), 401),
        ("GET", to(&theirs), format!("/auth/verify/?{link}"), 401),
        ("GET", spoofed.clone(), "/auth/verify/".into(), 401),
        ("GET", spoofed, "/auth/verify/x".into(), 401),
        ("GET", to(&mine), format!("/auth/verify/%3F{link}"), 401),
        ("GET", to(&mine), format!("/auth/verifyx?{link}"), 403),
        ("GET", to(&mine), format!("/auth/../auth/verify/?{link}"), 403),
        ("GET", to(&mine), format!("/auth/verify?{link}"), 400),
        ("POST", told(&to(&mine), "GET", host(&mine), "/"), "/auth/verify".into(), 405),
    ] {
        let answer = door.call(method, &path, None).await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
    let stranger = doors.api().with("Host", host(&mine)).get(&format!("/auth/verify/?{link}")).await;
    assert_eq!(stranger.code(), "forbidden", "only verify_peers speak for browsers");
}

#[tokio::test]
async fn who_is_kept_out_too_often_is_told_to_wait_and_who_is_let_in_never() {
    let doors = Doors::open(BY_ID, "").await;
    let (_listener, port) = listen();
    let view = attach(&doors, port).await;
    let from = |client: &str, uri: &str| visit(&doors, host(&view), uri).with("X-Forwarded-For", client);
    for _ in 0..100 {
        assert_eq!(from("192.0.2.1", "/").get("/auth/verify").await.status, 401);
    }
    let refused = from("192.0.2.1", "/").get("/auth/verify").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    let spoofed = from("192.0.2.9, 192.0.2.1", "/").get("/auth/verify").await;
    assert_eq!(spoofed.status, 429, "the last one is the proxy's word");
    assert_eq!(from("192.0.2.2", "/").get("/auth/verify").await.status, 401);
    let link = format!("/?session_id=s&token={}", text(&view, "token"));
    assert_eq!(from("192.0.2.1", &link).get("/auth/verify").await.status, 204);
}

#[tokio::test]
async fn a_visit_that_is_let_in_ends_the_silence_and_one_that_is_not_does_not() {
    let doors = Doors::open(BY_ID, "").await;
    let (_listener, port) = listen();
    let view = attach(&doors, port).await;
    let path = format!("/v1/attachments/{}", text(&view, "id"));
    visit(&doors, host(&view), "/").get("/auth/verify").await;
    assert!(doors.api().get(&path).await.ok(200)["last_hit_at"].is_null());
    let link = format!("/?session_id=s&token={}", text(&view, "token"));
    assert_eq!(visit(&doors, host(&view), &link).get("/auth/verify").await.status, 204);
    assert!(doors.api().get(&path).await.ok(200)["last_hit_at"].is_string());
}

#[tokio::test]
async fn a_visit_is_never_sent_to_another_program_that_took_the_port() {
    let doors = Doors::open(BY_ID, "").await;
    let (listener, port) = listen();
    let view = attach(&doors, port).await;
    let link = format!("/?session_id=s&token={}", text(&view, "token"));
    let asked = visit(&doors, host(&view), &link);
    drop(listener);
    assert_eq!(asked.get("/auth/verify").await.status, 204, "whoever dials finds nobody");
    let folder = xtask::real::Scratch::new().expect("a folder");
    let _squatter = xtask::real::http_server::start(folder.path(), port).expect("python3 starts");
    let refused = asked.get("/auth/verify").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "port_owner_changed"));
    assert_eq!(refused.header("preview-upstream"), None);
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
            json!({
                "id": view["id"], "name": "default", "session_id": "s", "read_only": false, "valid_until": null,
            })
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
    attach_named(doors, port, "default").await
}

async fn attach_named(doors: &Doors, port: u16, name: &str) -> Value {
    let body =
        json!({ "session_id": "s", "user_id": "u", "port": port, "name": name, "health_check": false });
    doors.api().post("/v1/attachments", &body).await.ok(201)
}

/// Attaches, or attaches anew, with the host policy pinned.
async fn attach_as(doors: &Doors, port: u16, policy: &str) -> Value {
    let body = json!({ "session_id": "s", "user_id": "u", "port": port, "host_header": policy,
                       "health_check": false });
    let answer = doors.api().post("/v1/attachments", &body).await;
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// The question of a proxy about a visit to this host.
fn visit(doors: &Doors, host: &str, uri: &str) -> Door {
    visiting(doors, "GET", host, uri)
}

fn visiting(doors: &Doors, method: &str, host: &str, uri: &str) -> Door {
    // A proxy passes the browser's own Host and Origin on.
    let verify = doors.unix("verify").with("Host", host).with("Sec-Fetch-Mode", "navigate");
    told(&verify, method, host, uri)
}

fn told(door: &Door, method: &str, host: &str, uri: &str) -> Door {
    door.with("X-Forwarded-Method", method).with("X-Forwarded-Host", host).with("X-Forwarded-Uri", uri)
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
