//! What is under way when an edge is told to stop.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use xtask::real::poll_for;

use crate::client::{SOON, connect};
use crate::daemon::route;
use crate::http2::{Client, nothing, text};
use crate::recorder::Recorder;
use crate::stage::Stage;

const HOST: &str = "app.preview.test";

#[test]
fn a_request_under_way_gets_its_answer_and_nobody_new_is_let_in() {
    let (go, recorder) = waiting();
    let stage = Stage::with(vec![route("app", recorder.port)]);
    let mut client = connect(stage.edge.http).expect("connected");
    write!(client, "GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n").expect("taken");
    recorder.request();

    let http = stage.edge.http;
    let stopping = std::thread::spawn(move || drop(stage));
    poll_for("closed doors", SOON, || TcpStream::connect(http).is_err().then_some(())).expect("in time");
    go.send(()).expect("somebody waits");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer, and then the end");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
    stopping.join().expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http2_too() {
    let (go, recorder) = waiting();
    let stage = Stage::secure(vec![route("app", recorder.port)], |_| {});
    let client = Client::connect(&stage, HOST).await;
    let answer = tokio::spawn({
        let mut client = client.clone();
        async move { client.get(HOST, "/", &[]).await }
    });
    recorder.request();
    let stopping = tokio::task::spawn_blocking(move || drop(stage));
    let refused = async {
        let another = || Request::get("https://other.preview.test/").body(nothing()).expect("a request");
        while client.clone().send(another()).await.is_ok() {}
    };
    tokio::time::timeout(SOON, refused).await.expect("it says GOAWAY");
    go.send(()).expect("somebody waits");
    let answer = answer.await.expect("it is sent");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(text(answer).await, "done");
    stopping.await.expect("stopped");
}

#[test]
fn a_tunnel_that_does_not_end_is_cut_off_when_the_time_is_over() {
    let switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let recorder = Recorder::answering(switched);
    let stage = Stage::with(vec![route("app", recorder.port)]);
    let mut client = connect(stage.edge.http).expect("connected");
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let origin = format!("Origin: http://{HOST}");
    write!(client, "GET / HTTP/1.1\r\nHost: {HOST}\r\n{origin}\r\n{upgrade}\r\n\r\n").expect("taken");
    let mut start = [0; 12];
    client.read_exact(&mut start).expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 101");
    let begun = Instant::now();
    drop(stage);
    // The test's edge has one second for what is under way.
    assert!((Duration::from_millis(900)..SOON).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    let _ = client.read_to_end(&mut Vec::new());
}

/// A dev server that answers once it is told to.
fn waiting() -> (mpsc::Sender<()>, Recorder) {
    let (go, told) = mpsc::channel();
    let told = Arc::new(Mutex::new(told));
    let recorder = Recorder::with(move |stream| {
        let told = told.lock().expect("sound");
        if told.recv_timeout(SOON).is_ok() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
        }
    });
    (go, recorder)
}
