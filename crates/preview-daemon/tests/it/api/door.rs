//! One of a daemon's doors, as a client sees it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use preview_core::wire::api::Problem;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;
use xtask::real::{Scratch, free_port_outside};

use crate::house::{House, PATIENCE};

/// Keys of a daemon that [`Doors::open`] opened.
pub(crate) const ADMIN: &str = "key-of-the-operator-0";
pub(crate) const ADA: &str = "key-of-the-user-ada-0";
pub(crate) const BOB: &str = "key-of-the-user-bob-0";
pub(crate) const ADAS_SESSION: &str = "key-of-the-session-a1";
pub(crate) const EDGE: &str = "key-of-some-edge-0000";

/// A daemon with all its doors, and a key for each scope.
pub(crate) struct Doors {
    pub(crate) house: House,
    pub(crate) keys: Scratch,
    tcp: SocketAddr,
}

/// A door, with the headers that every call through it carries.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    at: At,
    headers: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
enum At {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// An answer that goes on.
pub(crate) struct Lines(BufReader<Stream>);

pub(crate) type Stream = Either<UnixStream, TcpStream>;

impl Doors {
    /// Opens a daemon; `yaml` are further keys of its configuration, `api` of its section of that name.
    pub(crate) async fn open(yaml: &str, api: &str) -> Self {
        let keys = Scratch::new().expect("a folder");
        let lines = format!(
            "admin {ADMIN}\nuser:ada {ADA}\nuser:bob {BOB}\nsession:a1 {ADAS_SESSION}\nedge {EDGE}\n"
        );
        write_keys(&keys, &lines);
        let port = free_port_outside().expect("a port");
        let file = keys.join("keys");
        let yaml =
            format!("api: {{ listen: \"127.0.0.1:{port}\", keys_file: {}, {api} }}\n{yaml}", file.display());
        let house = House::open(yaml.trim()).await;
        Self { house, keys, tcp: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// A unix door by its name: `api`, `edge`, `public` or `verify`.
    pub(crate) fn unix(&self, name: &str) -> Door {
        Door::new(At::Unix(self.house.scratch.join(format!("state/run/{name}.sock"))))
    }

    /// The TCP door.
    pub(crate) fn tcp(&self) -> Door {
        Door::new(At::Tcp(self.tcp))
    }

    pub(crate) fn tcp_address(&self) -> SocketAddr {
        self.tcp
    }

    /// Where the operator calls.
    pub(crate) fn api(&self) -> Door {
        self.unix("api")
    }
}

/// Writes the keys file as it must be.
pub(crate) fn write_keys(keys: &Scratch, lines: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let file = keys.write("keys", lines).expect("written");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("ours");
}

impl Door {
    fn new(at: At) -> Self {
        Self { at, headers: Vec::new() }
    }

    /// The same door, with a further header on every call.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut door = self.clone();
        door.headers.push((name.to_owned(), value.to_owned()));
        door
    }

    /// The same door, with a bearer key.
    pub(crate) fn key(&self, key: &str) -> Self {
        self.with("Authorization", &format!("Bearer {key}"))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None).await
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(ToString::to_string);
        let door = if body.is_some() { &self.with("Content-Type", "application/json") } else { self };
        let head = door.head(method, path, "1.1");
        let length =
            body.as_ref().map_or(String::new(), |body| format!("Content-Length: {}\r\n", body.len()));
        let text = format!("{head}{length}Connection: close\r\n\r\n{}", body.unwrap_or_default());
        let answer = self.exchange(text.as_bytes()).await;
        answer.unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    /// Sends these bytes and reads to the end; `None` if what comes is no whole answer.
    pub(crate) async fn exchange(&self, bytes: &[u8]) -> Option<Answer> {
        let mut stream = self.connect().await;
        // Whoever refuses early may not read all of it.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer));
        let _ = read.await.expect("an answer comes to its end");
        Answer::read(&answer)
    }

    /// Sends these bytes, and nothing more if that is `all`; reads the head of the answer, and as much of the body
    /// as it says there is.
    pub(crate) async fn exchange_begin(&self, bytes: &[u8], all: bool) -> Option<Answer> {
        let mut stream = self.connect().await;
        let _ = stream.write_all(bytes).await;
        if all {
            let _ = stream.shutdown().await;
        }
        let mut answer = Vec::new();
        let read = async {
            loop {
                match Answer::read(&answer) {
                    Some(it) if it.body.len() >= it.length() => return Some(it),
                    _ if stream.read_buf(&mut answer).await.ok()? == 0 => return Answer::read(&answer),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("an answer begins")
    }

    /// Begins an answer that goes on; its head must say 200.
    pub(crate) async fn follow(&self, path: &str) -> Lines {
        let mut stream = self.connect().await;
        // In HTTP/1.0 a body has no frames.
        let text = format!("{}\r\n", self.head("GET", path, "1.0"));
        stream.write_all(text.as_bytes()).await.expect("taken");
        let mut lines = Lines(BufReader::new(stream));
        let status = lines.next().await.expect("a status line");
        assert!(status.contains(" 200 "), "{path}: {status}");
        while !lines.next().await.expect("a head").is_empty() {}
        lines
    }

    pub(crate) async fn connect(&self) -> Stream {
        match &self.at {
            At::Unix(path) => Either::Left(UnixStream::connect(path).await.expect("it listens")),
            At::Tcp(address) => Either::Right(TcpStream::connect(address).await.expect("it listens")),
        }
    }

    fn head(&self, method: &str, path: &str, version: &str) -> String {
        let mut head = format!("{method} {path} HTTP/{version}\r\n");
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str("Host: localhost\r\n");
        }
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head
    }
}

impl Answer {
    /// The value of a header, named in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// How long the body is by its head; 0 where it does not say.
    fn length(&self) -> usize {
        self.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The body as JSON of an answer with this status.
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as a problem, which it must be in every respect.
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: Problem = serde_json::from_value(self.json()).expect("a problem");
        assert_eq!(problem.status, self.status);
        assert_eq!(problem.kind, format!("urn:preview:{}", problem.code));
        assert!([&problem.title, &problem.detail, &problem.hint].into_iter().all(|text| !text.is_empty()));
        problem
    }

    /// The code of the problem.
    pub(crate) fn code(&self) -> String {
        self.problem().code
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let headers = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Some(Self { status, headers, body: bytes[end + 4..].to_vec() })
    }
}

impl Lines {
    /// The next line; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, self.0.read_line(&mut line));
        let read = read.await.expect("a line comes").expect("it is text");
        (read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The rest of the next line that begins so.
    pub(crate) async fn after(&mut self, start: &str) -> String {
        loop {
            let line = self.next().await.unwrap_or_else(|| panic!("it ended before {start:?}"));
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }

    /// Whether nothing comes for a while that is long for a machine.
    pub(crate) async fn is_silent(&mut self) -> bool {
        let mut line = String::new();
        tokio::time::timeout(Duration::from_millis(200), self.0.read_line(&mut line)).await.is_err()
    }
}
