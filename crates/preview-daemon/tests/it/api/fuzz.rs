//! Random requests against a running daemon: nothing is our fault, and every refusal says what is wrong.

use std::fmt::Write as _;

use preview_core::refusal::Code;
use serde_json::{Map, Value, json};
use xtask::count::count;

use super::door::{ADA, ADMIN, Answer, Door, Doors, EDGE};
use crate::house::listen;

#[tokio::test]
async fn random_requests_never_fail_by_our_fault_and_every_refusal_names_the_field() {
    let doors = Doors::open("attach: { wait: 1s, max_wait: 1s }", "").await;
    let (_listener, port) = listen();
    let view = doors.api().post("/v1/attachments", &attach(port)).await.ok(201);
    let id = view["id"].as_str().expect("an id");
    let seed = seed();
    let mut random = Random(seed);
    for round in 0..count("PREVIEW_FUZZ", 400, 5_000) {
        let request = random.request(id, port);
        let shown = String::from_utf8_lossy(&request.bytes).into_owned();
        let door = random.door(&doors);
        // What is no HTTP may read like the beginning of some: it ends here.
        let answer = door.exchange_begin(&request.bytes, !request.is_http).await;
        let context = format!("seed {seed}, round {round}, {door:?}:\n{shown}");
        match answer {
            Some(answer) => check(&answer, request.is_http, &context),
            // What is no HTTP may be hung up on.
            None => assert!(!request.is_http, "no answer: {context}"),
        }
    }
    doors.api().get("/ready").await.ok(200);
    doors.api().post("/v1/attachments", &attach(port)).await;
    doors.api().get("/v1/attachments").await.ok(200);
}

fn check(answer: &Answer, is_http: bool, context: &str) {
    assert!(answer.status < 500, "{} {}\n{context}", answer.status, answer.text());
    // The HTTP library itself answers what it cannot read, and says no more than the status.
    if answer.status < 400 || !is_http {
        return;
    }
    let problem = answer.problem();
    assert!(problem.code.parse::<Code>().is_ok(), "{problem:?}\n{context}");
    if matches!(problem.code.as_str(), "request_invalid" | "name_invalid" | "session_invalid") {
        let is_named = |field: &&str| problem.detail.contains(*field);
        let place = FIELDS.iter().any(is_named) || problem.detail.len() >= 400;
        assert!(place, "it names no field: {problem:?}\n{context}");
    }
}

/// What a caller may have got wrong.
const FIELDS: &[&str] = &[
    "app_id",
    "bash_task_id",
    "body",
    "bytes",
    "command",
    "content-type",
    "cursor",
    "cwd",
    "entries",
    "env",
    "follow",
    "id",
    "inode",
    "last-event-id",
    "method",
    "name",
    "node",
    "path",
    "port",
    "preview-session",
    "preview-user",
    "query",
    "session_id",
    "since",
    "token",
    "uid",
    "unknown field",
    "upgrade",
    "user_id",
    "visibility",
    "wait_seconds",
    "host",
    "x-forwarded",
];

struct Request {
    bytes: Vec<u8>,
    /// Whether its head is sound, so that our code sees it.
    is_http: bool,
}

/// xorshift64*: good enough to choose, and repeatable by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).expect("31 bits") % limit
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn door(&mut self, doors: &Doors) -> Door {
        match self.below(6) {
            0 => doors.unix("edge"),
            1 => doors.unix("public"),
            2 => doors.unix("verify"),
            3 => doors.tcp(),
            _ => doors.api(),
        }
    }

    fn request(&mut self, id: &str, port: u16) -> Request {
        if self.one_in(10) {
            let mut bytes: Vec<u8> = (0..self.below(300)).map(|_| self.byte()).collect();
            bytes.extend_from_slice(b"\r\n\r\n");
            return Request { bytes, is_http: false };
        }
        let calls = calls(id, port);
        let (method, path, body) = &calls[self.below(calls.len())];
        let path = self.path(path);
        let body = self.body(body.clone());
        let method =
            if self.one_in(20) { self.of(&["GET", "POST", "PUT", "PATCH", "OPTIONS"]) } else { method };
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        if !self.one_in(20) {
            head.push_str("Content-Type: application/json\r\n");
        }
        for _ in 0..self.below(4) {
            let (name, value) = self.header();
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
        let bytes = [head.as_bytes(), &body].concat();
        Request { bytes, is_http: true }
    }

    /// The path with some of its parts replaced, and perhaps a query.
    fn path(&mut self, path: &str) -> String {
        let mut parts: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        if self.one_in(3) {
            let at = self.below(parts.len());
            parts[at] = self.escaped();
        }
        let mut text = format!("/{}", parts.join("/"));
        if self.one_in(3) {
            let names = ["session_id", "user_id", "cursor", "since", "follow", "token", "x", ""];
            for joint in ["?", "&"].into_iter().take(1 + self.below(2)) {
                let _ = write!(text, "{joint}{}={}", self.of(&names), self.escaped());
            }
        }
        text
    }

    fn body(&mut self, body: Value) -> Vec<u8> {
        if self.one_in(10) {
            return (0..self.below(200)).map(|_| self.byte()).collect();
        }
        let Value::Object(mut fields) = body else { return body.to_string().into_bytes() };
        for _ in 0..self.below(3) {
            self.mutate(&mut fields);
        }
        Value::Object(fields).to_string().into_bytes()
    }

    fn mutate(&mut self, fields: &mut Map<String, Value>) {
        let names: Vec<String> = fields.keys().cloned().collect();
        let name = if names.is_empty() || self.one_in(10) {
            self.text()
        } else {
            names[self.below(names.len())].clone()
        };
        if self.one_in(4) {
            fields.remove(&name);
        } else {
            let value = self.json(3);
            fields.insert(name, value);
        }
    }

    fn json(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.one_in(2)),
            2 => json!(self.of(&[0, 1, -1, 80, 3000, 65_535, 65_536, i64::MAX, i64::MIN])),
            3 => json!(self.of(&[0.5, -0.0, 1e308, 3000.0])),
            4 | 5 => json!(self.text()),
            6 => (0..self.below(4)).map(|_| self.json(depth - 1)).collect(),
            _ => Value::Object((0..self.below(4)).map(|_| (self.text(), self.json(depth - 1))).collect()),
        }
    }

    fn text(&mut self) -> String {
        let odd =
            ["", "default", "s", "a/b", "..", "\0", "é", "\u{202e}", "a b", "%", "\r\nX: y", "{port}", "💥"];
        match self.below(3) {
            0 => self.of(&odd).to_owned(),
            1 => "x".repeat(self.below(600)),
            _ => (0..self.below(20)).map(|_| char::from(self.byte())).collect(),
        }
    }

    /// Text as it may stand in a request line.
    fn escaped(&mut self) -> String {
        let odd =
            ["", ".", "..", "%00", "%ff", "%2F", "%2e%2e", "%", "%zz", "a:b@c", "s", "~", "a;b", "-1", "0"];
        match self.below(3) {
            0 => self.of(&odd).to_owned(),
            1 => "9".repeat(self.below(300)),
            _ => (0..self.below(40)).fold(String::new(), |mut text, _| {
                let _ = write!(text, "%{:02x}", self.byte());
                text
            }),
        }
    }

    fn header(&mut self) -> (&'static str, String) {
        let name = self.of(&[
            "Preview-Session",
            "Preview-User",
            "Authorization",
            "Origin",
            "Sec-Fetch-Site",
            "Sec-Fetch-Mode",
            "Last-Event-ID",
            "Upgrade",
            "Sec-WebSocket-Key",
            "X-Forwarded-Host",
            "X-Forwarded-Uri",
            "X-Forwarded-For",
            "X-Real-IP",
            "Cookie",
            "Preview-Token",
            "Access-Control-Request-Method",
            "Accept",
        ]);
        let value = match self.below(8) {
            0 => format!("Bearer {}", self.of(&[ADMIN, ADA, EDGE, "x", ""])),
            1 => "same-origin".to_owned(),
            2 => "websocket".to_owned(),
            3 => "http://localhost".to_owned(),
            4 => "__Host-preview=1.1.aaaaaaaaaaaaaaaaaaaaaaaaaa.0.1.2.x; preview=; a".to_owned(),
            5 => "s".to_owned(),
            _ => (0..self.below(40)).map(|_| char::from(b' ' + self.byte() % 95)).collect(),
        };
        (name, value.trim().to_owned())
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("below 256")
    }
}

/// Every call, as it would be right.
fn calls(id: &str, port: u16) -> Vec<(&'static str, String, Value)> {
    let task = json!({
        "session_id": "s", "user_id": "u", "command": ["true"], "cwd": "/", "env": { "A": "b" }, "name": "n",
    });
    let tool = json!({ "port": port, "name": "t", "health_check": false });
    let entry = json!({ "id": id, "open": 0, "requests": 1, "bytes_in": 0, "bytes_out": 0 });
    let seen = json!({ "uid": 0, "inode": 1, "cgroup": null });
    let none = Value::Null;
    [
        ("POST", "/v1/attachments".to_owned(), attach(port)),
        ("GET", "/v1/attachments".to_owned(), none.clone()),
        ("GET", format!("/v1/attachments/{id}"), none.clone()),
        ("DELETE", "/v1/attachments/aaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(), none.clone()),
        ("DELETE", "/v1/sessions/t/attachments/default".to_owned(), none.clone()),
        ("DELETE", "/v1/sessions/t".to_owned(), none.clone()),
        ("POST", format!("/v1/attachments/{id}/rotate"), none.clone()),
        ("POST", format!("/v1/attachments/{id}/revoke"), none.clone()),
        ("POST", format!("/v1/attachments/{id}/keep-alive"), none.clone()),
        ("POST", format!("/v1/attachments/{id}/listener"), seen),
        ("POST", "/v1/tasks".to_owned(), task),
        ("GET", "/v1/tasks/t".to_owned(), none.clone()),
        ("GET", "/v1/tasks/t/logs".to_owned(), none.clone()),
        ("DELETE", "/v1/tasks/t".to_owned(), none.clone()),
        ("GET", "/v1/events".to_owned(), none.clone()),
        ("GET", "/v1/routes".to_owned(), none.clone()),
        ("POST", "/v1/activity".to_owned(), json!({ "node": "box", "entries": [entry] })),
        ("POST", "/v1/tools/PreviewProxy".to_owned(), tool),
        ("POST", "/v1/tools/PreviewDetach".to_owned(), json!({ "name": "t" })),
        ("POST", "/v1/tools/PreviewList".to_owned(), json!({})),
        ("POST", "/v1/tokens/verify".to_owned(), json!({ "session_id": "s", "token": "x" })),
        ("GET", "/auth/verify".to_owned(), none.clone()),
        ("GET", "/health".to_owned(), none.clone()),
        ("GET", "/ready".to_owned(), none.clone()),
        ("GET", "/health/web_preview".to_owned(), none),
    ]
    .into()
}

fn attach(port: u16) -> Value {
    json!({ "session_id": "s", "user_id": "u", "port": port, "health_check": false, "path": "/" })
}

/// Another one each time; a failure shows it.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("randomness");
    u64::from_ne_bytes(bytes) | 1
}
