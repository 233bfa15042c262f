//! What a table of attacks through a proxy is made of, and how one is sent: byte for byte.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Result;

/// Without TLS, so that each byte is the test's own.
pub(super) const PLAIN: &str = "web_preview:
  public_url_template: \"http://preview-{port}.preview.test:HTTPS\"
  state_dir: STATE
  edge: { http: \"localhost:HTTP\", metrics: { listen: null } }
";

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// One of these, and no dev server hears of it.
    Refused(&'static [u16]),
    /// It arrives at the dev server it was judged for, its target as this.
    Arrives(&'static str),
}

/// What is no credential.
pub(super) const NOT_IN: Fate = Fate::Refused(&[502]);
/// What another page asks with a credential, or one that lets only look.
pub(super) const FORBIDDEN: Fate = Fate::Refused(&[403]);
pub(super) const MALFORMED: Fate = Fate::Refused(&[400]);

/// Sends one request, and reads the answer: all of it, or of one that may stay open the head alone. A body begins
/// behind an empty line.
pub(super) fn exchange(port: u16, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let head = head.replace('\n', "\r\n");
    let close = if head.contains("Upgrade\r\n") { "" } else { "\r\nConnection: close" };
    // It may be refused before all of it is read.
    let _ = stream.write_all(format!("{head}{close}\r\n\r\n{body}").as_bytes());
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    let is_whole = |answer: &[u8]| close.is_empty() && answer.windows(4).any(|end| end == b"\r\n\r\n");
    while !is_whole(&answer) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            Err(_) if !answer.is_empty() => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The status of an answer; 0 if there is none.
pub(super) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_default()
}
