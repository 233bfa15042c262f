//! Links for others, at the edge.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use preview_core::attachment::Visibility;
use preview_core::clock::Wall;
use preview_core::route::Route;
use preview_core::share::{Label, Share, Wish};
use preview_core::token::Token;
use xtask::real::poll_for;

use crate::client::{SOON, connect};
use crate::recorder::Recorder;
use crate::stage::Stage;
use crate::viewer::{NAVIGATION, ask, cookie, get, private};

const HOST: &str = "app.preview.test";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[test]
fn a_link_for_others_is_exchanged_for_a_cookie_that_ends_with_it() {
    let server = Recorder::answering(OK);
    let route = shared(private("app", server.port), false, Duration::from_hours(1));
    let stage = Stage::with(vec![route.clone()]);
    let first = get(stage.edge.http, HOST, &format!("/x?{}", guest_link()), NAVIGATION);
    assert_eq!((first.status(), first.header("referrer-policy").as_str()), (200, "same-origin"));
    let pair = first.all("set-cookie")[0].split(';').next().expect("a pair").to_owned();
    let visit = || get(stage.edge.http, HOST, "/y", &format!("Cookie: {pair}\r\n"));
    assert_eq!(visit().status(), 200);
    let mut withdrawn = route.clone();
    withdrawn.shares.remove(1);
    stage.daemon.put(withdrawn);
    poll_for("the guest to be out", Duration::from_secs(1), || (visit().status() == 401).then_some(()))
        .expect("in time");
    assert_eq!(get(stage.edge.http, HOST, "/y", &cookie(&route)).status(), 200, "others stay in");
    assert_eq!(get(stage.edge.http, HOST, &format!("/?{}", guest_link()), "").status(), 502);
}

#[test]
fn by_a_link_that_lets_only_look_nothing_is_changed() {
    let server = Recorder::answering(OK);
    let route = shared(private("app", server.port), true, Duration::from_hours(1));
    let stage = Stage::with(vec![route]);
    let first = get(stage.edge.http, HOST, &format!("/?{}", guest_link()), NAVIGATION);
    let pair = first.all("set-cookie")[0].split(';').next().expect("a pair").to_owned();
    let held = format!("Cookie: {pair}\r\nOrigin: http://app.preview.test\r\nContent-Length: 0\r\n");
    assert_eq!(ask(stage.edge.http, HOST, "HEAD /", &held).status(), 200);
    let before = server.requests();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY"] {
        let refused = ask(stage.edge.http, HOST, &format!("{method} /"), &held);
        assert_eq!((refused.status(), refused.body()), (403, "forbidden"), "{method}");
        let by_token =
            ask(stage.edge.http, HOST, &format!("{method} /?{}", guest_link()), "Content-Length: 0\r\n");
        assert_eq!(by_token.status(), 403, "{method}");
    }
    let page = ask(stage.edge.http, HOST, "POST /", &format!("{NAVIGATION}{held}"));
    assert!(page.status() == 403 && page.body().contains("lets you only look"), "{}", page.0);
    assert_eq!(server.requests(), before);
}

#[test]
fn a_withdrawn_link_or_a_preview_made_private_again_closes_open_sockets_within_a_second() {
    let server = Recorder::with(|stream| {
        let answer =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nup";
        _ = stream.write_all(answer.as_bytes());
    });
    let own = private("app", server.port);
    let guest = shared(own.clone(), true, Duration::from_hours(1));
    let public = Route { visibility: Visibility::Public, ..own.clone() };
    for (before, target) in [(guest, format!("/?{}", guest_link())), (public, "/".to_owned())] {
        let stage = Stage::with(vec![before]);
        let mut socket = open(&stage, &target);
        stage.daemon.put(own.clone());
        let begun = Instant::now();
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).expect("closed");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_link_that_has_ended_lets_nobody_in_before_anybody_says_so() {
    let server = Recorder::answering(OK);
    let route = shared(private("app", server.port), false, Duration::from_mins(1));
    let ended = Share { expires: now(), ..route.shares.as_slice()[0].clone() };
    let mut route = route;
    route.shares.remove(1);
    route.shares.add(Share { created: Wall::default(), ..ended });
    let stage = Stage::with(vec![route]);
    assert_eq!(get(stage.edge.http, HOST, &format!("/?{}", guest_link()), "").status(), 502);
}

/// A socket of which the server has said its first word.
fn open(stage: &Stage, target: &str) -> TcpStream {
    let mut socket = connect(stage.edge.http).expect("connected");
    write!(
        socket,
        "GET {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Origin: http://{HOST}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .expect("sent");
    let (mut text, mut byte) = (Vec::new(), [0]);
    let begun = Instant::now();
    while !text.ends_with(b"up") && begun.elapsed() < SOON {
        socket.read_exact(&mut byte).expect("an answer");
        text.push(byte[0]);
    }
    assert!(text.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&text));
    socket
}

/// The route with a link for a guest.
fn shared(mut route: Route, read_only: bool, ttl: Duration) -> Route {
    let wish = Wish::new(Label::default(), read_only, ttl).expect("in bounds");
    let share = route.shares.make(&wish, guest().digest(), now()).expect("room");
    route.shares.add(share);
    route
}

fn guest() -> Token {
    Token::from_entropy([8; 32])
}

fn guest_link() -> String {
    format!("session_id=s&token={}", guest().reveal())
}

fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Wall::from_secs(since.as_secs())
}
