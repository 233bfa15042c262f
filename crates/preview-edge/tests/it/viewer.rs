//! Somebody with a link, a browser of few words: sends what a test writes, and reads one whole answer.

use std::io::{Read, Write};
use std::net::SocketAddr;

use preview_core::attachment::Visibility;
use preview_core::clock::Wall;
use preview_core::grant::{Grant, GrantKey, GrantKeys};
use preview_core::route::Route;
use preview_core::token::Token;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::client::connect;
use crate::daemon::route;
use crate::recorder::values;

/// The text of an answer.
#[derive(Debug)]
pub(crate) struct Answer(pub(crate) String);

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.0.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// The values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        values(&self.0, name)
    }

    /// The only value of a header; empty without it.
    pub(crate) fn header(&self, name: &str) -> String {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name}: {all:?}");
        all.into_iter().next().unwrap_or_default()
    }

    pub(crate) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

/// Sends bytes as they are and reads until the edge hangs up.
pub(crate) fn raw(edge: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = connect(edge).expect("connected");
    // It may hang up before it has read all.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    // What came before a reset counts.
    let _ = stream.read_to_end(&mut answer);
    Answer(String::from_utf8_lossy(&answer).into_owned())
}

/// `GET target` with these header lines.
pub(crate) fn get(edge: SocketAddr, host: &str, target: &str, headers: &str) -> Answer {
    ask(edge, host, &format!("GET {target}"), headers)
}

/// A request line without its version, with header lines.
pub(crate) fn ask(edge: SocketAddr, host: &str, line: &str, headers: &str) -> Answer {
    let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
    raw(edge, request.as_bytes())
}

/// What a browser sends when it opens a page.
pub(crate) const NAVIGATION: &str =
    "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\nAccept: text/html\r\n";

/// A private route.
pub(crate) fn private(name: &str, port: u16) -> Route {
    Route { visibility: Visibility::Private, ..route(name, port) }
}

/// The query of a route's link.
pub(crate) fn link() -> String {
    format!("session_id=s&token={}", Token::from_entropy([1; 32]).reveal())
}

/// The value of a cookie that lets into `route`.
pub(crate) fn grant(route: &Route) -> String {
    grant_for(route, route.epoch, Duration::from_hours(8))
}

/// The value of a cookie for an epoch of `route`, whose life began a minute ago.
pub(crate) fn grant_for(route: &Route, epoch: u64, life: Duration) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let issued = Wall::from_secs(since.as_secs() - 60);
    let keys = GrantKeys::new(vec![GrantKey::new(1, [4; 32])]);
    keys.seal(&Grant::new(route.id, epoch, issued, life), &route.url.host).expect("a key")
}

/// The header line of that cookie, under a template of plain HTTP.
pub(crate) fn cookie(route: &Route) -> String {
    format!("Cookie: preview={}\r\n", grant(route))
}
