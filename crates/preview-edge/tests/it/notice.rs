//! What visitors of public previews are told first.

use preview_edge::config::Notice;

use crate::daemon::route;
use crate::recorder::Recorder;
use crate::stage::Stage;
use crate::viewer::{NAVIGATION, ask, get, link, private};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const HOST: &str = "app.preview.test";
const OWN: &str = "Origin: http://app.preview.test\r\n";

#[test]
fn a_tab_is_told_once_and_led_back_to_where_it_was_going() {
    let (server, stage) = stage();
    let told = get(stage.edge.http, HOST, "/x?y=1", &format!("{NAVIGATION}Sec-Fetch-Dest: document\r\n"));
    assert_eq!(told.status(), 200);
    assert!(told.body().contains("Somebody’s preview") && told.body().contains("abuse@example.com"));
    assert!(told.body().contains("action=\"/.well-known/preview-notice\""));
    assert!(!told.body().contains("/x?y=1"), "nothing of the request");
    assert_eq!(
        (told.header("cache-control"), told.header("x-robots-tag")),
        ("no-store".into(), "noindex".into())
    );
    assert_eq!(server.requests(), 0);

    let headers = format!("{OWN}Referer: http://app.preview.test/x?y=1\r\nContent-Length: 0\r\n");
    let passed = ask(stage.edge.http, HOST, "POST /.well-known/preview-notice", &headers);
    assert_eq!((passed.status(), passed.header("location").as_str()), (303, "http://app.preview.test/x?y=1"));
    let cookie = passed.header("set-cookie");
    assert!(cookie.ends_with("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"), "{cookie}");
    let seen = format!("{NAVIGATION}Cookie: a=1; {}\r\n", cookie.split(';').next().expect("a pair"));
    let again = get(stage.edge.http, HOST, "/x", &seen);
    assert_eq!(again.body(), "hi");
    assert_eq!(crate::recorder::values(&server.request(), "cookie"), ["a=1"], "the cookie is ours");
}

#[test]
fn frames_fetch_assets_and_sockets_never_see_it_nor_who_comes_by_a_link() {
    let (_server, stage) = stage();
    for headers in [
        "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\nSec-Fetch-Site: cross-site\r\nAccept: text/html\r\n",
        "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: embed\r\n",
        "Sec-Fetch-Mode: cors\r\nAccept: text/html\r\n",
        "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n",
        "Accept: */*\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    ] {
        assert_eq!(get(stage.edge.http, HOST, "/", headers).body(), "hi", "{headers}");
    }
    assert_eq!(get(stage.edge.http, HOST, &format!("/?{}", link()), NAVIGATION).body(), "hi");
    let private = get(stage.edge.http, "own.preview.test", &format!("/?{}", link()), NAVIGATION);
    assert_eq!(private.body(), "hi");
}

#[test]
fn nobody_elses_page_leads_past_it_and_it_leads_nowhere_else() {
    let (server, stage) = stage();
    let post = |headers: &str| {
        let headers = format!("{NAVIGATION}Content-Length: 0\r\n{headers}");
        ask(stage.edge.http, HOST, "POST /.well-known/preview-notice", &headers)
    };
    for foreign in ["Origin: https://evil.example\r\n", "Origin: null\r\n", ""] {
        let answer = post(foreign);
        assert!(answer.status() == 200 && answer.body().contains("Somebody’s preview"), "{foreign}");
        assert!(answer.all("set-cookie").is_empty());
    }
    let led = post(&format!("{OWN}Referer: https://evil.example/x\r\n"));
    assert_eq!(led.header("location"), "http://app.preview.test/");
    let others = format!("{NAVIGATION}Cookie: preview-seen=another\r\n");
    assert_ne!(get(stage.edge.http, HOST, "/", &others).body(), "hi", "of whom the host name was before");
    assert_eq!(server.requests(), 0);
}

#[test]
fn without_the_option_there_is_none() {
    let server = Recorder::answering(OK);
    let stage = Stage::with(vec![route("app", server.port)]);
    let answer = get(stage.edge.http, HOST, "/", NAVIGATION);
    assert_eq!((answer.body(), answer.header("x-robots-tag").as_str()), ("hi", "noindex"));
}

fn stage() -> (Recorder, Stage) {
    let server = Recorder::answering(OK);
    let routes = vec![route("app", server.port), private("own", server.port)];
    let contact = Some("Example Ops, abuse@example.com".to_owned());
    let stage = Stage::of(routes, |config| config.notice = Some(Notice { contact }));
    (server, stage)
}
