//! `preview doctor`: its verdicts on deployments that are well, and on each that is not.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use xtask::real::{Authority, Process, bin, free_port_outside};

use crate::home::{Home, SOON};

#[test]
fn a_sound_deployment_passes_all_five() {
    let cloud = Cloud::new(502, "*.preview.test");
    let report = cloud.doctor();
    assert_eq!(cloud.levels(), ["ok", "ok", "warn", "ok", "ok"], "{report}");
    assert!(report.contains("ok    tls.san         *.preview.test · "), "{report}");
    assert!(report.contains("Summary: 0 failures, 1 warning, 4 ok"), "{report}");
}

#[test]
fn a_default_page_on_an_unused_port_fails() {
    for status in [200, 301, 302] {
        let cloud = Cloud::new(status, "*.preview.test");
        assert_eq!(cloud.levels()[4], "fail", "{status}: {}", cloud.doctor());
        assert!(cloud.doctor().contains(&format!("answers {status}")));
    }
    assert_eq!(Cloud::new(504, "*.preview.test").levels()[4], "ok");
}

#[test]
fn a_certificate_of_another_name_fails_and_says_which_it_covers() {
    let cloud = Cloud::new(502, "daemon.preview.test");
    let report = cloud.doctor();
    assert!(report.contains("fail  tls.san         certificate covers daemon.preview.test only"), "{report}");
    assert!(report.contains("fix: have it issued again with *.preview.test in its SAN"), "{report}");
    assert_eq!(cloud.levels()[4], "fail", "and its pages cannot be asked for: {report}");
}

#[test]
fn a_certificate_of_an_unknown_authority_fails() {
    let cloud = Cloud::new(502, "*.preview.test");
    let report = cloud.ask(&["--resolve", "*.preview.test=127.0.0.1"]);
    assert!(report.contains("whom nobody here trusts"), "{report}");
}

#[test]
fn a_name_that_does_not_resolve_fails() {
    let cloud = Cloud::new(502, "*.preview.test");
    let report = cloud.ask(&["--ca", &cloud.root()]);
    assert!(report.contains("fail  dns.wildcard    preview-"), "{report}");
    assert!(report.contains("fix: add the record `*.preview.test A ADDRESS-OF-THE-EDGE`"), "{report}");
}

#[test]
fn a_daemon_that_is_not_there_or_is_something_else_fails() {
    let home = Home::new();
    let gone = format!("http://127.0.0.1:{}", free_port_outside().expect("a port"));
    let page = format!("http://127.0.0.1:{}", serve_page());
    for daemon in [gone, page] {
        let output = home.preview(&["doctor", "--daemon", &daemon, "--base", "http://preview.invalid"]);
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{report}");
        assert!(report.contains("fail  daemon.health") && report.contains("fail  module.health"), "{report}");
    }
}

#[test]
fn the_seeds_script_ends_as_the_checks_do() {
    let home = Home::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/check-preview-cloud.sh");
    let preview = bin("preview").expect("built");
    let folder = preview.parent().expect("a folder").display().to_string();
    let path = format!("{folder}:{}", std::env::var("PATH").expect("set"));
    let daemon = format!("http://127.0.0.1:{}", free_port_outside().expect("a port"));
    let status = |words: &[&str]| {
        let mut bash = Command::new("bash");
        bash.arg(script).args(words).env("PATH", &path).env("HOME", home.path());
        bash.output().expect("bash runs").status.code()
    };
    assert_eq!(status(&[&daemon, "preview.invalid"]), Some(1));
    assert_eq!(status(&[]), Some(2));
}

#[test]
fn a_machine_without_a_daemon_is_not_broken() {
    let home = Home::new();
    let report = home.told(&["doctor"]);
    assert!(report.contains("warn  daemon.health"), "{report}");
    assert!(report.contains(&format!("ok    edge.port       port {} is free", home.port)), "{report}");
}

#[test]
fn a_held_port_is_named() {
    let home = Home::new();
    let _held = TcpListener::bind(("127.0.0.1", home.port)).expect("free");
    let report = home.told(&["doctor"]);
    assert!(report.contains(&format!("warn  edge.port       port {} is held", home.port)), "{report}");
}

/// A deployment: a daemon's health over plain HTTP, and a TLS edge that answers everything with one status.
struct Cloud {
    home: Home,
    authority: Authority,
    base: String,
    daemon: String,
    _edge: Process,
}

impl Cloud {
    fn new(status: u16, name: &str) -> Self {
        let home = Home::new();
        let authority = Authority::new(home.path()).expect("an authority");
        let certificate = authority.issue(&[name]).expect("a certificate");
        let port = free_port_outside().expect("a port");
        let script = home.write("edge.py", EDGE);
        let words: [String; 6] = [
            "python3".into(),
            shown(&script),
            port.to_string(),
            status.to_string(),
            shown(&certificate.chain),
            shown(&certificate.key),
        ];
        let mut edge = Process::spawn_line(&words, home.path()).expect("python3 starts");
        edge.wait_for_port(port, SOON).expect("it listens");
        let daemon = format!("http://127.0.0.1:{}", serve_health());
        Self { home, authority, base: format!("https://preview.test:{port}"), daemon, _edge: edge }
    }

    fn root(&self) -> String {
        shown(&self.authority.root)
    }

    fn doctor(&self) -> String {
        self.ask(&["--resolve", "*.preview.test=127.0.0.1", "--ca", &self.root()])
    }

    fn ask(&self, more: &[&str]) -> String {
        let words = [&["doctor", "--daemon", &self.daemon, "--base", &self.base], more].concat();
        let output = self.home.preview(&words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let has_failed = text.lines().any(|line| line.starts_with("fail"));
        assert_eq!(output.status.code(), Some(i32::from(has_failed)), "{text}");
        text
    }

    /// The level of each check, in their order, as `--json` says it.
    fn levels(&self) -> Vec<String> {
        let text = self.ask_json();
        let report: Value = serde_json::from_str(&text).expect("one object");
        let checks = report["checks"].as_array().expect("a list");
        checks.iter().map(|check| check["level"].as_str().expect("a word").to_owned()).collect()
    }

    fn ask_json(&self) -> String {
        let root = self.root();
        let words =
            ["doctor", "--json", "--daemon", &self.daemon, "--base", &self.base, "--ca", &root, "--resolve"];
        let output = self.home.preview(&[&words[..], &["*.preview.test=127.0.0.1"]].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

const EDGE: &str = r"
import http.server, ssl, sys
port, status, chain, key = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(status)
        self.send_header('Content-Length', '0')
        self.end_headers()
server = http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(chain, key)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
";

const HEALTH: &str = r#"{"status":"ok","module_id":"web_preview","version":"0.1.0","count":2,"by_type":{},
    "session_count":1,"oldest_age_seconds":1,"oldest_idle_seconds":1,
    "limits":{"max_per_session":5,"max_per_user":20,"idle_reap_after_seconds":1800}}"#;

fn serve_health() -> u16 {
    serve("application/json", HEALTH)
}

fn serve_page() -> u16 {
    serve("text/html", "<h1>It works!</h1>")
}

/// Answers every request on a port of the kernel's choice, until the test ends.
fn serve(kind: &'static str, body: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4_096]);
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    port
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
