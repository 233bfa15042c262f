//! A login of the operator's before a preview, seen by a real browser that blocks cookies of third parties.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use xtask::real::browser::Tab;
use xtask::real::login::Mood;
use xtask::real::preview::Preview;
use xtask::real::{Authority, Browser, EchoServer, Login, Scratch, free_port, poll_for};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_tab_logs_in_comes_back_opens_a_socket_and_is_out_after_the_logout() -> Result<()> {
    let stage = Stage::new()?;
    let mut tab = stage.browser().tab()?;
    tab.go(&stage.url)?;
    tab.wait_for_text("Log in")?;
    assert!(tab.url()?.starts_with(&stage.login.origin()), "{}", tab.url()?);
    tab.fill("input[name=user]", "ada")?;
    tab.click("button")?;
    tab.wait_for_text("x-auth-request-user")?;
    assert!(tab.url()?.starts_with(&stage.url), "{}", tab.url()?);
    let text = tab.text()?;
    assert!(text.contains("ada@example.com"), "{text}");
    assert!(!text.contains("session-1-of-ada"), "the dev server is not told what lets her in: {text}");

    let said: String = tab.evaluate(SOCKET)?;
    assert_eq!(said, "hello");

    stage.login.log_out();
    let fetched = "fetch('/echo', { headers: { accept: 'text/html' } }).then(it => it.status)";
    let mut status = || tab.evaluate::<u16>(fetched).ok();
    poll_for("the logout", Duration::from_secs(10), || status().filter(|status| *status == 401))?;
    tab.go(&stage.url)?;
    tab.wait_for_text("Log in")?;
    assert!(tab.url()?.starts_with(&stage.login.origin()), "{}", tab.url()?);
    Ok(())
}

#[test]
fn a_frame_of_another_site_leads_to_the_login_in_a_tab_and_lets_in_by_a_shared_link() -> Result<()> {
    let stage = Stage::new()?;
    let embedding = stage.authority.issue(&["agent.elsewhere.test"])?;
    let mut tab = stage.browser().embed_in("agent.elsewhere.test", &embedding).tab()?;
    tab.go(&stage.url)?;
    tab.wait_for_text("Log in to see this preview")?;
    let link: String = tab.evaluate(
        "(it => `${it.textContent} ${it.target} ${it.href}`)(document.querySelector('a.button'))",
    )?;
    assert_eq!(link, format!("Log in in a new tab _blank {}", stage.url));
    log_in_by_the_tab_that_the_frame_opens(&mut tab, &stage)?;

    // Back in the frame: cookies of third parties are blocked, so the login's stays away, and nothing goes round.
    assert_eq!(tab.go(&stage.url)?, Some(401));
    tab.wait_for_text("if it asks again, your browser keeps the login out of frames")?;
    assert_eq!(tab.url()?, stage.url, "the frame is not sent to the login");

    // A link that was shared lets in there too: its own cookie is partitioned.
    tab.go(&stage.shared_link()?)?;
    tab.wait_for_text("user-agent")?;
    assert!(!tab.text()?.contains("x-auth-request-user"), "a link is nobody");
    assert_eq!(tab.evaluate::<String>(SOCKET)?, "hello");
    Ok(())
}

#[test]
fn a_frame_of_the_logins_own_site_is_let_in_once_the_tab_it_opened_has_logged_in() -> Result<()> {
    let stage = Stage::new()?;
    let embedding = stage.authority.issue(&["agent.preview.test"])?;
    let mut tab = stage.browser().embed_in("agent.preview.test", &embedding).tab()?;
    tab.go(&stage.url)?;
    tab.wait_for_text("Log in to see this preview")?;
    log_in_by_the_tab_that_the_frame_opens(&mut tab, &stage)?;
    tab.click("a:not(.button)")?;
    tab.wait_for_text("ada@example.com")?;
    assert_eq!(tab.evaluate::<String>(SOCKET)?, "hello");

    stage.login.log_out();
    poll_for("the logout", SOON, || tab.evaluate::<u16>(STATUS).ok().filter(|status| *status == 401))?;
    Ok(())
}

#[test]
fn a_login_that_is_down_is_told_by_a_page_that_leads_on_when_it_is_back() -> Result<()> {
    let stage = Stage::new()?;
    stage.login.be(Mood::Answers(500));
    let mut tab = stage.browser().tab()?;
    assert_eq!(tab.go(&stage.url)?, Some(503));
    tab.wait_for_text("The login does not answer")?;
    stage.login.be(Mood::Well);
    tab.click("a.button")?;
    tab.wait_for_text("Log in")?;
    assert!(tab.url()?.starts_with(&stage.login.origin()), "{}", tab.url()?);
    Ok(())
}

/// Takes the way that the page in the frame shows: a tab, the login there, the preview in that tab.
fn log_in_by_the_tab_that_the_frame_opens(tab: &mut Tab, stage: &Stage) -> Result<()> {
    tab.follow("a.button")?;
    tab.wait_for_text("Log in")?;
    assert!(tab.url()?.starts_with(&stage.login.origin()), "{}", tab.url()?);
    tab.fill("input[name=user]", "ada")?;
    tab.click("button")?;
    tab.wait_for_text("ada@example.com")?;
    assert_eq!(tab.url()?, stage.url);
    tab.leave()
}

/// What a fetch of the page's own address is answered.
const STATUS: &str = "fetch('/echo', { redirect: 'manual' }).then(it => it.status)";

/// Says `hello` over a WebSocket of the preview's own, and gives what comes back.
const SOCKET: &str = "new Promise((resolve, reject) => {
    const socket = new WebSocket(`wss://${location.host}/ws`);
    socket.onopen = () => socket.send('hello');
    socket.onmessage = (it) => resolve(String(it.data));
    socket.onclose = () => reject(new Error('closed'));
})";

/// A preview of the echo server behind a login, by HTTPS.
struct Stage {
    login: Login,
    authority: Authority,
    url: String,
    /// The attachment's id.
    id: String,
    scratch: Scratch,
    _server: EchoServer,
    preview: Preview,
}

impl Stage {
    fn new() -> Result<Self> {
        let scratch = Scratch::new()?;
        let authority = Authority::new(scratch.path())?;
        let certificate = authority.issue(&["*.preview.test"])?;
        let login = Login::start("preview.test")?;
        let preview = Preview::up(&format!(
            "web_preview:\n  public_url_template: \"https://{{id}}.preview.test:HTTPS\"\n  state_dir: STATE\n  \
             access: {{ mode: forward, forward_url: \"{}\", forward_cache: 1s }}\n  edge:\n    \
             http: \"localhost:HTTP\"\n    https: \"localhost:HTTPS\"\n    tls: {{ mode: files, cert: {}, key: {} }}\n",
            login.endpoint(),
            certificate.chain.display(),
            certificate.key.display()
        ))?;
        let server = EchoServer::start(free_port()?)?;
        let attached = preview.attach(server.port(), "app")?;
        let url = format!("{}/echo", attached["url"].as_str().context("a URL")?.trim_end_matches('/'));
        let id = attached["id"].as_str().context("an id")?.to_owned();
        Ok(Self { login, authority, url, id, scratch, _server: server, preview })
    }

    /// A link for somebody without an account, to the same page.
    fn shared_link(&self) -> Result<String> {
        let path = format!("/v1/attachments/{}/shares", self.id);
        let shared = self.preview.call("POST", &path, Some(&json!({ "label": "a guest" })))?.json()?;
        let (_, query) = shared["url"].as_str().and_then(|url| url.split_once('?')).context("a link")?;
        Ok(format!("{}?{query}", self.url))
    }

    fn browser(&self) -> Browser {
        Browser::new()
            .patience(SOON)
            .resolve("*.preview.test", "127.0.0.1")
            .trust(&self.authority.root)
            .screenshot(self.scratch.join("page.png"))
    }
}
