//! What arrives at a dev server, and what comes back; the tables are the unit tests of `src/headers`.

use preview_core::route::Route;
use preview_core::verdict::HostPolicy;

use crate::daemon::route;
use crate::http2::{Client, text};
use crate::recorder::{Recorder, values};
use crate::stage::Stage;
use crate::viewer::{cookie, get, private};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const HOST: &str = "app.preview.test";

/// What somebody sends who wants to be taken for somebody else.
const SPOOFED: &str = "X-Forwarded-For: 6.6.6.6\r\nx_forwarded_for: 6.6.6.6\r\nX-Forwarded-Proto: gopher\r\n\
    X-Forwarded-Host: evil.example\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\
    X-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nProxy: evil\r\nX-Middleware-Subrequest: a\r\n\
    Preview-User: root\r\nX_Real_IP: 6.6.6.6\r\nContent_Length: 5\r\n";

#[test]
fn under_preserve_exactly_one_of_each_forwarded_header_arrives() {
    let server = Recorder::answering(OK);
    let stage = Stage::with(vec![route("app", server.port)]);
    assert_eq!(get(stage.edge.http, HOST, "/", SPOOFED).status(), 200);
    let request = server.request();
    for (name, value) in [
        ("host", HOST),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", HOST),
        ("x-forwarded-port", "80"),
        ("forwarded", "for=127.0.0.1;host=\"app.preview.test\";proto=http"),
    ] {
        assert_eq!(values(&request, name), [value], "{name} in {request}");
    }
    assert_not_spoofed(&request);
}

#[test]
fn under_loopback_only_the_client_is_told() {
    let server = Recorder::answering(OK);
    let stage = Stage::with(vec![loopback(route("app", server.port))]);
    let headers =
        format!("{SPOOFED}Origin: http://app.preview.test\r\nReferer: http://app.preview.test/x\r\n");
    assert_eq!(get(stage.edge.http, HOST, "/", &headers).status(), 200);
    let request = server.request();
    let local = format!("localhost:{}", server.port);
    assert_eq!(values(&request, "host"), [local.as_str()]);
    assert_eq!(values(&request, "origin"), [format!("http://{local}")]);
    assert_eq!(values(&request, "referer"), [format!("http://{local}/x")]);
    assert_eq!(values(&request, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(values(&request, "x-real-ip"), ["127.0.0.1"]);
    for name in ["x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "forwarded"] {
        assert!(values(&request, name).is_empty(), "{name} in {request}");
    }
    assert_not_spoofed(&request);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_arrives_as_http1_with_one_host_and_one_cookie_header() {
    let server = Recorder::answering(OK);
    let stage = Stage::secure(vec![route("app", server.port)], |_| {});
    let mut client = Client::connect(&stage, HOST).await;
    let headers = [("cookie", "a=1"), ("cookie", "b=2"), ("x-forwarded-for", "6.6.6.6"), ("te", "trailers")];
    let answer = client.get(HOST, "/x?y", &headers).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(text(answer).await, "hi");
    let request = server.request();
    assert!(request.starts_with("GET /x?y HTTP/1.1\r\n"), "{request}");
    assert_eq!(values(&request, "host"), [HOST]);
    assert_eq!(values(&request, "cookie"), ["a=1; b=2"]);
    assert_eq!(values(&request, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(values(&request, "x-forwarded-proto"), ["https"]);
    assert_eq!(values(&request, "x-forwarded-port"), ["443"]);
    assert_eq!(values(&request, "te"), ["trailers"]);
}

#[test]
fn a_trusted_proxy_is_read_and_written_anew() {
    let server = Recorder::answering(OK);
    let stage = Stage::of(vec![route("app", server.port)], |config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    });
    let headers = "X-Forwarded-For: 1.1.1.1, 9.9.9.9, 127.0.0.2\r\nX-Forwarded-Proto: https\r\n\
        X-Forwarded-Host: app.preview.test\r\nX-Forwarded-Port: 8443\r\nX-Original-URL: /admin\r\n";
    assert_eq!(get(stage.edge.http, "inner.example", "/", headers).status(), 200);
    let request = server.request();
    for (name, value) in [
        ("host", HOST),
        ("x-forwarded-for", "9.9.9.9"),
        ("x-real-ip", "9.9.9.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", HOST),
        ("x-forwarded-port", "8443"),
        ("forwarded", "for=9.9.9.9;host=\"app.preview.test\";proto=https"),
    ] {
        assert_eq!(values(&request, name), [value], "{name} in {request}");
    }
    assert!(values(&request, "x-original-url").is_empty());
}

#[test]
fn an_answer_is_mapped_back_to_the_public_name() {
    let server = Recorder::with(|stream| {
        use std::io::Write;
        let port = stream.local_addr().expect("bound").port();
        let answer = format!(
            "HTTP/1.1 302 Found\r\nLocation: http://localhost:{port}/login?next=%2F\r\nContent-Length: 0\r\n\
             Set-Cookie: sid=1; Domain=localhost; Path=/\r\nSet-Cookie: preview=evil\r\nX-Frame-Options: DENY\r\n\
             Content-Security-Policy: default-src 'self'; frame-ancestors 'none'\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n"
        );
        let _ = stream.write_all(answer.as_bytes());
    });
    let route = loopback(private("app", server.port));
    let stage = Stage::of(vec![route.clone()], |config| {
        config.access.app_origins = vec!["https://agent.example".to_owned()];
    });
    let answer = get(stage.edge.http, HOST, "/", &cookie(&route));
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.header("location"), "http://app.preview.test/login?next=%2F");
    assert_eq!(answer.all("set-cookie"), ["sid=1; Path=/"]);
    assert_eq!(answer.header("x-frame-options"), "");
    assert_eq!(
        answer.all("content-security-policy"),
        ["default-src 'self'", "frame-ancestors 'self' https://agent.example"]
    );
    assert_eq!(answer.header("x-hop"), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_frame_of_another_site_an_apps_cookies_are_partitioned() {
    let answer =
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: csrftoken=1; Path=/; SameSite=Lax\r\n\r\n";
    let server = Recorder::answering(answer);
    let stage = Stage::secure(vec![route("app", server.port)], |_| {});
    let mut client = Client::connect(&stage, HOST).await;
    let embedded = client.get(HOST, "/", &[("sec-fetch-storage-access", "none")]).await;
    assert_eq!(embedded.headers()["set-cookie"], "csrftoken=1; Path=/; Secure; SameSite=None; Partitioned");
    let top = client.get(HOST, "/", &[]).await;
    assert_eq!(top.headers()["set-cookie"], "csrftoken=1; Path=/; SameSite=Lax");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_the_certificate_does_not_cover_is_421() {
    let stage = Stage::secure(vec![], |_| {});
    let mut client = Client::connect(&stage, HOST).await;
    assert_eq!(
        client.get("other.preview.test", "/", &[]).await.status(),
        502,
        "covered by the same certificate"
    );
    assert_eq!(client.get("elsewhere.example", "/", &[]).await.status(), 421);
}

fn loopback(route: Route) -> Route {
    Route { policy: HostPolicy::Loopback, ..route }
}

fn assert_not_spoofed(request: &str) {
    for word in
        ["6.6.6.6", "gopher", "evil", "admin", "middleware", "root", "Content_Length", "content_length"]
    {
        assert!(!request.contains(word), "{word} in {request}");
    }
}
