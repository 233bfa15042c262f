//! What the edge answers by itself: each row of the contract's table (§6) has its test.

use std::io::{Read, Write};
use std::time::Duration;

use preview_core::route::{Route, RouteOwner};
use preview_edge::config::{Config, Limits, Times};
use xtask::real::{Scratch, free_port, poll_for};

use crate::client::{SOON, connect, wait_for};
use crate::daemon::{FakeDaemon, route};
use crate::edge::{Edge, config};
use crate::recorder::Recorder;
use crate::stage::Stage;
use crate::viewer::{Answer, NAVIGATION, ask, cookie, get, grant, grant_for, link, private, raw};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[test]
fn unknown_host_nothing_attached_and_not_let_in_get_the_same_bytes() {
    let server = Recorder::answering(OK);
    let stage = Stage::with(vec![private("app", server.port), private("down", free_port().expect("a port"))]);
    let forged = "Cookie: preview=1.1.nonsense\r\n";
    let uniform = without_date(&get(stage.edge.http, "nobody.preview.test", "/", ""));
    assert!(uniform.starts_with("HTTP/1.1 502"), "{uniform}");
    for host in
        ["app.preview.test", "down.preview.test", "nobody.preview.test", "preview.test", "other.example"]
    {
        for headers in ["", forged, NAVIGATION, "Accept: application/json\r\n"] {
            for target in ["/", "/x?session_id=s&token=wrong", "/x?session_id=other&token=wrong"] {
                let answer = get(stage.edge.http, host, target, headers);
                assert_eq!(without_date(&answer), uniform, "{host}{target} {headers}");
            }
        }
    }
    assert_eq!(server.requests(), 0, "a stranger reached the dev server");
}

#[test]
fn listener_gone_is_502_to_a_stranger() {
    let stage = Stage::with(vec![route("open", free_port().expect("a port"))]);
    let gone = get(stage.edge.http, "open.preview.test", "/", NAVIGATION);
    let nobody = get(stage.edge.http, "nobody.preview.test", "/", NAVIGATION);
    assert_eq!(without_date(&gone), without_date(&nobody));
}

#[test]
fn listener_gone_or_not_yet_up_is_503_to_a_viewer_with_a_page_that_waits() {
    let route = private("app", free_port().expect("a port"));
    let stage = Stage::with(vec![route.clone()]);
    let navigation = get(stage.edge.http, HOST, "/", &format!("{NAVIGATION}{}", cookie(&route)));
    assert_eq!((navigation.status(), navigation.header("retry-after")), (503, "1".to_owned()));
    assert!(navigation.body().contains("location.reload()"), "{navigation:?}");
    assert!(navigation.header("content-security-policy").contains("script-src 'sha256-"));
    let asset = get(stage.edge.http, HOST, "/app.js", &cookie(&route));
    assert_eq!((asset.status(), asset.header("preview-waiting")), (503, "1".to_owned()));
    assert!(!asset.body().contains('<'), "{asset:?}");
    let link = get(stage.edge.http, HOST, &format!("/?{}", link()), NAVIGATION);
    assert_eq!(link.status(), 503);
    assert!(link.header("set-cookie").starts_with("preview=1."), "its polls must be let in");
    assert_eq!(
        (link.header("referrer-policy"), link.header("cache-control")),
        ("same-origin".into(), "no-store".into())
    );
}

#[test]
fn a_waiting_viewer_gets_in_as_soon_as_the_server_is_up() {
    let port = free_port().expect("a port");
    let waiting = private("app", port);
    let stage = Stage::with(vec![waiting.clone()]);
    stage.daemon.admit(true);
    assert_eq!(get(stage.edge.http, HOST, "/", &cookie(&waiting)).status(), 503);
    let _server = listen(port);
    poll_for("the server", SOON, || {
        (get(stage.edge.http, HOST, "/", &cookie(&waiting)).status() == 200).then_some(())
    })
    .expect("let in");
}

#[test]
fn another_owner_is_not_served_and_the_viewer_is_told() {
    let server = Recorder::answering(OK);
    let honest = private("app", server.port);
    let squatted = Route { owner: RouteOwner { uid: 65_534, ..honest.owner }, ..honest };
    let stage = Stage::with(vec![squatted.clone()]);
    let answer = get(stage.edge.http, HOST, "/", &format!("{NAVIGATION}{}", cookie(&squatted)));
    assert_eq!(answer.status(), 503);
    assert!(answer.body().contains("port_owner_changed"), "{answer:?}");
    assert!(server.connections().iter().all(String::is_empty), "a byte reached the squatter");
}

#[test]
fn ended_while_the_browser_holds_a_grant_for_it_is_410() {
    let (ended, other) = (private("app", 4001), private("other", 4002));
    let stage = Stage::with(vec![other]);
    assert_eq!(get(stage.edge.http, HOST, "/", &format!("{NAVIGATION}{}", cookie(&ended))).status(), 410);
    assert_eq!(
        get(stage.edge.http, "other.preview.test", "/", &cookie(&ended)).status(),
        502,
        "not its host"
    );
}

#[test]
fn speaks_no_http_is_502_upstream_not_http() {
    for garbage in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"\x15\x03\x01\x00\x02\x02\x50",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let server = Recorder::answering(garbage);
        let route = private("app", server.port);
        let stage = Stage::with(vec![route.clone()]);
        let answer = get(stage.edge.http, HOST, "/", &format!("{NAVIGATION}{}", cookie(&route)));
        assert_eq!(answer.status(), 502, "{garbage:?}");
        assert!(answer.body().contains("upstream_not_http"), "{answer:?}");
    }
}

#[test]
fn no_grant_is_401_where_hosts_cannot_be_guessed() {
    let server = Recorder::answering(OK);
    let stage = Stage::unguessable(private(ID, server.port));
    let host = format!("{ID}.preview.test");
    let host = host.as_str();
    let page = get(stage.edge.http, host, "/", NAVIGATION);
    assert_eq!(page.status(), 401);
    assert!(page.body().contains("by its link"), "{page:?}");
    let fetch = get(stage.edge.http, host, "/", "");
    assert_eq!((fetch.status(), fetch.body()), (401, "unauthorized"));
    assert_eq!(get(stage.edge.http, "nobody.preview.test", "/", "").status(), 502);
    assert_eq!(server.requests(), 0);
}

#[test]
fn an_ended_grant_is_401_grant_expired() {
    let route = private("app", 4001);
    let stage = Stage::with(vec![route.clone()]);
    for value in
        [grant_for(&route, 0, Duration::from_secs(30)), grant_for(&route, 7, Duration::from_hours(1))]
    {
        let answer = get(stage.edge.http, HOST, "/", &format!("Cookie: preview={value}\r\n"));
        assert_eq!((answer.status(), answer.body()), (401, "grant_expired"));
    }
}

#[test]
fn first_byte_too_late_is_504() {
    let server = Recorder::answering(b"");
    let route = private("app", server.port);
    let stage = Stage::of(vec![route.clone()], |config| {
        config.times = Times { first_byte: Duration::from_millis(200), ..config.times };
    });
    let answer = get(stage.edge.http, HOST, "/", &cookie(&route));
    assert_eq!((answer.status(), answer.body()), (504, "upstream_slow"));
}

#[test]
fn over_the_rate_of_an_attachment_is_429_and_no_other_attachment_is_slowed() {
    let server = Recorder::answering(OK);
    let (flooded, other) = (route("app", server.port), route("other", server.port));
    let stage = Stage::of(vec![flooded, other], |config| {
        config.limits = Limits { requests_per_second: 1, request_burst: 5, ..Limits::default() };
    });
    let statuses: Vec<u16> = (0..8).map(|_| get(stage.edge.http, HOST, "/", "").status()).collect();
    assert_eq!(statuses[..5], [200; 5]);
    assert!(statuses[5..].contains(&429), "{statuses:?}");
    let refused = poll_for("a refusal", SOON, || {
        let answer = get(stage.edge.http, HOST, "/", "");
        (answer.status() == 429).then_some(answer)
    });
    assert_eq!(refused.expect("in time").header("retry-after"), "1");
    assert_eq!(get(stage.edge.http, "other.preview.test", "/", "").status(), 200);
}

#[test]
fn three_hundred_misses_are_429_for_every_host_alike_and_valid_grants_pass_all_the_same() {
    let server = Recorder::answering(OK);
    let (known, open) = (private("app", server.port), route("open", server.port));
    let stage = Stage::with(vec![known.clone(), open]);
    for n in 0..100 {
        assert_eq!(get(stage.edge.http, &format!("h{n}.preview.test"), "/", "").status(), 502);
    }
    for host in [HOST, "nobody.preview.test"] {
        let answer = get(stage.edge.http, host, "/", "");
        assert_eq!(answer.status(), 429, "{host}");
        assert!(!answer.header("retry-after").is_empty());
    }
    assert_eq!(get(stage.edge.http, HOST, "/", &cookie(&known)).status(), 200);
    assert_eq!(get(stage.edge.http, HOST, &format!("/?{}", link()), "").status(), 200);
    assert_eq!(get(stage.edge.http, "open.preview.test", "/", "").status(), 200);
    let ended = format!("Cookie: preview={}\r\n", grant_for(&known, 9, Duration::from_hours(1)));
    assert_eq!(get(stage.edge.http, HOST, "/", &ended).status(), 401);
}

#[test]
fn too_many_connections_to_a_dev_server_are_429() {
    let server = Recorder::answering(b"");
    let stage = Stage::of(vec![route("app", server.port)], |config| {
        config.limits = Limits { per_attachment: 2, ..Limits::default() };
    });
    let _waiting: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = connect(stage.edge.http).expect("connected");
            write!(stream, "GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n").expect("taken");
            stream
        })
        .collect();
    poll_for("two requests", SOON, || (server.requests() == 2).then_some(())).expect("there");
    assert_eq!(get(stage.edge.http, HOST, "/", "").status(), 429);
}

#[test]
fn own_hop_header_seen_is_508() {
    let server = Recorder::answering(OK);
    let stage = Stage::with(vec![route("app", server.port)]);
    assert_eq!(get(stage.edge.http, HOST, "/", "Preview-Hop: 1\r\n").status(), 508);
    assert_eq!(get(stage.edge.http, HOST, "/", "").status(), 200);
    assert!(server.request().contains("preview-hop: 1\r\n"));
}

#[test]
fn an_edge_that_is_attached_to_itself_does_not_loop() {
    let scratch = Scratch::new().expect("a folder");
    let port = xtask::real::free_port_outside().expect("a port");
    let own =
        Config { http: Some(format!("127.0.0.1:{port}").parse().expect("a place")), ..config(&scratch) };
    let daemon = FakeDaemon::start(&scratch);
    let edge = Edge::start(own);
    daemon.put(route("app", port));
    wait_for(edge.http, HOST, 508, SOON);
}

#[test]
fn malformed_is_400_and_the_connection_is_closed() {
    let server = Recorder::answering(OK);
    let stage = Stage::with(vec![route("app", server.port)]);
    for request in [
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".to_owned(),
        format!("GET http://other.preview.test/ HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        format!("CONNECT {HOST}:80 HTTP/1.1\r\nHost: {HOST}:80\r\n\r\n"),
        format!("TRACE / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        format!("GE T / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nno colon\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nA : b\r\n\r\n"),
    ] {
        let answer = raw(stage.edge.http, request.as_bytes());
        assert_eq!(answer.status(), 400, "{request}");
    }
    assert_eq!(server.requests(), 0);
}

#[test]
fn plain_http_where_https_is_on_is_301_with_path_and_query() {
    let stage = Stage::of(vec![], |config| {
        config.https = Some("127.0.0.1:0".parse().expect("a place"));
        config.redirect_http = true;
        config.template = "https://{name}.preview.test".parse().expect("a template");
        config.access.template = config.template.clone();
        config.daemon_host = Some("daemon.example".to_owned());
    });
    for (host, location) in [
        ("app.preview.test", Some("https://app.preview.test/a%20b?c=d&e")),
        ("app.preview.test:80", Some("https://app.preview.test/a%20b?c=d&e")),
        ("APP.preview.test", Some("https://app.preview.test/a%20b?c=d&e")),
        ("daemon.example", Some("https://daemon.example/a%20b?c=d&e")),
        ("evil.example", None),
    ] {
        let answer = get(stage.edge.http, host, "/a%20b?c=d&e", NAVIGATION);
        let expected = location.map_or((502, ""), |location| (301, location));
        assert_eq!((answer.status(), answer.header("location").as_str()), expected, "{host}");
    }
}

#[test]
fn head_gets_the_headers_of_a_page_and_no_body() {
    let stage = Stage::with(vec![]);
    let page = get(stage.edge.http, HOST, "/", "");
    let head = ask(stage.edge.http, HOST, "HEAD /", "");
    assert_eq!((head.status(), head.body()), (502, ""));
    assert_eq!(head.header("content-length"), page.body().len().to_string());
}

#[test]
fn a_preflight_from_a_host_of_the_template_is_answered_alike_for_every_host() {
    let server = Recorder::answering(OK);
    let stage = Stage::with(vec![private("app", server.port)]);
    let preflight = |host: &str, origin: &str| {
        let headers = format!(
            "Origin: {origin}\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-a, x-b\r\n"
        );
        ask(stage.edge.http, host, "OPTIONS /api", &headers)
    };
    let live = preflight(HOST, "http://other.preview.test");
    assert_eq!(live.status(), 204);
    assert_eq!(live.header("access-control-allow-origin"), "http://other.preview.test");
    assert_eq!(live.header("access-control-allow-methods"), "PUT");
    assert_eq!(live.header("access-control-allow-headers"), "x-a, x-b");
    assert_eq!(live.header("access-control-allow-credentials"), "true");
    let dead = preflight("nobody.preview.test", "http://other.preview.test");
    assert_eq!(without_date(&dead), without_date(&live));
    assert_eq!(preflight(HOST, "http://evil.example").status(), 502);
    assert_eq!(server.requests(), 0);
}

#[test]
fn service_workers_are_refused_where_host_names_are_used_again() {
    let server = Recorder::answering(OK);
    let route = private("app", server.port);
    let stage = Stage::with(vec![route.clone()]);
    let worker = format!("Service-Worker: script\r\nSec-Fetch-Site: same-origin\r\n{}", cookie(&route));
    assert_eq!(get(stage.edge.http, HOST, "/sw.js", &worker).status(), 403);
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_request_of_a_foreign_page_with_the_cookie_alone_is_403() {
    let route = private("app", 4001);
    let stage = Stage::with(vec![route.clone(), private("other", 4002)]);
    let headers = format!("Origin: http://stranger.preview.test\r\n{}", cookie(&route));
    assert_eq!(ask(stage.edge.http, HOST, "POST /", &headers).status(), 403);
    let _ = grant(&route);
}

const HOST: &str = "app.preview.test";
const ID: &str = "abcdefghijklmnopqrstuvwxyz";

/// A server on a port that was not one before.
fn listen(port: u16) -> std::thread::JoinHandle<()> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("free");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) && stream.write_all(OK).is_ok() {}
            });
        }
    })
}

fn without_date(answer: &Answer) -> String {
    answer
        .0
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("date:"))
        .collect::<Vec<_>>()
        .join("\n")
}
