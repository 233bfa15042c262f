//! A dev server that notes every byte it gets, and answers what a test tells it to.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use xtask::real::{free_port, poll_for};

use crate::client::SOON;

/// A listening recorder; its thread ends with the process.
pub(crate) struct Recorder {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    /// Answers each request head with `answer`, and keeps the connection.
    pub(crate) fn answering(answer: &'static [u8]) -> Self {
        Self::with(move |stream| _ = stream.write_all(answer))
    }

    /// Lets `respond` answer after each request head.
    pub(crate) fn with(respond: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        let port = free_port().expect("a port");
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("free");
        let seen = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let (noted, respond) = (Arc::clone(&seen), Arc::new(respond));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let at = push(&noted);
                let (noted, respond) = (Arc::clone(&noted), Arc::clone(&respond));
                thread::spawn(move || record(stream, at, &noted, &*respond));
            }
        });
        Self { port, seen }
    }

    /// The bytes of each connection so far.
    pub(crate) fn connections(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("sound");
        seen.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// The only request, once it is there.
    pub(crate) fn request(&self) -> String {
        let whole = |text: &String| text.contains("\r\n\r\n");
        let found = poll_for("a request", SOON, || self.connections().into_iter().find(whole));
        found.expect("in time")
    }

    /// How many requests came, by their request lines.
    pub(crate) fn requests(&self) -> usize {
        self.connections().iter().map(|text| text.matches(" HTTP/1.1\r\n").count()).sum()
    }
}

/// The values of a header in the text of a request or answer, by its lower-case name.
pub(crate) fn values(text: &str, name: &str) -> Vec<String> {
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .filter(|(given, _)| given.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}

/// Reads until `end` has come.
pub(crate) fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.windows(end.len()).any(|part| part == end.as_bytes()) {
        let mut byte = [0];
        if stream.read_exact(&mut byte).is_err() {
            break;
        }
        text.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains(end), "{end:?} in {text:?}");
    text
}

fn push(noted: &Mutex<Vec<Vec<u8>>>) -> usize {
    let mut noted = noted.lock().expect("sound");
    noted.push(Vec::new());
    noted.len() - 1
}

fn record(mut stream: TcpStream, at: usize, noted: &Mutex<Vec<Vec<u8>>>, respond: &dyn Fn(&mut TcpStream)) {
    let mut answered = 0;
    let mut buffer = [0; 4096];
    while let Ok(read) = stream.read(&mut buffer) {
        if read == 0 {
            return;
        }
        let heads = {
            let mut noted = noted.lock().expect("sound");
            noted[at].extend_from_slice(&buffer[..read]);
            noted[at].windows(4).filter(|four| *four == b"\r\n\r\n").count()
        };
        while answered < heads {
            respond(&mut stream);
            answered += 1;
        }
    }
}
