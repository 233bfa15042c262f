//! The daemon's API under its own host name: what comes from outside goes to `public.sock`.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};

use xtask::real::{Scratch, poll_for};

use crate::client::{SOON, connect};
use crate::daemon::folder;
use crate::edge::{Edge, config};
use crate::recorder::values;
use crate::viewer::{ask, get};

const HOST: &str = "daemon.example";

#[test]
fn the_daemon_is_asked_at_its_public_socket_and_told_all() {
    let (scratch, seen) =
        public(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nLocation: http://localhost/x\r\n\r\nok");
    let edge = start(&scratch);
    let headers = "Authorization: Bearer k\r\nPreview-Session: s\r\nPreview-User: u\r\nX-Forwarded-For: 6.6.6.6\r\n\
        Cookie: preview=G; preview-login=L\r\nX-Real-IP: 6.6.6.6\r\n";
    let answer = get(edge.http, HOST, "/v1/attachments?cursor=1", headers);
    assert_eq!((answer.status(), answer.body()), (200, "ok"));
    assert_eq!(answer.header("location"), "http://localhost/x", "the daemon's word stands");
    let request = seen.lock().expect("sound").concat();
    assert!(request.starts_with("GET /v1/attachments?cursor=1 HTTP/1.1\r\n"), "{request}");
    for (name, value) in [
        ("host", HOST),
        ("authorization", "Bearer k"),
        ("preview-session", "s"),
        ("preview-user", "u"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", HOST),
        ("cookie", "preview-login=L"),
    ] {
        assert_eq!(values(&request, name), [value], "{name} in {request}");
    }
    assert!(!request.contains("6.6.6.6"), "{request}");
}

#[test]
fn a_daemon_that_is_away_is_503_daemon_unreachable() {
    let scratch = Scratch::new().expect("a folder");
    let edge = start(&scratch);
    let answer = get(edge.http, HOST, "/health", "");
    assert_eq!((answer.status(), answer.body()), (503, "daemon_unreachable"));
}

#[test]
fn events_by_websocket_pass_too() {
    let (scratch, _seen) =
        public(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst");
    let edge = start(&scratch);
    let mut stream = connect(edge.http).expect("connected");
    write!(
        stream,
        "GET /v1/events HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .expect("taken");
    let mut text = Vec::new();
    while !text.ends_with(b"first") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("more");
        text.push(byte[0]);
    }
    assert!(text.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn a_body_goes_to_the_daemon_and_is_not_held() {
    let (scratch, seen) = public(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    let edge = start(&scratch);
    let answer = ask(edge.http, HOST, "POST /v1/attachments", "Content-Length: 5\r\n\r\nhello");
    assert_eq!(answer.status(), 201);
    poll_for("the body", SOON, || seen.lock().expect("sound").concat().ends_with("hello").then_some(()))
        .expect("passed on");
}

fn start(scratch: &Scratch) -> Edge {
    let mut config = config(scratch);
    config.daemon_host = Some(HOST.to_owned());
    Edge::start(config)
}

/// A `public.sock` that answers each head with `answer`, and what came to it.
fn public(answer: &'static [u8]) -> (Scratch, Arc<Mutex<Vec<String>>>) {
    let scratch = Scratch::new().expect("a folder");
    std::fs::create_dir_all(folder(&scratch)).expect("a folder");
    let listener = UnixListener::bind(folder(&scratch).join("public.sock")).expect("a socket");
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let noted = Arc::clone(&noted);
            std::thread::spawn(move || serve(stream, answer, &noted));
        }
    });
    (scratch, seen)
}

fn serve(mut stream: UnixStream, answer: &[u8], noted: &Mutex<Vec<String>>) {
    let mut buffer = [0; 4096];
    let mut has_answered = false;
    while let Ok(read) = stream.read(&mut buffer) {
        if read == 0 {
            return;
        }
        noted.lock().expect("sound").push(String::from_utf8_lossy(&buffer[..read]).into_owned());
        if !has_answered {
            let _ = stream.write_all(answer);
            has_answered = true;
        }
    }
}
