use std::time::Duration;

use anyhow::Result;
use xtask::real::browser::Opened;
use xtask::real::{Authority, Browser, Process, Scratch, echo, free_port_outside};

const LIVES: Option<&str> = Some("html[data-hydrated]");

#[test]
fn a_tab_keeps_all_cookies_and_opens_a_websocket_within_http2() -> Result<()> {
    let site = Site::new()?;
    let seen = site.browser().open(&site.url, LIVES)?;
    assert_eq!(seen.protocol.as_deref(), Some("h2"));
    assert_eq!(cookies(&seen), ["__Host-parted=1", "lax=1", "none=1"]);
    assert!(seen.record.sockets[0].extended_connect, "{seen:#?}");
    assert_eq!((seen.record.sockets[0].sent, seen.record.sockets[0].received), (1, 1));
    assert_eq!((seen.record.console.len(), seen.record.failed.len()), (0, 0), "{seen:#?}");
    Ok(())
}

#[test]
fn without_http2_a_websocket_opens_by_upgrade() -> Result<()> {
    let site = Site::new()?;
    let seen = site.browser().http1_only().open(&site.url, LIVES)?;
    assert_eq!(seen.protocol.as_deref(), Some("http/1.1"));
    assert!(!seen.record.sockets[0].extended_connect, "{seen:#?}");
    assert_eq!(seen.record.sockets[0].received, 1);
    Ok(())
}

#[test]
fn a_frame_of_another_site_keeps_partitioned_cookies_only_and_no_storage() -> Result<()> {
    let site = Site::new()?;
    let embedding = site.authority.issue(&["agent.elsewhere.test"])?;
    let seen = site.browser().embed_in("agent.elsewhere.test", &embedding).open(&site.url, LIVES)?;
    assert_eq!((seen.status, seen.protocol.as_deref()), (Some(200), Some("h2")));
    assert_eq!(cookies(&seen), ["__Host-parted=1"]);
    assert!(seen.storage.contains_key("error"), "{seen:#?}");
    assert!(seen.record.sockets[0].extended_connect, "{seen:#?}");
    Ok(())
}

#[test]
fn a_frame_that_may_keep_cookies_of_third_parties_keeps_those_without_same_site_too() -> Result<()> {
    let site = Site::new()?;
    let embedding = site.authority.issue(&["agent.elsewhere.test"])?;
    let browser = site.browser().embed_in("agent.elsewhere.test", &embedding).allow_third_party_cookies();
    let seen = browser.open(&site.url, LIVES)?;
    assert_eq!(cookies(&seen), ["__Host-parted=1", "none=1"]);
    assert!(!seen.storage.contains_key("error"), "{seen:#?}");
    Ok(())
}

#[test]
fn a_stranger_s_certificate_is_refused_unless_nobody_looks() -> Result<()> {
    let site = Site::new()?;
    let stranger = Browser::new().resolve("*.preview.test", "127.0.0.1");
    let error = format!("{:#}", stranger.open(&site.url, None).unwrap_err());
    assert!(error.contains("ERR_CERT_AUTHORITY_INVALID"), "{error}");
    let misnamed = site.url.replace("x.preview.test", "x.y.preview.test");
    let error = format!("{:#}", site.browser().open(&misnamed, None).unwrap_err());
    assert!(error.contains("ERR_CERT_COMMON_NAME_INVALID"), "{error}");
    assert_eq!(stranger.ignore_certificates().open(&site.url, LIVES)?.status, Some(200));
    Ok(())
}

#[test]
fn a_tab_does_what_it_is_told_and_tells_what_happened() -> Result<()> {
    let site = Site::new()?;
    let mut tab = site.browser().tab()?;
    assert_eq!(tab.go(&site.url)?, Some(200));
    tab.wait_for_text("hello")?;
    assert_eq!((tab.title()?, tab.url()?), ("tls".to_owned(), site.url.clone()));
    tab.evaluate::<Option<u8>>("document.body.append('late'), null")?;
    tab.wait_for_text("late")?;
    assert_eq!(tab.reload()?, Some(200));
    tab.wait_for_text("hello")?;
    assert!(!tab.text()?.contains("late"));
    let error = format!("{:#}", tab.evaluate::<()>("document.nothing.at.all").unwrap_err());
    assert!(error.contains("TypeError") && error.contains("navigations"), "{error}");
    Ok(())
}

#[test]
fn a_tab_tells_at_its_end_how_sockets_were_opened() -> Result<()> {
    let site = Site::new()?;
    let mut tab = site.browser().tab()?;
    tab.go(&site.url)?;
    tab.wait_for_text("hello")?;
    assert!(!tab.record()?.sockets[0].closed);
    assert!(tab.close()?.sockets[0].extended_connect);
    Ok(())
}

/// A page over TLS under a name that no resolver knows.
struct Site {
    url: String,
    authority: Authority,
    _process: Process,
    _scratch: Scratch,
}

impl Site {
    fn new() -> Result<Self> {
        let scratch = Scratch::new()?;
        let authority = Authority::new(scratch.path())?;
        let certificate = authority.issue(&["*.preview.test"])?;
        let port = free_port_outside()?;
        let process = echo::serve_tls(port, &certificate, &scratch)?;
        let url = format!("https://x.preview.test:{port}/");
        Ok(Self { url, authority, _process: process, _scratch: scratch })
    }

    fn browser(&self) -> Browser {
        Browser::new()
            .patience(Duration::from_secs(20))
            .resolve("*.preview.test", "127.0.0.1")
            .trust(&self.authority.root)
    }
}

/// What the page's own fetch carried back to its server.
fn cookies(seen: &Opened) -> Vec<&str> {
    let line = seen.text.lines().map(str::trim).find(|line| line.contains('=')).unwrap_or_default();
    let mut cookies: Vec<&str> = line.split("; ").collect();
    cookies.sort_unstable();
    cookies
}
