//! One host that several tenants use by HTTPS, and a browser that blocks cookies of third parties.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::real::browser::Tab;
use xtask::real::curl::curl;
use xtask::real::preview::Preview;
use xtask::real::{Authority, Browser, Clock, EchoServer, Scratch, poll};

pub(super) const SOON: Duration = Duration::from_mins(1);

/// Status of a page's fetch, and whether it was led elsewhere.
pub(super) const FETCH: &str = "fetch('/echo?of-the-old-page').then((it) => [it.status, it.redirected])";

/// Whether a page's socket opens; `isClosed` says whether it was closed since.
pub(super) const OPEN: &str = "new Promise((resolve) => {
    const socket = new WebSocket('/ws?of-the-old-page');
    window.isClosed = false;
    socket.onopen = () => resolve(true);
    socket.onclose = () => { window.isClosed = true; resolve(false); };
})";

/// The page on another site that previews are embedded in.
const PARENT: &str = "agent.elsewhere.test";

/// What is on stage.
pub(super) struct SharedHost {
    pub(super) clock: Clock,
    pub(super) scratch: Scratch,
    preview: Preview,
    authority: Authority,
}

/// An attachment of one of the tenants.
pub(super) struct Attached {
    pub(super) id: String,
    /// With session and token.
    pub(super) link: String,
    /// Without; ends with a slash.
    pub(super) url: String,
}

impl Attached {
    /// Scheme, host and port.
    pub(super) fn origin(&self) -> &str {
        self.url.trim_end_matches('/')
    }
}

impl SharedHost {
    /// With this template, in which `HTTPS` and `HTTP` stand for the ports, and further lines of configuration below
    /// `web_preview`.
    pub(super) fn new(template: &str, lines: &str) -> Result<Self> {
        let scratch = Scratch::new()?;
        let clock = Clock::new()?;
        let authority = Authority::new(scratch.path())?;
        let certificate = authority.issue(&["*.preview.test"])?;
        let preview = Preview::up_by(
            &clock,
            &format!(
                "web_preview:\n  public_url_template: \"{template}\"\n  state_dir: STATE\n{lines}  \
                 edge:\n    redirect_http: false\n    http: \"localhost:HTTP\"\n    https: \"localhost:HTTPS\"\n    \
                 tls: {{ mode: files, cert: {}, key: {} }}\n",
                certificate.chain.display(),
                certificate.key.display()
            ),
        )?;
        Ok(Self { clock, scratch, preview, authority })
    }

    /// Attaches a server for this user, in a session that is named after the user.
    pub(super) fn attach(&self, user: &str, server: &EchoServer) -> Result<Attached> {
        let told = self.preview.attach_as(user, &format!("of-{user}"), server.port(), "app")?;
        let text = |name: &str| told[name].as_str().map(str::to_owned).with_context(|| told.to_string());
        Ok(Attached { id: text("id")?, link: text("iframe_url")?, url: text("url")? })
    }

    pub(super) fn detach(&self, attached: &Attached) -> Result<()> {
        self.tell("DELETE", &format!("/v1/attachments/{}", attached.id))
    }

    pub(super) fn revoke(&self, attached: &Attached) -> Result<()> {
        self.tell("POST", &format!("/v1/attachments/{}/revoke", attached.id))
    }

    /// The status of an address for a client that keeps no cookies, but sends this one.
    pub(super) fn status(&self, url: &str, cookie: &str) -> Result<u16> {
        let authority = url.split('/').nth(2).context("a URL has a host")?;
        let (root, resolve) = (self.authority.root.display().to_string(), format!("{authority}:127.0.0.1"));
        let cookie = format!("Cookie: {cookie}");
        Ok(curl(&["--cacert", &root, "--resolve", &resolve, "--header", &cookie, url])?.status)
    }

    /// A browser that embeds what it opens in a page of another site, unless it is told otherwise.
    pub(super) fn browser(&self) -> Result<Browser> {
        let embedding = self.authority.issue(&[PARENT])?;
        Ok(Browser::new()
            .patience(SOON)
            .resolve("*.preview.test", "127.0.0.1")
            .trust(&self.authority.root)
            .embed_in(PARENT, &embedding)
            .screenshot(self.scratch.join("page.png")))
    }

    fn tell(&self, method: &str, path: &str) -> Result<()> {
        let answer = self.preview.call(method, path, None)?;
        ensure!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body);
        Ok(())
    }
}

/// One of the grants that a browser holds for this host, as a client sends it.
pub(super) fn grant_of(cookies: &[Value], url: &str) -> Option<String> {
    let host = url.split(['/', ':']).nth(3)?;
    let found = cookies
        .iter()
        .find(|it| it["name"] == "__Host-preview" && it["domain"].as_str().is_some_and(|it| it == host))?;
    Some(format!("__Host-preview={}", found["value"].as_str()?))
}

/// Waits until an expression is what is `told`, in a page that stays.
pub(super) fn wait_until(tab: &mut Tab, what: &str, expression: &str, told: &Value) -> Result<()> {
    poll(what, SOON, || Ok((tab.evaluate::<Value>(expression)? == *told).then_some(())))
}
