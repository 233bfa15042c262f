//! A preview's link, followed by curl and by a WebSocket client, whatever its name resolves to.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::real::curl::{Answer, curl};
use crate::real::{Process, Scratch, echo};

/// A link with its token, and a jar for the cookies it brings.
pub struct Link {
    url: String,
    jar: String,
    scratch: Scratch,
}

impl Link {
    pub fn new(url: &str) -> Result<Self> {
        let scratch = Scratch::new()?;
        let jar = scratch.join("cookies").display().to_string();
        Ok(Self { url: url.to_owned(), jar, scratch })
    }

    /// `scheme://host:port`.
    #[must_use]
    pub fn origin(&self) -> &str {
        let host = self.url.find("://").map_or(0, |at| at + 3);
        &self.url[..self.url[host..].find('/').map_or(self.url.len(), |end| host + end)]
    }

    /// Follows it, token and all, and keeps the cookies.
    pub fn open(&self) -> Result<Answer> {
        self.curl(&["--cookie-jar", &self.jar, &self.url])
    }

    /// Another path of the preview, with the cookies that were kept.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.curl(&["--cookie", &self.jar, &format!("{}{path}", self.origin())])
    }

    /// The start page as a stranger gets it, without token or cookies.
    pub fn as_stranger(&self) -> Result<Answer> {
        self.curl(&[&format!("{}/", self.origin())])
    }

    /// Opens a WebSocket at `/ws` and says a word; prints `echoed hello`, then `closed`.
    pub fn socket(&self, http2: bool) -> Result<Process> {
        let url = format!("{}/ws", self.origin().replacen("http", "ws", 1));
        let mut words = echo::ws_client(&self.scratch)?;
        words.extend([url, "--map".into(), "127.0.0.1".into(), "--cookie".into(), self.cookie()?]);
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

    /// The kept cookies as a `Cookie` header; curl's jar has seven columns, name and value last.
    fn cookie(&self) -> Result<String> {
        let jar = std::fs::read_to_string(&self.jar).context("the link was not opened")?;
        let pairs = jar.lines().filter_map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            (columns.len() == 7).then(|| format!("{}={}", columns[5], columns[6]))
        });
        Ok(pairs.collect::<Vec<_>>().join("; "))
    }
}
