//! A preview's link, followed by curl and by a WebSocket client, whatever its name resolves to.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::real::curl::{Answer, curl};
use crate::real::{Process, Scratch, echo};

/// A link with its token, and the cookies that opening it brought. curl's own jar keeps no `Secure` cookie of
/// `http://*.localhost`, as browsers do.
pub struct Link {
    url: String,
    cookie: RefCell<String>,
    scratch: Scratch,
}

impl Link {
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self { url: url.to_owned(), cookie: RefCell::default(), scratch: Scratch::new()? })
    }

    /// `scheme://host:port`.
    #[must_use]
    pub fn origin(&self) -> &str {
        let host = self.url.find("://").map_or(0, |at| at + 3);
        &self.url[..self.url[host..].find('/').map_or(self.url.len(), |end| host + end)]
    }

    /// Follows it, token and all, and keeps the cookies.
    pub fn open(&self) -> Result<Answer> {
        let answer = self.curl(&[&self.url])?;
        let set = answer.headers.lines().filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("set-cookie").then(|| value.split(';').next().unwrap_or_default())
        });
        self.cookie.replace(set.collect::<Vec<_>>().join("; "));
        Ok(answer)
    }

    /// Another path of the preview, with the cookies that were kept.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.curl(&["--cookie", &self.cookie.borrow(), &format!("{}{path}", self.origin())])
    }

    /// The start page as a stranger gets it, without token or cookies.
    pub fn as_stranger(&self) -> Result<Answer> {
        self.curl(&[&format!("{}/", self.origin())])
    }

    /// Opens a WebSocket at `/ws` and says a word; prints `echoed hello`, then `closed`.
    pub fn socket(&self, http2: bool) -> Result<Process> {
        let url = format!("{}/ws", self.origin().replacen("http", "ws", 1));
        let mut words = echo::ws_client(&self.scratch)?;
        words.extend([
            url,
            "--map".into(),
            "127.0.0.1".into(),
            "--cookie".into(),
            self.cookie.borrow().clone(),
        ]);
        words.extend(http2.then(|| "--http2".to_owned()));
        let mut client = Process::spawn_line(&words, self.scratch.path())?;
        client.wait_for_line("echoed hello", Duration::from_secs(30))?;
        Ok(client)
    }

    fn curl(&self, args: &[&str]) -> Result<Answer> {
        let authority = self.origin().split("://").nth(1).context("an origin has a host")?;
        let resolve = format!("{authority}:127.0.0.1");
        let mut all = vec!["--insecure", "--resolve", &resolve];
        all.extend(args);
        curl(&all)
    }
}
