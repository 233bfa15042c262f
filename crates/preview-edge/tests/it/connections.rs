//! What one client may take: time, connections, header bytes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use preview_edge::config::{Config, Limits, Times};
use xtask::real::{Scratch, poll_for};

use crate::client::{SOON, connect, get};
use crate::daemon::route;
use crate::edge::{Edge, config};
use crate::http2::Client;
use crate::recorder::Recorder;
use crate::stage::Stage;

#[test]
fn a_header_that_trickles_in_is_hung_up_on_in_time() {
    let scratch = Scratch::new().expect("a folder");
    let edge = Edge::start(quick(&scratch));
    let mut silent = connect(edge.http).expect("connected");
    let mut slow = connect(edge.http).expect("connected");
    slow.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").expect("taken");
    let begun = Instant::now();
    trickle(&mut slow);
    let took = begun.elapsed();
    assert!(took >= HEADER / 2 && took < HEADER * 4, "{took:?}");
    assert_eq!(rest(&mut silent), "", "closed without a word");
}

#[test]
fn the_time_for_a_later_header_begins_with_its_first_byte() {
    let scratch = Scratch::new().expect("a folder");
    let edge = Edge::start(quick(&scratch));
    let mut client = connect(edge.http).expect("connected");
    answered(&mut client);
    // Silence for longer than a header may take, and for less than a connection may idle.
    client.set_read_timeout(Some(HEADER * 2)).expect("set");
    assert!(client.read(&mut [0]).is_err(), "it is still open");
    client.set_read_timeout(Some(SOON)).expect("set");
    answered(&mut client);
    client.write_all(b"GET / HTTP/1.1\r\n").expect("taken");
    let begun = Instant::now();
    trickle(&mut client);
    assert!(begun.elapsed() < HEADER * 4, "{:?}", begun.elapsed());
}

#[test]
fn a_connection_that_idles_is_closed_without_an_answer() {
    let scratch = Scratch::new().expect("a folder");
    let edge = Edge::start(quick(&scratch));
    let mut client = connect(edge.http).expect("connected");
    answered(&mut client);
    let begun = Instant::now();
    assert_eq!(rest(&mut client), "");
    assert!(begun.elapsed() >= IDLE / 2, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http2_an_idle_connection_ends_and_one_that_waits_for_an_answer_does_not() {
    let recorder = Recorder::with(|stream| {
        // Longer than a connection may idle.
        std::thread::sleep(IDLE * 2);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let stage = Stage::secure(vec![route("app", recorder.port)], |config| config.times = quick_times());
    let mut silent = Client::connect(&stage, "app.preview.test").await;
    let mut client = Client::connect(&stage, "app.preview.test").await;
    assert_eq!(client.get("app.preview.test", "/", &[]).await.status(), 200);
    assert!(silent.ended(SOON).await < IDLE * 2, "it never asked for anything");
    let took = client.ended(SOON).await;
    assert!(took >= IDLE / 2, "{took:?}");
}

#[test]
fn one_client_gets_its_share_of_connections_and_no_more() {
    let scratch = Scratch::new().expect("a folder");
    let limits = Limits { per_client: 3, ..Limits::default() };
    let edge = Edge::start(Config { limits, ..config(&scratch) });
    let mut open: Vec<TcpStream> = (0..3).map(|_| connect(edge.http).expect("connected")).collect();
    open.iter_mut().for_each(answered);
    let (status, text) = get(edge.http, "a").expect("an answer");
    assert!(status == 429 && text.contains("retry-after"), "{text}");
    open.pop();
    poll_for("the place that was left", SOON, || get(edge.http, "a").ok().filter(|it| it.0 == 502))
        .expect("free");
}

#[test]
fn a_full_edge_says_so() {
    let scratch = Scratch::new().expect("a folder");
    let limits = Limits { connections: 1, ..Limits::default() };
    let edge = Edge::start(Config { limits, ..config(&scratch) });
    let mut only = connect(edge.http).expect("connected");
    answered(&mut only);
    assert_eq!(get(edge.http, "a").expect("an answer").0, 503);
}

#[test]
fn a_header_with_too_many_bytes_or_fields_gets_431() {
    let scratch = Scratch::new().expect("a folder");
    let edge = Edge::start(config(&scratch));
    let long = format!("X: {}\r\n", "x".repeat(66_000));
    let many = (0..101).map(|n| format!("X-{n}: y\r\n")).collect::<Vec<_>>().concat();
    for fields in [long, many] {
        let mut client = connect(edge.http).expect("connected");
        // It may hang up before it has read all of it.
        let _ = write!(client, "GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut start = [0; 12];
        client.read_exact(&mut start).expect("an answer");
        assert_eq!(&start, b"HTTP/1.1 431");
    }
    let near = (0..90).map(|n| format!("X-{n}: {}\r\n", "y".repeat(600))).collect::<Vec<_>>().concat();
    let mut client = connect(edge.http).expect("connected");
    write!(client, "GET / HTTP/1.1\r\nHost: a\r\n{near}\r\n").expect("taken");
    let mut start = [0; 12];
    client.read_exact(&mut start).expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 502");
}

#[test]
fn without_file_descriptors_it_rests_and_then_serves_again() {
    let scratch = Scratch::new().expect("a folder");
    let mut program = crate::edge::Program::start_with_files(&scratch, 64);
    crate::client::wait_for(program.http, "a", 502, SOON);
    let open: Vec<_> = (0..80).map(|_| connect(program.http).expect("the kernel takes it")).collect();
    program.process.wait_for_line("resting", SOON).expect("it says so");
    drop(open);
    crate::client::wait_for(program.http, "a", 502, SOON);
}

const HEADER: Duration = Duration::from_millis(400);
const IDLE: Duration = Duration::from_millis(1_500);

fn quick(scratch: &Scratch) -> Config {
    Config { times: quick_times(), ..config(scratch) }
}

fn quick_times() -> Times {
    Times { header: HEADER, keep_alive: IDLE, drain: Duration::from_secs(1), ..Times::default() }
}

/// Asks and reads the whole answer; the connection stays.
fn answered(client: &mut TcpStream) {
    client.write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").expect("taken");
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).expect("an answer");
        text.push(byte[0]);
    }
    assert!(text.starts_with(b"HTTP/1.1 502"), "{}", String::from_utf8_lossy(&text));
}

/// Sends a byte now and then until the other side has hung up.
fn trickle(client: &mut TcpStream) {
    client.set_read_timeout(Some(Duration::from_millis(20))).expect("set");
    let hung_up = poll_for("the end of a slow header", SOON, || {
        let _ = client.write_all(b"x");
        match client.read(&mut [0; 64]) {
            Ok(0) => Some(()),
            Ok(_) => panic!("it answered"),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
            Err(_) => Some(()),
        }
    });
    hung_up.expect("in time");
}

fn rest(client: &mut TcpStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).expect("an end");
    text
}
