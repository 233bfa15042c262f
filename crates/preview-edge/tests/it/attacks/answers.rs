//! What a dev server answers that attacks the visitor, other tenants or ourselves.

use crate::daemon::route;
use crate::recorder::Recorder;
use crate::stage::Stage;
use crate::viewer::get;

/// An answer, and what a visitor gets of it.
struct Reply {
    name: &'static str,
    answer: &'static [u8],
    fate: Fate,
}

enum Fate {
    /// It is no HTTP: our own words, and nothing of it.
    Refused,
    /// It is passed on with these headers, each once and no other of its name; an empty value: without it.
    Cleaned(&'static [(&'static str, &'static str)]),
}

use Fate::{Cleaned, Refused};

const NO_COOKIE: Fate = Cleaned(&[("set-cookie", "")]);
const OWN_COOKIE: Fate = Cleaned(&[("set-cookie", "a=1; Path=/")]);

const REPLIES: &[Reply] = &[
    reply("a line end within a value", b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n", Refused),
    reply("a NUL within a value", b"HTTP/1.1 200 OK\r\nX: a\0evil\r\nContent-Length: 0\r\n\r\n", Refused),
    reply("a folded value", b"HTTP/1.1 200 OK\r\nX: a\r\n Set-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n", Refused),
    reply("a space before the colon", b"HTTP/1.1 200 OK\r\nSet-Cookie : preview=evil\r\nContent-Length: 0\r\n\r\n", Refused),
    reply("a line end in the reason", b"HTTP/1.1 200 O\rK evil\r\nContent-Length: 0\r\n\r\n", Refused),
    reply("a status that is none", b"HTTP/1.1 2000 evil\r\nContent-Length: 0\r\n\r\n", Refused),
    reply("a version that is none", b"HTTP/9.9 200 evil\r\nContent-Length: 0\r\n\r\n", Refused),
    reply("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 4\r\n\r\nevil", Refused),
    reply("a length with a sign", b"HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nevil", Refused),
    reply("a switch nobody asked for", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nevil", Refused),
    reply("markup and no HTTP", b"<script>evil</script>\r\n\r\n", Refused),
    reply("a header behind a bare line feed", b"HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: preview=evil\r\nContent-Length: 0\r\n\r\n", NO_COOKIE),
    reply("a second answer behind the first", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nSet-Cookie: evil=1\r\n\r\n", NO_COOKIE),
    reply("our cookie", b"HTTP/1.1 200 OK\r\nSet-Cookie: preview=evil; Path=/\r\nContent-Length: 0\r\n\r\n", NO_COOKIE),
    reply("our cookies of HTTPS", b"HTTP/1.1 200 OK\r\nSet-Cookie: __Host-preview=evil; Secure; Path=/\r\nSet-Cookie: __Host-preview-w=evil; Secure; Path=/\r\nContent-Length: 0\r\n\r\n", NO_COOKIE),
    reply("our cookie with spaces", b"HTTP/1.1 200 OK\r\nSet-Cookie:   preview \t = evil\r\nContent-Length: 0\r\n\r\n", NO_COOKIE),
    reply("our cookie without a name", b"HTTP/1.1 200 OK\r\nSet-Cookie: =preview=evil\r\nContent-Length: 0\r\n\r\n", NO_COOKIE),
    reply("our cookie as a name alone", b"HTTP/1.1 200 OK\r\nSet-Cookie: preview; Path=/\r\nContent-Length: 0\r\n\r\n", NO_COOKIE),
    reply("the notice's cookies", b"HTTP/1.1 200 OK\r\nSet-Cookie: preview-seen=evil\r\nSet-Cookie: __Host-preview-seen=evil\r\nContent-Length: 0\r\n\r\n", NO_COOKIE),
    reply("our cookie among others", b"HTTP/1.1 200 OK\r\nSet-Cookie: preview=evil\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: preview=evil2\r\nContent-Length: 0\r\n\r\n", OWN_COOKIE),
    reply("a cookie for every preview", b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Domain=preview.test; Path=/\r\nContent-Length: 0\r\n\r\n", OWN_COOKIE),
    reply("a cookie for every preview, oddly said", b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1;DOMAIN = .preview.test ; Path=/;domain=test\r\nContent-Length: 0\r\n\r\n", OWN_COOKIE),
    reply("our cookie for every preview", b"HTTP/1.1 200 OK\r\nSet-Cookie: preview=evil; Domain=.preview.test\r\nContent-Length: 0\r\n\r\n", NO_COOKIE),
    reply("our cookie in a trailer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: set-cookie\r\n\r\n0\r\nSet-Cookie: preview=evil\r\n\r\n", NO_COOKIE),
    reply("another place for later", b"HTTP/1.1 200 OK\r\nAlt-Svc: h2=\"evil.example:443\"\r\nContent-Length: 0\r\n\r\n", Cleaned(&[("alt-svc", "")])),
    reply("an invitation to be found", b"HTTP/1.1 200 OK\r\nX-Robots-Tag: all\r\nX-Robots-Tag: evil\r\nContent-Length: 0\r\n\r\n", Cleaned(&[("x-robots-tag", "noindex")])),
    reply("what concerns one connection", b"HTTP/1.1 200 OK\r\nConnection: x-evil\r\nX-Evil: 1\r\nKeep-Alive: evil\r\nProxy-Authenticate: Basic realm=evil\r\nContent-Length: 0\r\n\r\n", Cleaned(&[("x-evil", ""), ("keep-alive", ""), ("proxy-authenticate", "")])),
];

#[test]
fn what_a_dev_server_answers_harms_nobody() {
    let servers: Vec<Recorder> = REPLIES.iter().map(|reply| Recorder::answering(reply.answer)).collect();
    let named = |(at, server): (usize, &Recorder)| route(&format!("r{at}"), server.port);
    let stage = Stage::with(servers.iter().enumerate().map(named).collect());
    let mut wrong = Vec::new();
    for (at, reply) in REPLIES.iter().enumerate() {
        let answer = get(stage.edge.http, &format!("r{at}.preview.test"), "/", "");
        let is_one = answer.0.matches("HTTP/1.1 ").count() == 1;
        let is_right = match reply.fate {
            Refused => answer.status() == 502 && answer.body() == "upstream_not_http",
            Cleaned(headers) => {
                let has = |(name, value): &(&str, &str)| {
                    let wanted: Vec<&str> = [*value].into_iter().filter(|it| !it.is_empty()).collect();
                    answer.all(name) == wanted
                };
                answer.status() == 200 && headers.iter().all(has)
            }
        };
        if !is_right || !is_one || answer.0.contains("evil") {
            wrong.push(format!("{}: {answer:?}", reply.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), REPLIES.len(), wrong.join("\n"));
}

const fn reply(name: &'static str, answer: &'static [u8], fate: Fate) -> Reply {
    Reply { name, answer, fate }
}
