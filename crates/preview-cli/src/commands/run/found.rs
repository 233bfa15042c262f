//! Which of the ports that a command listens on is the one to show.
//!
//! The port it was given; else one that its output names; else, when nothing has changed for a while, the one that
//! answers a page. What the output names alone counts for nothing: some print their URL before they listen, and
//! some print the URL of their documentation.

use std::time::Duration;

use http::{Request, header};
use http_body_util::Full;
use hyper::body::Bytes;
use tokio::time::{Instant, timeout};

use crate::client::{Door, Https, Place};

/// How long the listeners of a command that was not given its port must be the same ones.
const SETTLED: Duration = Duration::from_secs(1);

/// How long a page may take to tell its port from others.
const PAGE: Duration = Duration::from_secs(2);

/// What was seen of a command's listeners.
#[derive(Debug)]
pub(super) struct Search {
    given: u16,
    seen: Vec<String>,
    since: Instant,
}

/// A listener: its address and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Search {
    /// For a command that was given this port.
    pub(super) fn new(given: u16) -> Self {
        Self { given, seen: Vec::new(), since: Instant::now() }
    }

    /// The listener to attach, if it is clear by now.
    pub(super) async fn look(&mut self, listeners: &[String], output: &str) -> Option<Listener> {
        if self.seen != listeners {
            self.seen = listeners.to_vec();
            self.since = Instant::now();
        }
        let all: Vec<Listener> = listeners.iter().filter_map(|text| Listener::parse(text)).collect();
        if let Some(clear) = clear(&all, self.given, output) {
            return Some(clear);
        }
        if all.is_empty() || self.since.elapsed() < SETTLED {
            return None;
        }
        for listener in &all {
            if listener.answers_a_page().await {
                return Some(listener.clone());
            }
        }
        all.into_iter().next()
    }
}

impl Listener {
    /// Reads `127.0.0.1:5173` or `[::1]:5173`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Self { host, port: port.parse().ok()? })
    }

    async fn answers_a_page(&self) -> bool {
        let place = Place { tls: false, host: self.host.clone(), port: self.port };
        let Ok(request) = Request::get("/").header(header::ACCEPT, "text/html").body(Full::new(Bytes::new()))
        else {
            return false;
        };
        let answer = timeout(PAGE, Door::Tcp(place, Https::default()).send(request)).await;
        let Ok(Ok(answer)) = answer else { return false };
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        kind.is_some_and(|kind| kind.starts_with("text/html"))
    }
}

/// The port that was given, or one that the output names.
fn clear(all: &[Listener], given: u16, output: &str) -> Option<Listener> {
    let at = |port: u16| all.iter().find(|listener| listener.port == port).cloned();
    at(given).or_else(|| ports_named(output).into_iter().find_map(at))
}

/// The ports of URLs in a text, in their order.
fn ports_named(text: &str) -> Vec<u16> {
    let urls = text.split("://").skip(1);
    urls.filter_map(|rest| {
        let end = rest.find(|c: char| c.is_whitespace() || "/?#,)'\"".contains(c)).unwrap_or(rest.len());
        let digits = rest[..end].rsplit_once(':')?.1;
        digits.parse().ok()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_that_was_given_comes_before_any_other() {
        let output = "Local: http://localhost:24678/";
        assert_eq!(clear(&listeners(&[24_678, 3_000]), 3_000, output).map(|it| it.port), Some(3_000));
    }

    #[test]
    fn a_port_that_the_output_names_counts_only_if_it_listens() {
        let output =
            "docs at https://vite.dev:443/x\n  Local:   http://localhost:5174/\n(http://127.0.0.1:9),";
        assert_eq!(clear(&listeners(&[24_678, 5_174]), 3_000, output).map(|it| it.port), Some(5_174));
        assert_eq!(clear(&listeners(&[24_678]), 3_000, output), None);
    }

    #[test]
    fn ports_are_read_with_whatever_stands_behind_them() {
        let text =
            "http://0.0.0.0:8000 http://[::1]:3000/, (http://localhost:4000) 'http://a:5000' http://x/:6";
        assert_eq!(ports_named(text), [8_000, 3_000, 4_000, 5_000]);
    }

    fn listeners(ports: &[u16]) -> Vec<Listener> {
        ports.iter().map(|port| Listener { host: "127.0.0.1".into(), port: *port }).collect()
    }
}
