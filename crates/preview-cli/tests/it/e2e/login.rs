//! A login of the operator's before a preview, seen by a real browser that blocks cookies of third parties.

use std::time::Duration;

use anyhow::{Context, Result};
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
fn a_frame_of_another_site_says_that_the_login_needs_a_tab() -> Result<()> {
    let stage = Stage::new()?;
    let embedding = stage.authority.issue(&["agent.elsewhere.test"])?;
    let mut tab = stage.browser().embed_in("agent.elsewhere.test", &embedding).tab()?;
    tab.go(&stage.url)?;
    tab.wait_for_text("Log in to see this preview")?;
    let link: String = tab.evaluate(
        "(it => `${it.textContent} ${it.target} ${it.href}`)(document.querySelector('a.button'))",
    )?;
    assert_eq!(link, format!("Log in in a new tab _blank {}", stage.url));
    Ok(())
}

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
    scratch: Scratch,
    _server: EchoServer,
    _preview: Preview,
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
        Ok(Self { login, authority, url, scratch, _server: server, _preview: preview })
    }

    fn browser(&self) -> Browser {
        Browser::new()
            .patience(SOON)
            .resolve("*.preview.test", "127.0.0.1")
            .trust(&self.authority.root)
            .screenshot(self.scratch.join("page.png"))
    }
}
