//! From the token in a link to the cookie that lets in, and what that cookie does and does not open.

use std::time::Duration;

use preview_core::route::Route;
use preview_core::token::{Token, Tokens};
use preview_edge::config::Handoff;
use xtask::real::poll_for;

use crate::client::SOON;
use crate::http2::{Client, text};
use crate::recorder::{Recorder, values};
use crate::stage::Stage;
use crate::viewer::{Answer, NAVIGATION, ask, cookie, get, grant, link, private};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: app=1; Path=/\r\n\r\nhi";
const HOST: &str = "app.preview.test";

#[test]
fn a_link_is_passed_on_and_its_answer_sets_the_cookie_that_lets_in() {
    let server = Recorder::answering(OK);
    let stage = Stage::with(vec![private("app", server.port)]);
    let first = get(stage.edge.http, HOST, &format!("/x?a=1&{}", link()), NAVIGATION);
    assert_eq!((first.status(), first.body()), (200, "hi"));
    assert!(
        server.request().starts_with(&format!("GET /x?a=1&{} HTTP/1.1\r\n", link())),
        "the SDK reads them"
    );
    assert_eq!(first.header("cache-control"), "no-store");
    assert_eq!(first.header("referrer-policy"), "same-origin");
    let set = first.all("set-cookie");
    assert!(set[0].ends_with("; Path=/; Max-Age=633600; HttpOnly; SameSite=Lax"), "{set:?}");
    assert_eq!(set[1], "app=1; Path=/");
    let cookie = format!("Cookie: {}\r\n", set[0].split(';').next().expect("a pair"));
    let second = get(stage.edge.http, HOST, "/y", &cookie);
    assert_eq!(second.status(), 200);
    assert_eq!(second.all("set-cookie"), ["app=1; Path=/"], "nothing new is set");
    assert_eq!(second.header("referrer-policy"), "");
}

#[test]
fn a_link_clears_what_the_host_names_former_holder_left_behind() {
    let server = Recorder::answering(OK);
    let stage = Stage::with(vec![private("app", server.port)]);
    let first = get(stage.edge.http, HOST, &format!("/?{}", link()), "Cookie: old=1; sid=2\r\n");
    assert_eq!(first.header("clear-site-data"), "\"cache\", \"storage\"");
    let set = first.all("set-cookie");
    assert_eq!(set[1..], ["old=; Path=/; Max-Age=0", "sid=; Path=/; Max-Age=0", "app=1; Path=/"]);
    assert!(values(&server.request(), "cookie").is_empty());
}

#[test]
fn where_names_cannot_be_guessed_nothing_needs_clearing() {
    let server = Recorder::answering(OK);
    let stage = Stage::unguessable(private("abcdefghijklmnopqrstuvwxyz", server.port));
    let host = "abcdefghijklmnopqrstuvwxyz.preview.test";
    let first = get(stage.edge.http, host, &format!("/?{}", link()), "Cookie: old=1\r\n");
    assert_eq!((first.status(), first.header("clear-site-data").as_str()), (200, ""));
    assert_eq!(values(&server.request(), "cookie"), ["old=1"]);
}

#[test]
fn a_stripped_link_leads_to_itself_without_the_token() {
    let server = Recorder::answering(OK);
    let stage = Stage::of(vec![private("app", server.port)], |config| config.handoff = Handoff::Strip);
    let first = get(stage.edge.http, HOST, &format!("//x?a=1&{}&b", link()), NAVIGATION);
    assert_eq!(
        (first.status(), first.header("location").as_str()),
        (302, "http://app.preview.test//x?a=1&b")
    );
    assert_eq!(first.header("cache-control"), "no-store");
    assert!(first.header("set-cookie").starts_with("preview=1."));
    assert_eq!(server.requests(), 0);
    let fetch = get(stage.edge.http, HOST, &format!("/x?{}&a", link()), "");
    assert_eq!(fetch.status(), 200, "never a redirect");
    assert!(server.request().starts_with("GET /x?a HTTP/1.1\r\n"));
}

#[test]
fn a_valid_grant_wins_over_a_missing_old_or_wrong_token() {
    let server = Recorder::answering(OK);
    let route = private("app", server.port);
    let stage = Stage::with(vec![route.clone()]);
    for target in ["/", "/?session_id=s&token=wrong", "/?session_id=other&token=", "/?token=the-apps-own"] {
        assert_eq!(get(stage.edge.http, HOST, target, &cookie(&route)).status(), 200, "{target}");
    }
}

#[test]
fn a_token_in_the_header_lets_in_once_and_never_reaches_the_dev_server() {
    let server = Recorder::answering(OK);
    let stage = Stage::with(vec![private("app", server.port)]);
    let token = Token::from_entropy([1; 32]);
    let answer = get(stage.edge.http, HOST, "/", &format!("Preview-Token: {}\r\n", token.reveal()));
    assert_eq!((answer.status(), answer.all("set-cookie")), (200, vec!["app=1; Path=/".to_owned()]));
    assert!(!server.request().contains(token.reveal()));
    assert_eq!(get(stage.edge.http, HOST, "/", "Preview-Token: wrong\r\n").status(), 502);
}

#[test]
fn a_token_of_another_session_or_attachment_does_not_let_in() {
    let server = Recorder::answering(OK);
    let other = Token::from_entropy([9; 32]);
    let theirs = Route { tokens: Tokens::new(other.digest()), ..private("theirs", server.port) };
    let stage = Stage::with(vec![private("app", server.port), theirs]);
    let target = |session: &str, token: &Token| format!("/?session_id={session}&token={}", token.reveal());
    assert_eq!(get(stage.edge.http, HOST, &target("s", &other), "").status(), 502);
    assert_eq!(get(stage.edge.http, HOST, &target("t", &Token::from_entropy([1; 32])), "").status(), 502);
    assert_eq!(get(stage.edge.http, "theirs.preview.test", &target("s", &other), "").status(), 200);
}

#[test]
fn a_grant_does_not_open_another_host_or_epoch() {
    let server = Recorder::answering(OK);
    let (app, other) = (private("app", server.port), private("other", server.port));
    let stage = Stage::with(vec![app.clone(), other]);
    assert_eq!(get(stage.edge.http, "other.preview.test", "/", &cookie(&app)).status(), 502);
    assert_eq!(get(stage.edge.http, HOST, "/", &cookie(&app)).status(), 200);
    stage.daemon.put(Route { epoch: 1, ..app.clone() });
    // One that is under way just then may lose its connection first.
    poll_for("the revocation", SOON, || {
        (get(stage.edge.http, HOST, "/", &cookie(&app)).status() == 401).then_some(())
    })
    .expect("in time");
    assert_eq!(get(stage.edge.http, HOST, "/", &cookie(&app)).status(), 401);
}

#[test]
fn a_grant_in_use_is_renewed_without_clearing_anything() {
    let server = Recorder::answering(OK);
    let route = private("app", server.port);
    let stage = Stage::with(vec![route.clone()]);
    // A minute of its eight is over.
    let value = crate::viewer::grant_for(&route, 0, Duration::from_mins(8));
    let answer = get(stage.edge.http, HOST, "/", &format!("Cookie: preview={value}; app=1\r\n"));
    assert_eq!((answer.status(), answer.header("clear-site-data").as_str()), (200, ""));
    assert!(answer.all("set-cookie")[0].starts_with("preview=1."));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(values(&server.request(), "cookie"), ["app=1"]);
}

#[test]
fn a_forged_cookie_is_no_grant() {
    let route = private("app", 4001);
    let stage = Stage::with(vec![route.clone()]);
    let good = grant(&route);
    for forged in
        [good.replace("1.1.", "1.2."), format!("{good}x"), good[..good.len() - 1].to_owned(), String::new()]
    {
        assert_eq!(
            get(stage.edge.http, HOST, "/", &format!("Cookie: preview={forged}\r\n")).status(),
            502,
            "{forged}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_https_two_host_cookies_hand_over_and_the_unpartitioned_one_is_for_own_workers_alone() {
    let server = Recorder::answering(OK);
    let stage = Stage::secure(vec![private("app", server.port)], |_| {});
    let mut client = Client::connect(&stage, HOST).await;
    let first = client.get(HOST, &format!("/?{}", link()), &[("sec-fetch-mode", "navigate")]).await;
    assert_eq!(first.status(), 200);
    let set: Vec<String> = first
        .headers()
        .get_all("set-cookie")
        .iter()
        .map(|it| it.to_str().expect("text").to_owned())
        .collect();
    assert!(set[0].starts_with("__Host-preview=1.") && set[0].ends_with("; Partitioned"), "{set:?}");
    assert!(set[1].starts_with("__Host-preview-w=1.") && !set[1].contains("Partitioned"), "{set:?}");
    text(first).await;
    let pair = |at: usize| set[at].split(';').next().expect("a pair").to_owned();
    let (pages, workers) = (pair(0), pair(1));
    let same = ("sec-fetch-site", "same-origin");
    let status = async |client: &mut Client, headers: &[(&str, &str)]| {
        client.get(HOST, "/", headers).await.status().as_u16()
    };
    assert_eq!(status(&mut client, &[("cookie", &pages)]).await, 200);
    assert_eq!(status(&mut client, &[("cookie", &pages), ("cookie", "a=1"), same]).await, 200);
    assert_eq!(status(&mut client, &[("cookie", &workers), same]).await, 200);
    assert_eq!(status(&mut client, &[("cookie", &workers)]).await, 401);
    assert_eq!(status(&mut client, &[("cookie", &workers), ("sec-fetch-site", "cross-site")]).await, 401);
}

#[test]
fn a_sibling_of_the_same_session_may_ask_and_one_of_another_may_not() {
    let server = Recorder::answering(OK);
    let app = private("app", server.port);
    let stranger = Route {
        session: preview_core::id::SessionId::new("t").expect("valid"),
        ..private("stranger", server.port)
    };
    let stage = Stage::with(vec![app.clone(), private("api", server.port), stranger]);
    let post = |origin: &str| -> Answer {
        ask(
            stage.edge.http,
            HOST,
            "POST /",
            &format!("Origin: {origin}\r\nContent-Length: 0\r\n{}", cookie(&app)),
        )
    };
    assert_eq!(post("http://app.preview.test").status(), 200);
    assert_eq!(post("http://api.preview.test").status(), 200);
    assert_eq!(post("http://stranger.preview.test").status(), 403);
    assert_eq!(post("http://dead.preview.test").status(), 403);
}
