//! Which connections to dev servers are kept, and what happens when one turns out to be closed.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use xtask::real::free_port;

use crate::daemon::route;
use crate::recorder::read_until;
use crate::stage::Stage;
use crate::viewer::{ask, get};

const HOST: &str = "app.preview.test";

#[test]
fn a_server_of_http_1_0_is_read_to_its_end() {
    let port = free_port().expect("a port");
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("free");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nto the end");
        }
    });
    let stage = Stage::with(vec![route("app", port)]);
    for _ in 0..2 {
        let answer = get(stage.edge.http, HOST, "/", "");
        assert!(answer.0.starts_with("HTTP/1.1 200 OK") && answer.0.contains("to the end"), "{answer:?}");
    }
}

#[test]
fn a_connection_that_the_dev_server_closed_costs_no_request_that_may_be_repeated() {
    let (port, accepted) = closing_after_each(true);
    let stage = Stage::of(vec![route("app", port)], |config| config.threads = 1);
    for n in 1..=5 {
        let answer = get(stage.edge.http, HOST, "/", "");
        assert_eq!(answer.status(), 200, "request {n}");
    }
    assert!(accepted.load(Ordering::Relaxed) >= 5);
}

#[test]
fn a_request_that_may_not_be_repeated_is_sent_once() {
    let (port, accepted) = closing_after_each(false);
    let stage = Stage::of(vec![route("app", port)], |config| config.threads = 1);
    let answer = ask(stage.edge.http, HOST, "POST /", "Content-Length: 2\r\n\r\nhi");
    assert_eq!(answer.status(), 502, "{answer:?}");
    assert_eq!(accepted.load(Ordering::Relaxed), 1);
    let answer = get(stage.edge.http, HOST, "/", "");
    assert_eq!(answer.status(), 502, "a fresh connection is no reason to try again");
    assert_eq!(accepted.load(Ordering::Relaxed), 2);
}

/// A server that answers one request of each connection, if at all, and closes it without a word at the second.
fn closing_after_each(answers: bool) -> (u16, Arc<AtomicUsize>) {
    let port = free_port().expect("a port");
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("free");
    let accepted = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&accepted);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            count.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || {
                read_until(&mut stream, "\r\n\r\n");
                if answers {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
                    // The next one is read and left without an answer.
                    let _ = stream.read(&mut [0; 16]);
                }
            });
        }
    });
    (port, accepted)
}
