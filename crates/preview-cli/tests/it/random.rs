//! Random inputs against the running system: nothing panics, nothing answers 500, errors name their field.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xtask::count::count;
use xtask::real::preview::Preview;
use xtask::real::{Scratch, bin, curl::curl, free_port, http_server};

const CONFIG: &str = "web_preview:\n  public_url_template: \"http://preview-{port}.localhost:HTTP\"\n  state_dir: STATE\n  \
                      edge: { http: \"localhost:HTTP\" }\n  access: { mode: open }\n";

#[test]
fn random_request_lines_and_headers_never_make_the_edge_fail() -> Result<()> {
    let mut preview = Preview::up(CONFIG)?;
    let folder = Scratch::new()?;
    let port = free_port()?;
    let _server = http_server::start(folder.path(), port)?;
    let page = preview.link(port, "page")?;
    let host = format!("preview-{port}.localhost:{}", preview.http);
    let mut random = Random(0x5eed);
    for round in 0..count("PREVIEW_FUZZ", 400, 5_000) {
        let sent = random.request(&host);
        let answer = exchange(preview.http, &sent)?;
        let shown = || format!("round {round}: {:?} -> {answer:?}", String::from_utf8_lossy(&sent));
        ensure!(!answer.starts_with("HTTP/1.1 500") && !answer.starts_with("HTTP/1.0 500"), shown());
        ensure!(answer.is_empty() || answer.starts_with("HTTP/1."), shown());
    }
    ensure!(preview.process().try_wait()?.is_none(), "it ended");
    ensure!(!preview.process().output().contains("panicked"), "{}", preview.process().output());
    ensure!(curl(&[&page])?.status == 200, "it serves no more");
    Ok(())
}

#[test]
fn random_configuration_is_read_or_refused_with_the_place_and_the_key() -> Result<()> {
    let scratch = Scratch::new()?;
    let valid =
        CONFIG.replace("HTTP", "18080").replace("STATE", &scratch.join("state").display().to_string());
    let mut random = Random(0xc0de);
    for round in 0..count("PREVIEW_FUZZ_CONFIG", 60, 1_000) {
        let text = random.spoilt(valid.as_bytes());
        let file = scratch.write("config.yaml", &text)?;
        let output = Command::new(bin("preview")?)
            .args(["config", "check", "--config"])
            .arg(&file)
            .env("HOME", scratch.path())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        let shown =
            || format!("round {round}: {:?} -> {} {said}", String::from_utf8_lossy(&text), output.status);
        match output.status.code().with_context(shown)? {
            0 => {}
            2 => ensure!(
                said.contains("_invalid")
                    && ["config.yaml:", "public_url_template"].iter().any(|it| said.contains(it)),
                shown()
            ),
            _ => ensure!(false, shown()),
        }
    }
    Ok(())
}

/// Sends bytes and reads what comes back until the other side closes or is silent for a moment.
fn exchange(port: u16, bytes: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_millis(50)))?;
    // A request that is refused early is answered while it is still being sent.
    let _ = stream.write_all(bytes);
    let mut answer = [0; 4096];
    let read = stream.read(&mut answer).unwrap_or(0);
    Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
}

/// Numbers that look random and are the same each time (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(most).expect("a small number")).expect("below it")
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }

    /// A request that is odd in some places, and in some bytes.
    fn request(&mut self, host: &str) -> Vec<u8> {
        let method = self
            .one_of(&["GET", "POST", "HEAD", "OPTIONS", "CONNECT", "TRACE", "get", "G\u{e9}T", "PRI", ""]);
        let target = self.one_of(&[
            "/",
            "*",
            "//",
            "/%00",
            "/../..",
            "http://x/",
            "/?token=&session_id=%zz",
            "é",
            "/a b",
        ]);
        let version = self.one_of(&["HTTP/1.1", "HTTP/1.0", "HTTP/1.9", "HTTP/2.0", "", "http/1.1"]);
        let host = self.one_of(&[host, host, host, "", "a b", "x..y", "[::1]", "preview-99999.localhost"]);
        let mut text = format!("{method} {target} {version}\r\nHost: {host}\r\n");
        for _ in 0..self.below(6) {
            let name = self.one_of(&[
                "Cookie",
                "Origin",
                "Content-Length",
                "Transfer-Encoding",
                "Connection",
                "Upgrade",
                "X-Forwarded-For",
                "X_Forwarded_For",
                "Sec-Fetch-Site",
                "Preview-Token",
                "Expect",
                "TE",
                "Forwarded",
                "Range",
                " x",
                "",
            ]);
            let value = self.one_of(&[
                "__Host-preview=1.1.x",
                "null",
                "-1",
                "0",
                "5",
                "chunked",
                "upgrade",
                "websocket",
                "1.2.3.4",
                "\u{1}",
                "100-continue",
                "99999999999999999999",
                "a\r\n b",
                "=;=;",
                "bytes=0-",
                "keep-alive, host",
            ]);
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\nhello");
        self.spoilt(text.as_bytes())
    }

    /// The bytes, mostly with some of them changed, lost or doubled.
    fn spoilt(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len());
            match self.below(3) {
                0 => bytes[at] = u8::try_from(self.below(256)).expect("a byte"),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, bytes[at]),
            }
        }
        bytes
    }
}
