//! People who look at somebody's preview: how they stay in, and what they meet when they are out.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use xtask::real::browser::{EDITED, Tab};
use xtask::real::devservers::TEXT;
use xtask::real::preview::call;
use xtask::real::{DevServer, EchoServer, free_port, poll};

use super::shared_host::{FETCH, OPEN, SOON, SharedHost, grant_of, wait_until};
use super::stage::Stage;

#[test]
fn an_embedded_page_updates_itself_and_stays_in_and_a_tab_of_its_own_needs_a_link() -> Result<()> {
    let (stage, checkout) = Stage::of(DevServer::ViteReact)?;
    let mut tab = stage.frame()?.tab()?;
    assert_eq!(tab.go(&stage.link)?, Some(200));
    updates(&mut tab, || checkout.edit(TEXT, EDITED), EDITED)?;
    assert_eq!(tab.reload()?, Some(200));
    tab.wait_for_text(EDITED)?;
    let bare = stage.link.split('?').next().context("a URL")?;
    tab.evaluate::<Value>("setTimeout(() => location.assign('/'))")?;
    poll("the frame to go where no token is", SOON, || Ok((tab.url()? == bare).then_some(())))?;
    tab.wait_for_text(EDITED)?;
    updates(&mut tab, || checkout.edit(EDITED, TEXT), TEXT)?;

    tab.another()?;
    assert_eq!(tab.go_alone(bare)?, Some(401), "the frame's grant is for the page around it");
    tab.wait_for_text("This preview opens by its link")?;
    tab.screenshot(&stage.scratch.join("by-its-link.png"))?;
    assert_eq!(tab.go_alone(&fresh_link(&stage)?)?, Some(200));
    updates(&mut tab, || checkout.edit(TEXT, EDITED), EDITED)?;
    assert_eq!(tab.go_alone(bare)?, Some(200));
    tab.turn_to(0)?;
    tab.wait_for_text(EDITED)?;
    drop(tab);
    stage.interrupt()
}

#[test]
fn a_grant_in_use_lasts_and_when_it_has_ended_a_page_says_so_and_how_to_come_back() -> Result<()> {
    let host = SharedHost::new("https://{id}.preview.test:HTTPS", "  access: { grant_life: 10m }\n")?;
    let server = EchoServer::start(free_port()?)?;
    let ada = host.attach("ada", &server)?;
    let mut tab = host.browser()?.tab()?;
    assert_eq!(tab.go(&ada.link)?, Some(200));
    for ahead in [400, 800] {
        let grant = grant_of(&tab.cookies()?, &ada.url);
        host.clock.set_ahead(Duration::from_secs(ahead))?;
        poll("a fresh grant", SOON, || {
            assert_eq!(tab.evaluate::<Value>(FETCH)?, json!([200, false]));
            Ok((grant_of(&tab.cookies()?, &ada.url) != grant).then_some(()))
        })?;
    }
    host.clock.set_ahead(Duration::from_mins(25))?;
    wait_until(&mut tab, "the grant to end", FETCH, &json!([401, false]))?;
    assert!(!tab.evaluate::<bool>(OPEN)?, "no socket is opened");
    assert_eq!(tab.go(&ada.url)?, Some(401));
    says_how_to_come_back(&mut tab, &host.scratch.join("ended-in-a-frame.png"))?;
    assert_eq!(tab.go(&ada.link)?, Some(200), "by the link");
    assert_eq!(tab.evaluate::<Value>(FETCH)?, json!([200, false]));
    Ok(())
}

#[test]
fn whoever_was_shut_out_comes_in_by_a_new_link_alone() -> Result<()> {
    let host = SharedHost::new("https://{id}.preview.test:HTTPS", "")?;
    let server = EchoServer::start(free_port()?)?;
    let ada = host.attach("ada", &server)?;
    let mut tab = host.browser()?.tab()?;
    assert_eq!(tab.go(&ada.link)?, Some(200));
    assert!(tab.evaluate::<bool>(OPEN)?);
    let second = tab.another()?;
    assert_eq!(tab.go_alone(&ada.link)?, Some(200));
    assert!(tab.evaluate::<bool>(OPEN)?);

    host.revoke(&ada)?;
    for number in [0, second] {
        tab.turn_to(number)?;
        wait_until(&mut tab, "the socket to be closed", "window.isClosed", &json!(true))?;
        assert_eq!(tab.evaluate::<Value>(FETCH)?, json!([401, false]));
        assert!(!tab.evaluate::<bool>(OPEN)?, "nor is another one opened");
    }
    assert_eq!(tab.reload()?, Some(401), "its URL still has the old token");
    says_how_to_come_back(&mut tab, &host.scratch.join("revoked.png"))?;
    assert_eq!(host.status(&ada.link, "")?, 401);

    let again = host.attach("ada", &server)?;
    assert_eq!(again.url, ada.url);
    assert_eq!(host.status(&ada.link, "")?, 401, "what was revoked has no grace");
    assert_eq!(tab.go_alone(&again.link)?, Some(200));
    let newest = host.attach("ada", &server)?;
    assert_ne!(newest.link, again.link);
    assert_eq!((host.status(&again.link, "")?, host.status(&newest.link, "")?), (200, 200));
    host.clock.set_ahead(Duration::from_secs(61))?;
    poll("the older link's grace to end", SOON, || Ok((host.status(&again.link, "")? == 401).then_some(())))?;
    assert_eq!(host.status(&newest.link, "")?, 200);
    assert_eq!(tab.reload()?, Some(200), "whoever is in stays in");
    Ok(())
}

/// Changes the source, and sees the page change without being loaded anew.
fn updates(tab: &mut Tab, edit: impl Fn() -> Result<()>, text: &str) -> Result<()> {
    wait_until(tab, "the page's life", "document.documentElement.dataset.hydrated ?? ''", &json!("yes"))?;
    poll("the page's own socket", SOON, || {
        let sockets = tab.record()?.sockets;
        Ok(sockets.last().filter(|it| it.received > 0 && !it.closed).map(|_| ()))
    })?;
    tab.evaluate::<String>("window.loaded = 'once'")?;
    edit()?;
    tab.wait_for_text(text)?;
    assert_eq!(tab.evaluate::<String>("window.loaded ?? 'again'")?, "once");
    Ok(())
}

/// A new link to what is on stage.
fn fresh_link(stage: &Stage) -> Result<String> {
    let socket = stage.scratch.join("state/run/api.sock");
    let all = call(&socket, "GET", "/v1/attachments", None)?.json()?;
    let id = all["attachments"][0]["id"].as_str().with_context(|| all.to_string())?;
    let told = call(&socket, "POST", &format!("/v1/attachments/{id}/rotate"), None)?.json()?;
    told["iframe_url"].as_str().map(str::to_owned).with_context(|| told.to_string())
}

fn says_how_to_come_back(tab: &mut Tab, picture: &Path) -> Result<()> {
    tab.wait_for_text("Your access has ended")?;
    tab.wait_for_text("Open your link once more")?;
    tab.screenshot(picture)
}
