//! Bodies stream both ways, nothing of them is held, and where they break off is seen.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use xtask::real::{free_port, poll_for};

use crate::client::{SOON, connect};
use crate::daemon::route;
use crate::http2::{Client, text};
use crate::recorder::{Recorder, read_until, values};
use crate::stage::Stage;
use crate::viewer::{ask, raw};

const HOST: &str = "app.preview.test";
const MIB: usize = 1 << 20;

/// More than all buffers of two connections and what the edge may have in hand.
const BUFFERED: usize = 24 * MIB;

#[test]
fn the_first_event_is_seen_before_the_second_is_sent() {
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let server = Recorder::with(move |stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = stream.write_all(format!("{head}d\r\ndata: first\n\n\r\n").as_bytes());
        told.lock().expect("sound").recv().expect("told");
        let _ = stream.write_all(b"e\r\ndata: second\n\n\r\n0\r\n\r\n");
    });
    let stage = Stage::with(vec![route("app", server.port)]);
    let mut stream = connect(stage.edge.http).expect("connected");
    write!(stream, "GET /sse HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n").expect("taken");
    read_until(&mut stream, "data: first");
    tell.send(()).expect("listens");
    read_until(&mut stream, "data: second");
}

#[test]
fn a_download_goes_no_faster_than_it_is_read_and_arrives_whole() {
    let (server, sent) = source(100 * MIB);
    let stage = Stage::with(vec![route("app", server)]);
    let mut stream = connect(stage.edge.http).expect("connected");
    write!(stream, "GET /big HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n").expect("taken");
    settled(&sent);
    assert!(sent.load(Ordering::Relaxed) < BUFFERED, "{} were taken", sent.load(Ordering::Relaxed));
    let head = read_until(&mut stream, "\r\n\r\n");
    assert_eq!(values(&head, "content-length"), [(100 * MIB).to_string()]);
    assert_eq!(drained(&mut stream), 100 * MIB);
}

#[test]
fn an_upload_goes_no_faster_than_it_is_read_and_arrives_whole() {
    let (server, go, got) = sink();
    let stage = Stage::with(vec![route("app", server)]);
    let mut stream = connect(stage.edge.http).expect("connected");
    write!(
        stream,
        "PUT /up HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        100 * MIB
    )
    .expect("taken");
    let sent = Arc::<AtomicUsize>::default();
    let (mut sending, count) = (stream.try_clone().expect("a handle"), Arc::clone(&sent));
    let sender = std::thread::spawn(move || {
        for _ in 0..100 {
            sending.write_all(&vec![b'x'; MIB]).expect("taken");
            count.fetch_add(MIB, Ordering::Relaxed);
        }
    });
    settled(&sent);
    assert!(sent.load(Ordering::Relaxed) < BUFFERED, "{} were taken", sent.load(Ordering::Relaxed));
    go.send(()).expect("listens");
    sender.join().expect("sent");
    read_until(&mut stream, "HTTP/1.1 200");
    assert_eq!(got.load(Ordering::Relaxed), 100 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_http2_a_download_waits_for_its_reader_too() {
    let (server, sent) = source(100 * MIB);
    let stage = Stage::secure(vec![route("app", server)], |_| {});
    let mut client = Client::connect(&stage, HOST).await;
    let mut answer = client.get(HOST, "/big", &[]).await;
    let taken = tokio::task::spawn_blocking({
        let sent = Arc::clone(&sent);
        move || {
            settled(&sent);
            sent.load(Ordering::Relaxed)
        }
    });
    assert!(taken.await.expect("looked") < BUFFERED);
    let mut got = 0;
    while let Some(frame) = answer.body_mut().frame().await {
        got += frame.expect("a frame").into_data().map_or(0, |data| data.len());
    }
    assert_eq!(got, 100 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_http2_an_upload_streams_and_arrives_whole() {
    let (server, go, got) = sink();
    go.send(()).expect("listens");
    let stage = Stage::secure(vec![route("app", server)], |_| {});
    let mut client = Client::connect(&stage, HOST).await;
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let request = Request::put(format!("https://{HOST}/up"))
        .header("content-length", 10 * MIB)
        .body(body.boxed())
        .expect("a request");
    tokio::spawn(async move {
        for _ in 0..10 {
            sender.send_data(vec![b'x'; MIB].into()).await.expect("taken");
        }
    });
    assert_eq!(client.send(request).await.expect("an answer").status(), 200);
    assert_eq!(got.load(Ordering::Relaxed), 10 * MIB);
}

#[test]
fn a_dev_server_that_dies_in_a_body_leaves_no_whole_answer() {
    for head in ["Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let server = dying(head);
        let stage = Stage::with(vec![route("app", server)]);
        let mut stream = connect(stage.edge.http).expect("connected");
        write!(stream, "GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n").expect("taken");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("half"), "{answer}");
        assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_http2_a_dev_server_that_dies_in_a_body_resets_the_stream_and_no_other() {
    let stage = Stage::secure(
        vec![
            route("app", dying("Content-Length: 100\r\n\r\nhalf")),
            route("other", Recorder::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").port),
        ],
        |_| {},
    );
    let mut client = Client::connect(&stage, HOST).await;
    let broken = client.get(HOST, "/", &[]).await;
    assert!(broken.into_body().collect().await.is_err());
    assert_eq!(text(client.get("other.preview.test", "/", &[]).await).await, "hi");
}

#[test]
fn a_client_that_expects_100_is_asked_for_its_body() {
    let server = Recorder::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let stage = Stage::with(vec![route("app", server.port)]);
    let mut stream = connect(stage.edge.http).expect("connected");
    write!(stream, "POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        .expect("taken");
    read_until(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").expect("taken");
    read_until(&mut stream, "HTTP/1.1 200 OK");
    assert!(values(&server.request(), "expect").is_empty());
}

#[test]
fn answers_without_a_body_stay_so() {
    for (line, answer) in [
        ("HEAD /", "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n"),
        ("GET /", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET /", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"),
    ] {
        let server = Recorder::answering(answer.as_bytes());
        let stage = Stage::of(vec![route("app", server.port)], |config| config.threads = 1);
        for _ in 0..2 {
            let got = ask(stage.edge.http, HOST, line, "");
            assert_eq!(got.0.split("\r\n").next(), answer.split("\r\n").next());
            assert_eq!(got.body(), "");
        }
        let got = ask(stage.edge.http, HOST, line, "");
        assert_eq!(got.header("content-length"), if line.starts_with("HEAD") { "42" } else { "" });
        assert_eq!(server.connections().len(), 1, "the connection is kept");
    }
}

#[test]
fn trailers_pass_both_ways() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n";
    let server = Recorder::answering(answer.as_bytes());
    let stage = Stage::with(vec![route("app", server.port)]);
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\
         Trailer: x-in\r\n\r\n2\r\nhi\r\n0\r\nx-in: 5\r\n\r\n"
    );
    let got = raw(stage.edge.http, request.as_bytes());
    assert!(got.0.ends_with("0\r\nx-sum: 7\r\n\r\n"), "{got:?}");
    poll_for("the client's trailer", SOON, || server.connections()[0].contains("x-in: 5\r\n").then_some(()))
        .expect("passed on");
}

#[test]
fn a_client_that_leaves_a_silent_stream_is_noticed() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let app = route("app", Recorder::answering(head).port);
    let stage = Stage::with(vec![app.clone()]);
    let mut stream = connect(stage.edge.http).expect("connected");
    write!(stream, "GET /sse HTTP/1.1\r\nHost: {HOST}\r\n\r\n").expect("taken");
    read_until(&mut stream, "\r\n\r\n");
    let open = || {
        let reports = stage.daemon.reports();
        reports.iter().flat_map(|it| &it.entries).rfind(|it| it.id == app.id.to_string()).map(|it| it.open)
    };
    poll_for("the open stream", SOON, || open().filter(|open| *open == 1)).expect("reported");
    drop(stream);
    poll_for("its end", SOON, || open().filter(|open| *open == 0)).expect("reported");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_http2_head_has_a_length_and_no_body() {
    let server = Recorder::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n");
    let stage = Stage::secure(vec![route("app", server.port)], |_| {});
    let mut client = Client::connect(&stage, HOST).await;
    for (host, status) in [(HOST, 200), ("nobody.preview.test", 502)] {
        let request =
            Request::head(format!("https://{host}/")).body(crate::http2::nothing()).expect("a request");
        let answer = client.send(request).await.expect("an answer");
        assert_eq!(answer.status(), status);
        assert_ne!(answer.headers()["content-length"], "0");
        assert_eq!(text(answer).await, "");
    }
}

#[test]
fn a_client_that_leaves_takes_the_request_to_the_dev_server_along() {
    let (server, sent) = source(usize::MAX);
    let stage = Stage::with(vec![route("app", server)]);
    let mut stream = connect(stage.edge.http).expect("connected");
    write!(stream, "GET /endless HTTP/1.1\r\nHost: {HOST}\r\n\r\n").expect("taken");
    read_until(&mut stream, "\r\n\r\n");
    drop(stream);
    settled(&sent);
}

/// A server that sends so many bytes to each who asks, and counts what was taken.
fn source(bytes: usize) -> (u16, Arc<AtomicUsize>) {
    let sent = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&sent);
    let server = Recorder::with(move |stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
        let chunk = vec![b'x'; MIB];
        let mut left = bytes;
        while left > 0 && stream.write_all(&chunk[..MIB.min(left)]).is_ok() {
            left -= MIB.min(left);
            count.fetch_add(MIB, Ordering::Relaxed);
        }
    });
    (server.port, sent)
}

/// A server that reads one body once it is told to, counts it and answers.
fn sink() -> (u16, std::sync::mpsc::Sender<()>, Arc<AtomicUsize>) {
    let port = free_port().expect("a port");
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("free");
    let (go, told) = std::sync::mpsc::channel();
    let got = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&got);
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let head = read_until(&mut stream, "\r\n\r\n");
        let length: usize = values(&head, "content-length")[0].parse().expect("a number");
        told.recv().expect("told");
        let mut buffer = vec![0; MIB];
        while count.load(Ordering::Relaxed) < length {
            let read = stream.read(&mut buffer).expect("more");
            assert_ne!(read, 0, "it broke off");
            count.fetch_add(read, Ordering::Relaxed);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("taken");
    });
    (port, go, got)
}

/// A server that closes the connection in the middle of its answer.
fn dying(rest: &'static str) -> u16 {
    let server = Recorder::with(move |stream| {
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{rest}").as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Both);
    });
    server.port
}

/// Waits until a count has stood still for a while.
fn settled(count: &AtomicUsize) {
    let mut last = (usize::MAX, std::time::Instant::now());
    poll_for("a stand-still", SOON * 3, || {
        let now = count.load(Ordering::Relaxed);
        if now != last.0 {
            last = (now, std::time::Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(300)).then_some(())
    })
    .expect("it goes on without end");
}

/// How many bytes are left.
fn drained(stream: &mut TcpStream) -> usize {
    let mut buffer = vec![0; MIB];
    let mut got = 0;
    while let Ok(read) = stream.read(&mut buffer) {
        if read == 0 {
            break;
        }
        got += read;
    }
    got
}
