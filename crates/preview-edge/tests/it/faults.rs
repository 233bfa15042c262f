//! Dev servers that misbehave: each gets its answer in time, in bounded memory, and its connection is not used again.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use preview_core::route::Route;
use preview_edge::config::Times;
use socket2::SockRef;

use crate::client::SOON;
use crate::recorder::Recorder;
use crate::stage::Stage;
use crate::viewer::{Answer, cookie, get, private};

const HOST: &str = "app.preview.test";

#[test]
fn a_reset_or_an_end_within_the_header_is_503_to_a_viewer() {
    for begins in ["", "HTTP/1.1 200 OK\r\nContent-Le"] {
        for resets in [true, false] {
            let server = Recorder::with(move |stream| {
                let _ = stream.write_all(begins.as_bytes());
                let linger = resets.then_some(Duration::ZERO);
                SockRef::from(&*stream).set_linger(linger).expect("set");
                let _ = stream.shutdown(std::net::Shutdown::Both);
            });
            let answer = asked(&server);
            assert_eq!(answer.status(), 503, "{begins:?} {resets}");
        }
    }
}

#[test]
fn endless_headers_are_502_upstream_not_http_and_not_read_to_any_end() {
    let server = Recorder::with(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(&b"X-Endless: yes\r\n".repeat(100)).is_ok() {}
    });
    let answer = asked(&server);
    assert_eq!((answer.status(), answer.body()), (502, "upstream_not_http"));
}

#[test]
fn endless_interim_answers_are_504_in_time() {
    let server = Recorder::with(|stream| {
        while stream.write_all(&b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(100)).is_ok() {}
    });
    let begun = Instant::now();
    assert_eq!(asked(&server).status(), 504);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[test]
fn interim_answers_before_the_answer_are_passed_over() {
    let server = Recorder::answering(
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    );
    let answer = asked(&server);
    assert_eq!((answer.status(), answer.body()), (200, "hi"));
}

#[test]
fn an_answer_longer_than_it_says_is_cut_and_its_connection_not_used_again() {
    let server = Recorder::answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond",
    );
    let stage = Stage::of(vec![private("app", server.port)], |config| config.threads = 1);
    for _ in 0..3 {
        let answer = get(stage.edge.http, HOST, "/", &cookie(&private("app", server.port)));
        assert_eq!((answer.status(), answer.body()), (200, "hi"));
    }
    assert_eq!(server.connections().len(), 3);
}

#[test]
fn lengths_that_differ_are_502_upstream_not_http() {
    for lengths in
        ["Content-Length: 2\r\nContent-Length: 3\r\n", "Content-Length: x\r\n", "Content-Length: -1\r\n"]
    {
        let server = Recorder::with(move |stream: &mut TcpStream| {
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{lengths}\r\nhi").as_bytes());
        });
        assert_eq!(asked(&server).status(), 502, "{lengths}");
    }
}

#[test]
fn an_upgrade_that_nobody_asked_for_is_502() {
    let server = Recorder::answering(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    );
    assert_eq!(asked(&server).status(), 502);
}

/// What a viewer is told of a server.
fn asked(server: &Recorder) -> Answer {
    let route: Route = private("app", server.port);
    let stage = Stage::of(vec![route.clone()], |config| {
        config.times = Times { first_byte: Duration::from_millis(500), ..config.times };
    });
    get(stage.edge.http, HOST, "/", &cookie(&route))
}
