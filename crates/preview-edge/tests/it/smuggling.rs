//! Requests that two servers might read differently. The stronger half: for each request that is accepted, the dev
//! server sees exactly one.

use std::io::{Read, Write};

use crate::client::connect;
use crate::daemon::route;
use crate::recorder::Recorder;
use crate::stage::Stage;
use crate::viewer::raw;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const HOST: &str = "app.preview.test";

/// What a smuggled request would look like; no dev server may ever see it.
const INNER: &str = "GET /smuggled HTTP/1.1\r\nHost: app.preview.test\r\n\r\n";

#[test]
fn what_is_ambiguous_is_refused_and_reaches_nobody() {
    let server = Recorder::answering(OK);
    let stage = Stage::with(vec![route("app", server.port)]);
    let post = |headers: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: {HOST}\r\n{headers}\r\n{body}");
    for request in [
        post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"),
        post("Content-Length: +5\r\n", "hello"),
        post("Content-Length: 0x5\r\n", "hello"),
        post("Content-Length: 1, 2\r\n", "he"),
        post("Content-Length: -1\r\n", ""),
        post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: identity\r\n", ""),
        post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        post("X: a\r\n folded\r\n", ""),
        post("X: a\0b\r\n", ""),
        post("X: a\rb\r\n", ""),
        post(" X: a\r\n", ""),
        format!("POST / HTTP/1.0\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("GET / HTTP/1.9\r\nHost: {HOST}\r\n\r\n"),
        format!("GET / HTTP/2.0\r\nHost: {HOST}\r\n\r\n"),
        format!("GET /a b HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
    ] {
        let answer = raw(stage.edge.http, format!("{request}{INNER}").as_bytes());
        assert_eq!(answer.status(), 400, "{request}\n{answer:?}");
        assert_eq!(answer.0.matches("HTTP/1.1 ").count(), 1, "{request}\n{answer:?}");
    }
    assert_eq!(server.requests(), 0, "{:?}", server.connections());
}

#[test]
fn a_body_that_breaks_the_rules_ends_the_connection_and_no_second_request_is_seen() {
    for body in [
        "-1\r\n",
        "5;a=\nb\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\r\nhelloXX0\r\n\r\n",
        "zz\r\n",
        "fffffffffffffffff\r\n",
    ] {
        let server = Recorder::answering(OK);
        let stage = Stage::with(vec![route("app", server.port)]);
        let head = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n");
        raw(stage.edge.http, format!("{head}{body}{INNER}").as_bytes());
        let seen = server.connections().concat();
        assert!(!seen.contains("smuggled"), "{body:?}: {seen}");
    }
}

#[test]
fn length_and_chunked_together_are_one_request_and_the_last_of_its_connection() {
    for lengths in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let server = Recorder::answering(OK);
        let stage = Stage::with(vec![route("app", server.port)]);
        let request = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\n{lengths}\r\n0\r\n\r\n{INNER}");
        let answer = raw(stage.edge.http, request.as_bytes());
        assert!(matches!(answer.status(), 200 | 400), "{answer:?}");
        assert_eq!(answer.0.matches("HTTP/1.1 ").count(), 1, "{answer:?}");
        let seen = server.connections().concat();
        assert!(!seen.contains("smuggled") && !seen.contains("content-length: 5"), "{seen}");
    }
}

#[test]
fn pipelined_requests_are_each_seen_once_and_in_order() {
    let server = Recorder::answering(OK);
    let stage = Stage::with(vec![route("app", server.port)]);
    let mut stream = connect(stage.edge.http).expect("connected");
    let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{more}\r\n");
    let post = format!("POST /2 HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\nhello");
    let all = [get("/1", ""), post, get("/3", "Connection: close\r\n")].concat();
    stream.write_all(all.as_bytes()).expect("taken");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("answers");
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3, "{text}");
    let seen = server.connections().concat();
    let at = |path: &str| seen.find(&format!(" {path} HTTP/1.1")).expect("seen");
    assert!(at("/1") < at("/2") && at("/2") < at("/3"), "{seen}");
    assert_eq!(server.requests(), 3);
}

#[test]
fn bytes_after_a_length_are_the_next_request_and_not_the_bodys() {
    let server = Recorder::answering(OK);
    let stage = Stage::with(vec![route("app", server.port)]);
    let request =
        format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi{INNER}");
    raw(stage.edge.http, request.as_bytes());
    assert!(!server.connections().concat().contains("smuggled"));
}

#[test]
fn connections_to_a_dev_server_are_never_shared_between_attachments() {
    let server = Recorder::answering(OK);
    let stage = Stage::with(vec![route("app", server.port), route("other", server.port)]);
    let mut stream = connect(stage.edge.http).expect("connected");
    for host in [HOST, "other.preview.test", HOST, "other.preview.test"] {
        write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("taken");
        let mut answer = Vec::new();
        while !answer.ends_with(b"hi") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("an answer");
            answer.push(byte[0]);
        }
    }
    for connection in server.connections() {
        let own = connection.contains("x-forwarded-host: app.preview.test");
        let theirs = connection.contains("x-forwarded-host: other.preview.test");
        assert!(own != theirs, "{connection}");
    }
}
