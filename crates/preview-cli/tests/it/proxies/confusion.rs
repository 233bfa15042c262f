//! Requests made to be judged as one thing and forwarded as another, through nginx: whatever arrives at a dev server is
//! what the daemon has let in.

use anyhow::{Context as _, Result, ensure};

use super::stage::{Kind, Stage, cookie, seen};
use super::table::Fate::{self, Arrives, Refused};
use super::table::{MALFORMED, NOT_IN, PLAIN, exchange, status};

/// `A` is the attached host, `B` another session's, `C` one with a listener and no attachment; `LINK` the query that
/// lets into A, `GRANT` a cookie for it.
pub(super) const ATTACKS: &[(&str, &str, Fate)] = &[
    ("the plain link", "GET /echo?LINK HTTP/1.1\nHost: A", Arrives("/echo?LINK")),
    ("the plain cookie", "GET /echo HTTP/1.1\nHost: A\nCookie: GRANT", Arrives("/echo")),
    ("no credential", "GET /echo HTTP/1.1\nHost: A", NOT_IN),
    ("the link for another", "GET /echo?LINK HTTP/1.1\nHost: B", NOT_IN),
    ("the cookie for another", "GET /echo HTTP/1.1\nHost: B\nCookie: GRANT", NOT_IN),
    ("the link for a listener", "GET /echo?LINK HTTP/1.1\nHost: C", NOT_IN),
    ("an absolute target of another", "GET http://B/echo?LINK HTTP/1.1\nHost: A", NOT_IN),
    ("an absolute target of its own", "GET http://A/echo?LINK HTTP/1.1\nHost: B", Arrives("/echo?LINK")),
    ("an absolute target with a user", "GET http://A@B/echo?LINK HTTP/1.1\nHost: A", Refused(&[400, 502])),
    ("two hosts", "GET /echo?LINK HTTP/1.1\nHost: A\nHost: B", MALFORMED),
    ("two hosts in one", "GET /echo?LINK HTTP/1.1\nHost: A, B", Refused(&[400, 502])),
    ("a user in the host", "GET /echo?LINK HTTP/1.1\nHost: A@B", Refused(&[400, 502])),
    ("a path in the host", "GET /echo?LINK HTTP/1.1\nHost: A/B", MALFORMED),
    ("no host", "GET /echo?LINK HTTP/1.1", MALFORMED),
    ("HTTP/1.0 without a host", "GET /echo?LINK HTTP/1.0", NOT_IN),
    ("X-Forwarded-Host", "GET /echo?LINK HTTP/1.1\nHost: B\nX-Forwarded-Host: A", NOT_IN),
    ("X-Forwarded-Host away", "GET /echo?LINK HTTP/1.1\nHost: A\nX-Forwarded-Host: B", Arrives("/echo?LINK")),
    ("X-Forwarded-Uri", "GET /echo HTTP/1.1\nHost: A\nX-Forwarded-Uri: /?LINK", NOT_IN),
    (
        "X-Forwarded-Uri twice",
        "GET /echo HTTP/1.1\nHost: A\nX-Forwarded-Uri: /?LINK\nX-Forwarded-Uri: /",
        NOT_IN,
    ),
    ("X_Forwarded_Uri", "GET /echo HTTP/1.1\nHost: A\nX_Forwarded_Uri: /?LINK", NOT_IN),
    ("X-Original-URI", "GET /echo HTTP/1.1\nHost: A\nX-Original-URI: /?LINK", NOT_IN),
    ("X-Original-URL", "GET /echo HTTP/1.1\nHost: A\nX-Original-URL: /?LINK", NOT_IN),
    ("X-Rewrite-URL", "GET /echo HTTP/1.1\nHost: A\nX-Rewrite-URL: /?LINK", NOT_IN),
    ("Referer", "GET /echo HTTP/1.1\nHost: A\nReferer: http://A/?LINK", NOT_IN),
    ("an upstream of its own", "GET /echo HTTP/1.1\nHost: A\nPreview-Upstream: 127.0.0.1:CPORT", NOT_IN),
    (
        "another upstream",
        "GET /echo?LINK HTTP/1.1\nHost: A\nPreview-Upstream: 127.0.0.1:CPORT",
        Arrives("/echo?LINK"),
    ),
    ("a wrong token in a header", "GET /echo HTTP/1.1\nHost: A\nPreview-Token: x", NOT_IN),
    ("an encoded question mark", "GET /echo%3FLINK HTTP/1.1\nHost: A", NOT_IN),
    ("path parameters", "GET /echo;LINK HTTP/1.1\nHost: A", NOT_IN),
    ("a fragment", "GET /echo#?LINK HTTP/1.1\nHost: A", Refused(&[400, 502])),
    ("an encoded name", "GET /echo?session_id=s&%74oken=TOKEN HTTP/1.1\nHost: A", NOT_IN),
    ("a second session", "GET /echo?session_id=x&LINK HTTP/1.1\nHost: A", NOT_IN),
    ("a second token", "GET /echo?token=x&LINK HTTP/1.1\nHost: A", NOT_IN),
    ("the question itself", "GET /.preview/verify?LINK HTTP/1.1\nHost: A", Refused(&[404])),
    ("the question, encoded", "GET /%2epreview/verify?LINK HTTP/1.1\nHost: A", Refused(&[404])),
    ("the question, doubled", "GET //.preview//verify?LINK HTTP/1.1\nHost: A", Refused(&[404])),
    ("the question by a detour", "GET /x/../.preview/verify?LINK HTTP/1.1\nHost: A", Refused(&[404])),
    ("the daemon's path", "GET /auth/verify?LINK HTTP/1.1\nHost: A", Arrives("/auth/verify?LINK")),
    ("the daemon's API", "GET /v1/attachments?LINK HTTP/1.1\nHost: A", Arrives("/v1/attachments?LINK")),
    ("dots", "GET /a/../echo?LINK HTTP/1.1\nHost: A", Arrives("/a/../echo?LINK")),
    ("encoded dots", "GET /a/%2e%2e/echo?LINK HTTP/1.1\nHost: A", Arrives("/a/%2e%2e/echo?LINK")),
    ("dots above the root", "GET /../../echo?LINK HTTP/1.1\nHost: A", MALFORMED),
    ("encoded dots above the root", "GET /%2e%2e/echo?LINK HTTP/1.1\nHost: A", MALFORMED),
    ("an encoded slash", "GET /a%2Fecho?LINK HTTP/1.1\nHost: A", Arrives("/a%2Fecho?LINK")),
    ("an encoded backslash", "GET /a%5C..%5Cecho?LINK HTTP/1.1\nHost: A", Arrives("/a%5C..%5Cecho?LINK")),
    ("a path like an authority", "GET //B/echo?LINK HTTP/1.1\nHost: A", Arrives("//B/echo?LINK")),
    ("double slashes", "GET //a//echo?LINK HTTP/1.1\nHost: A", Arrives("//a//echo?LINK")),
    ("an encoded NUL", "GET /a%00/echo?LINK HTTP/1.1\nHost: A", Refused(&[400, 502])),
    (
        "an encoded line",
        "GET /a%0d%0aX-Evil:%201?LINK HTTP/1.1\nHost: A",
        Arrives("/a%0d%0aX-Evil:%201?LINK"),
    ),
    (
        "a method in a header",
        "POST /echo?LINK HTTP/1.1\nHost: A\nX-HTTP-Method-Override: GET\nContent-Length: 0",
        Arrives("/echo?LINK"),
    ),
    (
        "X-Forwarded-Method",
        "POST /echo HTTP/1.1\nHost: A\nX-Forwarded-Method: OPTIONS\nContent-Length: 0",
        NOT_IN,
    ),
    ("CONNECT", "CONNECT A:80 HTTP/1.1\nHost: A", Refused(&[400, 405])),
    ("TRACE", "TRACE /echo?LINK HTTP/1.1\nHost: A", Refused(&[405])),
    ("a method of its own", "GE_T /echo HTTP/1.1\nHost: A", Refused(&[400, 405, 502])),
    (
        "a preflight of a sibling",
        "OPTIONS /echo HTTP/1.1\nHost: A\nOrigin: http://B\nAccess-Control-Request-Method: PUT",
        Refused(&[403]),
    ),
    (
        "a preflight of anybody",
        "OPTIONS /echo HTTP/1.1\nHost: A\nOrigin: http://evil.example\nAccess-Control-Request-Method: PUT",
        NOT_IN,
    ),
    (
        "a foreign socket",
        "GET /ws HTTP/1.1\nHost: A\nCookie: GRANT\nOrigin: http://evil.example\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        Refused(&[403]),
    ),
    (
        "a socket of nobody",
        "GET /ws HTTP/1.1\nHost: A\nCookie: GRANT\nOrigin: null\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        Refused(&[403]),
    ),
    (
        "a socket without an origin",
        "GET /ws HTTP/1.1\nHost: A\nCookie: GRANT\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        Refused(&[403]),
    ),
    (
        "a sibling's fetch",
        "GET /echo HTTP/1.1\nHost: A\nCookie: GRANT\nOrigin: http://B\nSec-Fetch-Mode: cors",
        Refused(&[403]),
    ),
    (
        "a sibling's post",
        "POST /echo HTTP/1.1\nHost: A\nCookie: GRANT\nOrigin: http://B\nSec-Fetch-Mode: navigate\nContent-Length: 0",
        Refused(&[403]),
    ),
    (
        "a service worker",
        "GET /echo HTTP/1.1\nHost: A\nCookie: GRANT\nService-Worker: script",
        Refused(&[403]),
    ),
    ("a forged grant", "GET /echo HTTP/1.1\nHost: A\nCookie: preview=1.1.x.0.1.9999999999.x", NOT_IN),
    ("a grant under another name", "GET /echo HTTP/1.1\nHost: A\nCookie: x=1; XGRANT", NOT_IN),
    ("two lengths", "POST /echo?LINK HTTP/1.1\nHost: A\nContent-Length: 0\nContent-Length: 5", MALFORMED),
    (
        "length and chunks",
        "POST /echo?LINK HTTP/1.1\nHost: A\nContent-Length: 5\nTransfer-Encoding: chunked",
        MALFORMED,
    ),
    ("a space before the colon", "GET /echo?LINK HTTP/1.1\nHost : A", MALFORMED),
    ("a leading zero", "GET /echo?LINK HTTP/1.1\nHost: preview-0APORT.preview.test", NOT_IN),
    ("another case", "GET /echo?LINK HTTP/1.1\nHost: PREVIEW-APORT.Preview.Test", Arrives("/echo?LINK")),
    ("a port in the host", "GET /echo?LINK HTTP/1.1\nHost: A:1", Arrives("/echo?LINK")),
    ("a longer host", "GET /echo?LINK HTTP/1.1\nHost: A.evil.example", Refused(&[404, 502])),
    ("a deeper host", "GET /echo?LINK HTTP/1.1\nHost: x.A", Refused(&[404, 502])),
];

#[test]
fn what_arrives_through_nginx_is_what_was_judged() -> Result<()> {
    let stage = Stage::new(Kind::Nginx, PLAIN)?;
    let other = xtask::real::EchoServer::start(xtask::real::free_port()?)?;
    let link = stage.preview.link(stage.app.port(), "mine")?;
    let link = link.split_once('?').context("a link")?.1.to_owned();
    let token = link.split("token=").nth(1).context("a token")?;
    // Another user's, in another session.
    let body = serde_json::json!({ "session_id": "t", "user_id": "v", "port": other.port() });
    ensure!(stage.preview.call("POST", "/v1/attachments", Some(&body))?.status == 201);
    // Both were looked at when they were attached.
    let known = seen(&other)?.len();
    let at = |port: u16| Stage::host(port);
    let url = format!("http://{}:{}/echo?{link}", at(stage.app.port()), stage.preview.https);
    let grant = cookie(&stage.ask(&url, &[])?, "preview")?;
    let fill = |text: &str| {
        text.replace("LINK", &link)
            .replace("TOKEN", token)
            .replace("GRANT", &grant)
            .replace("APORT", &stage.app.port().to_string())
            .replace("CPORT", &stage.other.port().to_string())
            .replace(": A", &format!(": {}", at(stage.app.port())))
            .replace("//A", &format!("//{}", at(stage.app.port())))
            .replace("x.A", &format!("x.{}", at(stage.app.port())))
            .replace("CONNECT A", &format!("CONNECT {}", at(stage.app.port())))
            .replace(": B", &format!(": {}", at(other.port())))
            .replace("//B", &format!("//{}", at(other.port())))
            .replace("@B", &format!("@{}", at(other.port())))
            .replace(", B", &format!(", {}", at(other.port())))
            .replace(": C", &format!(": {}", at(stage.other.port())))
    };
    let mut wrong = Vec::new();
    for (name, request, fate) in ATTACKS {
        let before = seen(&stage.app)?.len();
        let answer = exchange(stage.preview.https, &fill(request)).with_context(|| (*name).to_owned())?;
        let status = status(&answer);
        let arrived = seen(&stage.app)?.split_off(before);
        let targets: Vec<_> = arrived.iter().filter_map(|it| it["url"].as_str()).collect();
        let is_right = match fate {
            Refused(statuses) => statuses.contains(&status) && targets.is_empty(),
            Arrives(target) => targets == [fill(target)],
        };
        if !is_right {
            wrong.push(format!("{name}: {status}, arrived {targets:?}, not {fate:?}"));
        }
    }
    ensure!(wrong.is_empty(), "{} of {} attacks:\n{}", wrong.len(), ATTACKS.len(), wrong.join("\n"));
    ensure!(seen(&other)?.len() == known, "another session's dev server was reached: {:?}", seen(&other)?);
    ensure!(seen(&stage.other)?.is_empty(), "a listener that nobody attached was reached");
    Ok(())
}
