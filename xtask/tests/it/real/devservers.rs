use anyhow::Result;
use xtask::real::browser::Visit;
use xtask::real::{Browser, DevServer, Scratch, free_port};

#[test]
fn vite_renders_and_an_edit_arrives_without_a_reload() -> Result<()> {
    let visit = visit(DevServer::ViteReact)?;
    lives_without_a_reload(&visit);
    Ok(())
}

#[test]
fn next_hydrates_and_an_edit_arrives_without_a_reload_and_its_action_leads_on() -> Result<()> {
    let visit = visit(DevServer::Next)?;
    lives_without_a_reload(&visit);
    assert_eq!(visit.done.as_deref(), Some("done hello"));
    assert_eq!(visit.record.posts[0]["headers"]["x-action-redirect"], "/done?word=hello;push");
    Ok(())
}

#[test]
fn django_takes_its_form_and_shows_an_edit_after_a_reload() -> Result<()> {
    let visit = visit(DevServer::Django)?;
    assert_eq!(visit.headers["x-frame-options"], "DENY");
    assert!(visit.cookies.iter().any(|cookie| cookie["name"] == "csrftoken"), "{visit:#?}");
    assert!(visit.reloaded);
    assert_eq!(visit.done.as_deref(), Some("done hello"));
    assert_eq!(visit.record.posts[0]["status"], 302);
    Ok(())
}

#[test]
fn webpack_accepts_an_edit_without_a_reload() -> Result<()> {
    let visit = visit(DevServer::Webpack)?;
    lives_without_a_reload(&visit);
    Ok(())
}

#[test]
fn fastapi_fetches_echoes_and_streams() -> Result<()> {
    let visit = visit(DevServer::FastApi)?;
    assert!(visit.words["fetched"].starts_with("http://localhost:"), "{visit:#?}");
    assert_eq!((&*visit.words["echoed"], &*visit.words["streamed"]), ("hello", "first"));
    assert!(visit.reloaded);
    Ok(())
}

#[test]
fn a_dev_server_lives_in_a_frame_too() -> Result<()> {
    let scratch = Scratch::new()?;
    let checkout = DevServer::ViteReact.checkout(&scratch)?;
    let port = free_port()?;
    let _process = checkout.start(port)?;
    let browser = Browser::new().embed_in_plain("agent.elsewhere.test");
    lives_without_a_reload(&browser.visit(&checkout, &format!("http://localhost:{port}/"))?);
    Ok(())
}

#[test]
fn a_checkout_s_variables_and_arguments_reach_its_server() -> Result<()> {
    let scratch = Scratch::new()?;
    let checkout = DevServer::Django.checkout(&scratch)?;
    let strict = checkout.with_variable("ALLOWED_HOSTS", ".preview.test").with_arguments(&["--noreload"]);
    let port = free_port()?;
    let process = strict.start(port)?;
    let refused = Browser::new().open(&format!("http://localhost:{port}/"), None)?;
    assert_eq!(refused.status, Some(400), "{refused:#?}");
    assert_eq!(process.tree().len(), 1, "{}", process.output());
    Ok(())
}

/// Visits the server itself, without a preview in between.
fn visit(server: DevServer) -> Result<Visit> {
    let scratch = Scratch::new()?;
    let checkout = server.checkout(&scratch)?;
    let port = free_port()?;
    let _process = checkout.start(port)?;
    let visit = Browser::new()
        .screenshot(scratch.join("page.png"))
        .visit(&checkout, &format!("http://localhost:{port}/"))?;
    assert_eq!(visit.status, 200);
    assert_eq!(visit.words["text"], "edited");
    Ok(visit)
}

fn lives_without_a_reload(visit: &Visit) {
    assert!(visit.live.is_some(), "{visit:#?}");
    assert_eq!((visit.count, visit.count_after), (Some(1), Some(1)));
    assert!(!visit.reloaded, "{visit:#?}");
}
