//! HTTP/2 by hand, for requests that no client would send: none of them may become more than one request, or
//! another one, on its way to HTTP/1.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::connect;
use crate::daemon::route;
use crate::edge::state_dir;
use crate::recorder::Recorder;
use crate::stage::Stage;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const HOST: &str = "app.preview.test";

#[test]
fn what_http1_would_read_otherwise_is_refused_and_reaches_nobody() {
    let server = Recorder::answering(OK);
    let stage = Stage::secure(vec![route("app", server.port)], |_| {});
    let get = [(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "/")];
    let with = |more: &[(&'static str, &'static str)]| [&get[..], more].concat();
    let path = |path: &'static str| [get[0], get[1], get[2], (":path", path)].to_vec();
    for headers in [
        with(&[("x", "a\r\nGET /smuggled HTTP/1.1\r\nHost: app.preview.test\r\n\r\n")]),
        with(&[("x", "a\nb")]),
        with(&[("x", "a\0b")]),
        with(&[("x\r\ny", "a")]),
        with(&[("x: y", "a")]),
        with(&[("X-Upper", "a")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("connection", "close")]),
        with(&[("te", "gzip")]),
        with(&[("host", "other.preview.test")]),
        with(&[(":path", "/twice")]),
        with(&[(":unknown", "1")]),
        path("/ HTTP/1.1\r\nX: /smuggled"),
        path("/a b"),
        path(""),
        vec![get[0], get[1], get[2]],
        vec![("x", "first"), get[0], get[1], get[2], get[3]],
        vec![(":method", "GE T"), get[1], get[2], get[3]],
        vec![get[0], get[1], (":authority", "app.preview.test/x"), get[3]],
        vec![get[0], get[1], (":authority", "user@app.preview.test"), get[3]],
        vec![(":method", "CONNECT"), (":authority", HOST)],
        vec![(":method", "CONNECT"), (":protocol", "connect-udp"), get[1], get[2], get[3]],
    ] {
        let outcome = ask(&stage, &headers, None);
        assert_ne!(outcome, Outcome::Answered(200), "{headers:?}");
    }
    assert_eq!(server.requests(), 0, "{:?}", server.connections());
    assert_eq!(ask(&stage, &get, None), Outcome::Answered(200));
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_body_that_is_not_as_long_as_it_says_is_no_second_request() {
    for (length, body) in [
        ("2", "hiGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("0", "GET /smuggled HTTP/1.1\r\n\r\n"),
        ("50", "short"),
    ] {
        let server = Recorder::answering(OK);
        let stage = Stage::secure(vec![route("app", server.port)], |_| {});
        let headers = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", HOST),
            (":path", "/"),
            ("content-length", length),
        ];
        ask(&stage, &headers, Some(body));
        assert!(!server.connections().concat().contains("smuggled"), "{length}: {:?}", server.connections());
        assert!(server.requests() <= 1);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Answered(u16),
    Reset,
    Closed,
}

/// Sends one request on stream 1 and waits for what becomes of it.
fn ask(stage: &Stage, headers: &[(&str, &str)], body: Option<&str>) -> Outcome {
    let mut stream = open(stage);
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(SETTINGS, 0, 0, &[]));
    let block: Vec<u8> = headers.iter().flat_map(|(name, value)| literal(name, value)).collect();
    let ends = if body.is_none() { END_HEADERS | END_STREAM } else { END_HEADERS };
    sent.extend(frame(HEADERS, ends, 1, &block));
    if let Some(body) = body {
        sent.extend(frame(DATA, END_STREAM, 1, body.as_bytes()));
    }
    // It may hang up before it has read all.
    let _ = stream.write_all(&sent);
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).is_err() {
            return Outcome::Closed;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).is_err() {
            return Outcome::Closed;
        }
        match head[3] {
            HEADERS => return Outcome::Answered(status(&payload)),
            RST_STREAM => return Outcome::Reset,
            GOAWAY => return Outcome::Closed,
            _ => {}
        }
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A field that is in no table (RFC 7541 §6.2.2), its texts shorter than 127 bytes.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        field.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("short"));
        field.extend(text.as_bytes());
    }
    field
}

/// The status that a header block begins with: from the static table, or a literal under its index.
fn status(block: &[u8]) -> u16 {
    match block {
        [indexed @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        _ => 0,
    }
}

fn open(stage: &Stage) -> StreamOwned<ClientConnection, TcpStream> {
    let pem = std::fs::read(state_dir(&stage.scratch).join("self-signed.crt")).expect("a certificate");
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(&pem) {
        roots.add(root.expect("PEM")).expect("a root");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from(HOST).expect("a name");
    let stream = connect(stage.edge.https.expect("HTTPS")).expect("connected");
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("TLS"), stream)
}
