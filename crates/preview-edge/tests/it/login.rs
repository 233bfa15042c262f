//! Login mode: an endpoint of the operator's says who is let in.

use std::time::{Duration, Instant};

use preview_core::access::AccessMode;
use preview_core::attachment::Visibility;
use preview_core::route::Route;
use preview_core::share::{Label, Wish};
use preview_core::token::Token;
use preview_edge::config::{self, Config, Mode};
use xtask::real::login::Mood;
use xtask::real::{Login, Scratch, poll_for};

use crate::client::SOON;
use crate::edge::{Edge, config};
use crate::recorder::{Recorder, values};
use crate::stage::Stage;
use crate::viewer::{NAVIGATION, ask, cookie, get, link, private};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: _oauth2_proxy=evil; Path=/\r\n\
    Set-Cookie: app=1\r\n\r\nhi";
const HOST: &str = "app.preview.test";
const UPGRADE: &str = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://app.preview.test\r\n";

#[test]
fn a_tab_is_sent_to_the_login_and_let_in_once_it_has_been_there() {
    let (server, login, stage) = stage();
    let sent = get(stage.edge.http, HOST, "/x?a=1&token=T&session_id=s", NAVIGATION);
    let rd = "rd=http%3A%2F%2Fapp.preview.test%2Fx%3Fa%3D1";
    assert_eq!(sent.status(), 302);
    assert_eq!(sent.header("location"), format!("{}/oauth2/sign_in?{rd}", login.origin()));
    assert!(sent.header("set-cookie").starts_with("_oauth2_proxy_csrf=1; "), "the login needs it back");
    assert_eq!(
        (sent.header("cache-control"), sent.header("referrer-policy")),
        ("no-store".into(), "same-origin".into())
    );
    assert_eq!(server.requests(), 0);

    let held = format!("{NAVIGATION}Cookie: a=1; {}; preview=x\r\n", login.log_in("ada"));
    let entered = get(stage.edge.http, HOST, "/x", &held);
    assert_eq!((entered.status(), entered.body()), (200, "hi"));
    assert_eq!(entered.all("set-cookie"), ["app=1"], "the dev server cannot log anybody in");
    let told = server.request();
    assert_eq!(values(&told, "x-auth-request-user"), ["ada"]);
    assert_eq!(values(&told, "x-auth-request-email"), ["ada@example.com"]);
    assert_eq!(values(&told, "cookie"), ["a=1"], "nor keep who did");
    let question = login.questions().pop().expect("one");
    assert!(!question.contains("preview=x") && question.contains("_oauth2_proxy="), "{question}");
}

#[test]
fn a_frame_gets_a_page_that_opens_the_login_in_a_tab_and_all_else_a_status() {
    let (server, login, stage) = stage();
    for dest in ["iframe", "frame", "embed", "object"] {
        let headers = format!("{NAVIGATION}Sec-Fetch-Dest: {dest}\r\n");
        let framed = get(stage.edge.http, HOST, "/x", &headers);
        assert_eq!((framed.status(), framed.header("location").as_str()), (401, ""), "{dest}");
        assert!(framed.body().contains("href=\"\" target=\"_blank\" rel=\"noopener\""), "{}", framed.0);
        assert!(!framed.body().contains("login.preview.test"), "nothing of the endpoint's");
    }
    for headers in [
        "Sec-Fetch-Mode: cors\r\nAccept: text/html\r\n",
        "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\nAccept: */*\r\n",
        "Accept: */*\r\n",
        &format!("Connection: upgrade\r\n{UPGRADE}"),
    ] {
        let answer = get(stage.edge.http, HOST, "/x", headers);
        assert_eq!((answer.status(), answer.body()), (401, "unauthorized"), "{headers}");
        assert!(answer.header("location").is_empty() && answer.all("set-cookie").is_empty());
    }
    assert_eq!(server.requests(), 0);
    assert!(login.questions().len() >= 4);
}

#[test]
fn a_login_that_only_says_no_is_told_by_a_page_and_by_its_status() {
    let (_server, login, stage) = stage_with(|config, login| {
        config.login.endpoint = Some(login.bare_endpoint().parse().expect("a URL"));
    });
    let page = get(stage.edge.http, HOST, "/", NAVIGATION);
    assert!(page.status() == 401 && page.body().contains("Log in first"), "{}", page.0);
    login.be(Mood::Answers(403));
    let page = get(stage.edge.http, HOST, "/", NAVIGATION);
    assert!(page.status() == 403 && page.body().contains("You may not see this preview"), "{}", page.0);
    assert_eq!(get(stage.edge.http, HOST, "/", "").body(), "forbidden");
}

#[test]
fn a_login_that_is_down_slow_or_confused_lets_nobody_in() {
    let (server, login, stage) = stage();
    let held = format!("Cookie: {}\r\n", login.log_in("ada"));
    for mood in [Mood::Answers(500), Mood::Answers(404), Mood::Answers(302), Mood::Silent] {
        login.be(mood);
        let begun = Instant::now();
        let refused = get(stage.edge.http, HOST, "/", &held);
        assert_eq!((refused.status(), refused.body()), (503, "login_unreachable"), "{mood:?}");
        assert_eq!(refused.header("retry-after"), "5");
        assert!(begun.elapsed() < SOON);
    }
    let page = get(stage.edge.http, HOST, "/", &format!("{held}{NAVIGATION}"));
    assert!(page.status() == 503 && page.body().contains("The login does not answer"), "{}", page.0);
    assert_eq!(server.requests(), 0);
    login.be(Mood::Well);
    assert_eq!(get(stage.edge.http, HOST, "/", &held).status(), 200);

    let (_server, _login, stage) = stage_with(|config, _| {
        config.login.endpoint = Some("http://127.0.0.1:1/".parse().expect("a URL"));
    });
    assert_eq!(get(stage.edge.http, HOST, "/", &held).status(), 503, "nobody there");
}

#[test]
fn a_yes_holds_for_seconds_for_the_same_person_and_host_and_a_logout_ends_it() {
    let (_server, login, stage) = stage_with(|config, _| config.login.cache = Duration::from_secs(1));
    let (ada, eve) = (format!("Cookie: {}\r\n", login.log_in("ada")), "Cookie: _oauth2_proxy=guess\r\n");
    let status = |host: &str, headers: &str| get(stage.edge.http, host, "/", headers).status();
    assert_eq!(status(HOST, &ada), 200);
    assert_eq!(status(HOST, eve), 401, "not hers");
    assert_eq!(status(HOST, ""), 401);
    login.log_out();
    assert_eq!(status("other.preview.test", &ada), 401, "of another host nothing is known");
    poll_for("the logout", Duration::from_millis(1_500), || (status(HOST, &ada) == 401).then_some(()))
        .expect("in time");
}

#[test]
fn a_page_full_of_modules_asks_once_for_each_thread() {
    let (_server, login, stage) = stage_with(|config, _| config.login.cache = Duration::from_mins(1));
    let held = format!("Cookie: {}\r\n", login.log_in("ada"));
    for _ in 0..50 {
        assert_eq!(get(stage.edge.http, HOST, "/m.js", &held).status(), 200);
    }
    let asked = login.questions().len();
    assert!((1..=2).contains(&asked), "{asked} questions");
}

#[test]
fn neither_the_attachments_own_token_nor_its_grant_lets_in_but_a_shared_link_does() {
    let server = Recorder::answering(OK);
    let mut route = private("app", server.port);
    let guest = Token::from_entropy([8; 32]);
    let wish = Wish::new(Label::default(), false, Duration::from_hours(1)).expect("in bounds");
    let now = preview_core::clock::Wall::from_secs(u64::from(u32::MAX));
    route.shares.add(route.shares.make(&wish, guest.digest(), now).expect("room"));
    let (login, stage) = (Login::start("preview.test").expect("a port"), vec![route.clone()]);
    let stage = Stage::of(stage, |config| ask_of(config, &login));
    assert_eq!(get(stage.edge.http, HOST, &format!("/?{}", link()), "").status(), 401);
    assert_eq!(get(stage.edge.http, HOST, "/", &cookie(&route)).status(), 401);
    let shared = format!("/?session_id=s&token={}", guest.reveal());
    let first = get(stage.edge.http, HOST, &shared, "");
    assert_eq!(first.status(), 200);
    let pair = first.all("set-cookie")[0].split(';').next().expect("a pair").to_owned();
    assert_eq!(get(stage.edge.http, HOST, "/", &format!("Cookie: {pair}\r\n")).status(), 200);
}

#[test]
fn what_is_not_there_and_what_one_may_not_see_are_alike() {
    let (_server, login, stage) = stage();
    let strip = |answer: crate::viewer::Answer| answer.0.replace("nowhere", "app").replace("\r\n\r\n", "\n");
    let there = strip(get(stage.edge.http, HOST, "/", NAVIGATION));
    let gone = strip(get(stage.edge.http, "nowhere.preview.test", "/", NAVIGATION));
    assert_eq!(there, gone);
    let held = format!("Cookie: {}\r\n", login.log_in("ada"));
    assert_eq!(get(stage.edge.http, "nowhere.preview.test", "/", &held).status(), 502);
    let before = login.questions().len();
    for foreign in ["evil.example", "preview.test", "a.b.preview.test"] {
        assert_eq!(get(stage.edge.http, foreign, "/", NAVIGATION).status(), 502, "{foreign}");
    }
    assert_eq!(login.questions().len(), before, "no login is to make URLs of these");
}

#[test]
fn open_and_public_previews_ask_nobody_and_nobody_says_who_he_is() {
    let server = Recorder::answering(OK);
    let login = Login::start("preview.test").expect("a port");
    let public = Route { visibility: Visibility::Public, ..private("app", server.port) };
    let forged = "X-Auth-Request-User: root\r\nX_Auth_Request_Email: root@x\r\nRemote-User: root\r\nremote_groups: wheel\r\nX-Other: 1\r\n";
    for mode in [AccessMode::Forward, AccessMode::Open, AccessMode::Token] {
        let stage = Stage::of(vec![public.clone()], |config| {
            ask_of(config, &login);
            config.access.mode = mode;
        });
        assert_eq!(get(stage.edge.http, HOST, "/", forged).status(), 200);
    }
    assert_eq!(login.questions().len(), 0);
    for told in server.connections() {
        assert!(
            !told.contains("root") && !told.contains("wheel") && told.to_lowercase().contains("x-other: 1"),
            "{told}"
        );
    }
}

#[test]
fn a_socket_and_a_post_come_in_by_the_login_and_only_from_the_previews_own_pages() {
    let (server, login, stage) = stage_answering(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    let held = format!("Cookie: {}\r\n", login.log_in("ada"));
    let upgrade = |headers: &str| {
        let request =
            format!("GET /ws HTTP/1.1\r\nHost: {HOST}\r\nConnection: upgrade\r\n{headers}{held}\r\n");
        crate::viewer::raw(stage.edge.http, request.as_bytes()).status()
    };
    let foreign = UPGRADE.replace("http://app.preview.test", "https://evil.example");
    assert_eq!(upgrade(&foreign), 403);
    let unsaid = UPGRADE.replace("Origin: http://app.preview.test\r\n", "");
    assert_eq!(upgrade(&unsaid), 403);
    let sibling = format!("{held}Origin: http://gone.preview.test\r\nContent-Length: 0\r\n");
    assert_eq!(ask(stage.edge.http, HOST, "POST /", &sibling).status(), 403);
    assert_eq!(login.questions().len(), 0, "whoever is refused anyway is not asked about");
    assert_eq!(server.requests(), 0);
    server_switches(&server, &stage, &held);
}

#[test]
fn without_a_daemon_a_login_guards_every_port() {
    let server = Recorder::answering(OK);
    let (scratch, login) = (Scratch::new().expect("a folder"), Login::start("preview.test").expect("a port"));
    let mut config = config(&scratch);
    config.mode = Mode::Static;
    crate::stage::set_template(&mut config, "http://preview-{port}.preview.test");
    ask_of(&mut config, &login);
    let edge = Edge::start(config);
    let host = format!("preview-{}.preview.test", server.port);
    assert_eq!(get(edge.http, &host, "/", "").status(), 401);
    let held = format!("Cookie: {}\r\n", login.log_in("ada"));
    assert_eq!(get(edge.http, &host, "/", &held).status(), 200);
    assert_eq!(values(&server.request(), "x-auth-request-user"), ["ada"]);
}

/// The switched connection stays open, so its first bytes are what counts.
fn server_switches(server: &Recorder, stage: &Stage, held: &str) {
    use std::io::{Read, Write};
    let mut socket = crate::client::connect(stage.edge.http).expect("connected");
    write!(socket, "GET /ws HTTP/1.1\r\nHost: {HOST}\r\nConnection: upgrade\r\n{UPGRADE}{held}\r\n")
        .expect("sent");
    let mut status = [0; 12];
    socket.read_exact(&mut status).expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 101");
    assert_eq!(values(&server.request(), "x-auth-request-user"), ["ada"]);
}

fn stage() -> (Recorder, Login, Stage) {
    stage_answering(OK)
}

fn stage_answering(answer: &'static [u8]) -> (Recorder, Login, Stage) {
    let server = Recorder::answering(answer);
    let login = Login::start("preview.test").expect("a port");
    let routes = vec![private("app", server.port), private("other", server.port)];
    let stage = Stage::of(routes, |config| ask_of(config, &login));
    (server, login, stage)
}

fn stage_with(change: impl FnOnce(&mut Config, &Login)) -> (Recorder, Login, Stage) {
    let server = Recorder::answering(OK);
    let login = Login::start("preview.test").expect("a port");
    let routes = vec![private("app", server.port), private("other", server.port)];
    let stage = Stage::of(routes, |config| {
        ask_of(config, &login);
        change(config, &login);
    });
    (server, login, stage)
}

/// Has the login decide; its answers are waited for no longer than a test may take.
fn ask_of(config: &mut Config, login: &Login) {
    config.access.mode = AccessMode::Forward;
    config.times.login = Duration::from_millis(700);
    config.login = config::Login {
        endpoint: Some(login.endpoint().parse().expect("a URL")),
        headers: ["x-auth-request-user", "x-auth-request-email", "remote-user", "remote-groups"]
            .map(http::HeaderName::from_static)
            .to_vec(),
        cookies: vec!["_oauth2_proxy".to_owned()],
        cache: Duration::from_millis(100),
    };
}
