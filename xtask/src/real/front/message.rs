//! Requests and answers, as far as ACME needs HTTP/1.1.

use std::fmt;
use std::io::{self, Read, Write};

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

/// The path of renewal information; Pebble has none there.
pub(super) const RENEWAL_INFO: &str = "/renewal-info";

type Headers = Vec<(String, String)>;

/// What an ACME client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Directory,
    NewNonce,
    NewAccount,
    Account,
    NewOrder,
    /// An order that exists.
    Order,
    Authorization,
    Challenge,
    Finalize,
    Certificate,
    RenewalInfo,
    Other,
    /// In a rule: whatever is asked for.
    Any,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    pub resource: Resource,
    pub method: String,
    pub path: String,
    /// Header lines, as they came.
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Header lines without those about length and connection.
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Resource {
    fn of(path: &str) -> Self {
        let of = |prefix: &str| path.starts_with(prefix);
        match path {
            "/dir" => Self::Directory,
            "/nonce-plz" => Self::NewNonce,
            "/sign-me-up" => Self::NewAccount,
            "/order-plz" => Self::NewOrder,
            _ if of("/my-account/") => Self::Account,
            _ if of("/my-order/") => Self::Order,
            _ if of("/authZ/") => Self::Authorization,
            _ if of("/chalZ/") => Self::Challenge,
            _ if of("/finalize-order/") => Self::Finalize,
            _ if of("/certZ/") => Self::Certificate,
            _ if of(RENEWAL_INFO) => Self::RenewalInfo,
            _ => Self::Other,
        }
    }
}

impl Request {
    /// What a signed request says (RFC 8555 §6.2); null where it says nothing, or is not signed.
    #[must_use]
    pub fn payload(&self) -> Value {
        let read = || {
            let signed: Value = serde_json::from_slice(&self.body).ok()?;
            let payload = BASE64URL_NOPAD.decode(signed["payload"].as_str()?.as_bytes()).ok()?;
            serde_json::from_slice(&payload).ok()
        };
        read().unwrap_or_default()
    }

    /// The next request; `None` when the client hung up.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let Some((first, headers)) = head(from)? else { return Ok(None) };
        let mut words = first.split(' ').map(str::to_owned);
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(io::Error::other(format!("no request line: {first}")));
        };
        let length = value(&headers, "content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        Ok(Some(Self { resource: Resource::of(&path), method, path, headers, body }))
    }

    /// Passes it on as the last of its connection; HTTP/1.0, so that the answer comes in one piece.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::new();
        write!(bytes, "{} {} HTTP/1.0\r\n", self.method, self.path)?;
        for (name, value) in self.headers.iter().filter(|(name, _)| !is_of_the_connection(name)) {
            write!(bytes, "{name}: {value}\r\n")?;
        }
        write!(bytes, "Content-Length: {}\r\n\r\n", self.body.len())?;
        to.write_all(&bytes)?;
        to.write_all(&self.body)?;
        to.flush()
    }
}

impl Answer {
    #[must_use]
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type".into(), content_type.into())], body: body.into() }
    }

    /// A problem document (RFC 8555 §6.7): its type without the prefix, and its detail.
    #[must_use]
    pub fn problem(status: u16, kind: &str, detail: &str) -> Self {
        let kind = format!("urn:ietf:params:acme:error:{kind}");
        let body = json!({ "type": kind, "detail": detail, "status": status });
        Self::new(status, "application/problem+json", body.to_string())
    }

    /// JSON.
    #[must_use]
    pub fn json(value: &Value) -> Self {
        Self::new(200, "application/json", value.to_string())
    }

    /// Passes its body, if that is JSON, through `change`.
    pub fn change(&mut self, change: impl FnOnce(&mut Value)) {
        if let Ok(mut value) = serde_json::from_slice(&self.body) {
            change(&mut value);
            self.body = value.to_string().into_bytes();
        }
    }

    /// The same with one more header line.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// All up to the end of the connection.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Self> {
        let Some((first, mut headers)) = head(from)? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let status = first.split(' ').nth(1).and_then(|it| it.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status line: {first}")))?;
        let mut body = Vec::new();
        match from.read_to_end(&mut body) {
            // Some servers end the connection without an end of TLS.
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            _ => {}
        }
        headers.retain(|(name, _)| !is_of_the_connection(name));
        Ok(Self { status, headers, body })
    }

    pub(super) fn write(&self, to: &mut impl Write, request: &Request) -> io::Result<()> {
        let mut bytes = Vec::new();
        write!(bytes, "HTTP/1.1 {} As Pebble Says\r\n", self.status)?;
        for (name, value) in &self.headers {
            write!(bytes, "{name}: {value}\r\n")?;
        }
        if self.status != 204 {
            write!(bytes, "Content-Length: {}\r\n", self.body.len())?;
        }
        bytes.extend(b"\r\n");
        to.write_all(&bytes)?;
        if request.method != "HEAD" {
            to.write_all(&self.body)?;
        }
        to.flush()
    }
}

fn is_of_the_connection(name: &str) -> bool {
    ["connection", "content-length", "keep-alive", "transfer-encoding", "te", "upgrade"]
        .iter()
        .any(|it| name.eq_ignore_ascii_case(it))
}

fn value<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// First line and header lines; `None` if there is nothing more.
fn head(from: &mut impl Read) -> io::Result<Option<(String, Headers)>> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        match from.read(&mut byte) {
            Ok(0) if bytes.is_empty() => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => bytes.push(byte[0]),
            Err(error) if bytes.is_empty() && error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.trim_end().split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    Ok(Some((first, headers.collect())))
}
