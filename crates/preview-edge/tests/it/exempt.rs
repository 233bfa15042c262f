//! A manifest and its icons, which browsers fetch without cookies, let in by option.

use std::io::Write;
use std::net::TcpStream;

use preview_core::access::Exempt;
use preview_core::route::Route;

use crate::recorder::{Recorder, values};
use crate::stage::{Stage, set_template};
use crate::viewer::{NAVIGATION, ask, cookie, get, grant_for, link, private};

const ID: &str = "abcdefghijklmnopqrstuvwxyz";
const HOST: &str = "abcdefghijklmnopqrstuvwxyz.preview.test";
/// What Chromium sends for `<link rel=manifest>`.
const LINKED: &str = "Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: manifest\r\nSec-Fetch-Site: same-origin\r\n";
const MANIFEST: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/manifest+json\r\nContent-Length: 2\r\n\
    Set-Cookie: app=1\r\nSet-Cookie: __Host-preview=forged; Path=/; Secure\r\n\r\n{}";
const MOVED: &[u8] = b"HTTP/1.1 302 Found\r\nLocation: /x?code=1\r\nContent-Length: 0\r\n\r\n";
const BROKEN: &[u8] = b"HTTP/1.1 500 No\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\nsecret";

#[test]
fn a_manifest_is_shown_by_option_and_no_credential_passes_either_way() {
    let server = Recorder::answering(MANIFEST);
    let (stage, app) = stage(&server, &["/manifest.json"]);
    let ended = format!("Cookie: app=1; preview={}\r\n", ended(&app));
    let sent = format!(
        "{LINKED}{ended}Authorization: Basic eDp5\r\nReferer: http://{HOST}/?{}\r\nX-Other: kept\r\n",
        link()
    );
    let shown = get(stage.edge.http, HOST, "/manifest.json", &sent);
    assert_eq!((shown.status(), shown.body()), (200, "{}"));
    assert!(shown.all("set-cookie").is_empty(), "{shown:?}");
    let told = server.request();
    for name in ["cookie", "authorization", "referer"] {
        assert!(values(&told, name).is_empty(), "{name} in {told}");
    }
    assert_eq!(values(&told, "x-other"), ["kept"]);
    let head = ask(stage.edge.http, HOST, "HEAD /manifest.json", LINKED);
    assert_eq!((head.status(), head.body()), (200, ""));
}

#[test]
fn without_the_option_a_manifest_needs_a_grant_like_everything_else() {
    let server = Recorder::answering(MANIFEST);
    let (stage, app) = stage(&server, &[]);
    assert_eq!(get(stage.edge.http, HOST, "/manifest.json", LINKED).status(), 401);
    assert_eq!(server.requests(), 0);
    let granted = get(stage.edge.http, HOST, "/manifest.json", &cookie(&app));
    assert_eq!((granted.status(), granted.all("set-cookie")), (200, vec!["app=1".to_owned()]));
}

#[test]
fn nothing_but_what_the_option_names_is_let_in() {
    let server = Recorder::answering(MANIFEST);
    let (stage, _) = stage(&server, &["/manifest.json", "/icons/192.png"]);
    for (line, headers) in [
        ("GET /", LINKED),
        ("GET /manifest.json?", LINKED),
        ("GET /manifest.json?raw", LINKED),
        ("GET /manifest%2ejson", LINKED),
        ("GET //manifest.json", LINKED),
        ("GET /icons/../manifest.json", LINKED),
        ("GET /icons/%2e%2e/manifest.json", LINKED),
        ("GET /icons/512.png", LINKED),
        ("GET /MANIFEST.JSON", LINKED),
        ("POST /manifest.json", LINKED),
        ("DELETE /manifest.json", LINKED),
        ("GET /manifest.json", NAVIGATION),
        ("GET /manifest.json", "Sec-Fetch-Site: cross-site\r\n"),
        ("GET /manifest.json", "Origin: https://evil.example\r\n"),
        ("GET /manifest.json", "Preview-Token: wrong\r\n"),
        (
            "GET /manifest.json",
            "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n",
        ),
    ] {
        let refused = ask(stage.edge.http, HOST, line, headers);
        assert_eq!(refused.status(), 401, "{line} {headers}");
    }
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_dev_server_that_answers_with_its_page_or_not_at_all_is_told_as_to_anybody() {
    let refused = |respond: fn(&mut TcpStream)| {
        let server = Recorder::with(respond);
        let (stage, _) = stage(&server, &["/manifest.json"]);
        let stranger = get(stage.edge.http, HOST, "/other", LINKED);
        let exempt = get(stage.edge.http, HOST, "/manifest.json", LINKED);
        assert_eq!(server.requests(), 1);
        assert_eq!((exempt.status(), exempt.body()), (401, stranger.body()), "{exempt:?}");
        assert_eq!(exempt.header("content-type"), stranger.header("content-type"));
        assert_eq!(exempt.header("location"), "");
    };
    refused(|stream| _ = stream.write_all(PAGE));
    refused(|stream| _ = stream.write_all(MOVED));
    refused(|stream| _ = stream.write_all(BROKEN));
    refused(|stream| _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n"));
    refused(|stream| _ = stream.shutdown(std::net::Shutdown::Both));
}

#[test]
fn strangers_who_ask_too_often_wait_and_viewers_do_not() {
    let server = Recorder::answering(MANIFEST);
    let app = private(ID, server.port);
    let stage = Stage::of(vec![app.clone()], |config| {
        exempting(config, &["/manifest.json"]);
        config.limits.misses_per_minute = 3;
    });
    let ask = |headers: &str| get(stage.edge.http, HOST, "/manifest.json", headers).status();
    let asked: Vec<u16> = (0..5).map(|_| ask(LINKED)).collect();
    assert_eq!(asked, [200, 200, 200, 429, 429]);
    assert_eq!(ask(&cookie(&app)), 200);
}

fn stage(server: &Recorder, paths: &[&str]) -> (Stage, Route) {
    let app = private(ID, server.port);
    (Stage::of(vec![app.clone()], |config| exempting(config, paths)), app)
}

fn exempting(config: &mut preview_edge::config::Config, paths: &[&str]) {
    set_template(config, "http://{id}.preview.test");
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    config.access.exempt = Exempt::new(&paths, &config.template).expect("manifests and icons");
}

/// The cookie of a grant that has ended.
fn ended(app: &Route) -> String {
    grant_for(app, app.epoch, std::time::Duration::from_secs(30))
}
