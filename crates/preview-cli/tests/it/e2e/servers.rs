//! The five servers: in a tab over HTTP/2, in a frame of another site, in a tab over HTTP/1.1.

use anyhow::Result;
use xtask::real::DevServer;
use xtask::real::browser::Visit;

use super::stage::Stage;

#[test]
fn vite_lives_and_updates_without_a_reload() -> Result<()> {
    for visit in visits(DevServer::ViteReact)? {
        lives_without_a_reload(&visit);
    }
    Ok(())
}

#[test]
fn next_hydrates_updates_without_a_reload_and_runs_its_action() -> Result<()> {
    for visit in visits(DevServer::Next)? {
        lives_without_a_reload(&visit);
        assert_eq!(visit.done.as_deref(), Some("done hello"), "{visit:#?}");
        let redirect = &visit.record.posts[0]["headers"]["x-action-redirect"];
        assert_eq!(redirect, "/done?word=hello;push");
        assert!(visit.url.starts_with("https://"), "{}", visit.url);
    }
    Ok(())
}

#[test]
fn webpack_updates_without_a_reload() -> Result<()> {
    for visit in visits(DevServer::Webpack)? {
        lives_without_a_reload(&visit);
    }
    Ok(())
}

#[test]
fn django_takes_its_csrf_protected_form() -> Result<()> {
    for visit in visits(DevServer::Django)? {
        assert_eq!(visit.done.as_deref(), Some("done hello"), "{visit:#?}");
        assert_eq!(visit.record.posts[0]["status"], 302);
        assert!(!visit.headers.contains_key("x-frame-options"), "{:?}", visit.headers);
    }
    Ok(())
}

#[test]
fn fastapi_answers_fetches_echoes_and_streams() -> Result<()> {
    for visit in visits(DevServer::FastApi)? {
        assert!(visit.words["fetched"].starts_with("https://"), "{visit:#?}");
        assert_eq!((&*visit.words["echoed"], &*visit.words["streamed"]), ("hello", "first"));
    }
    Ok(())
}

/// All three visits of one server that `preview run` started, then Ctrl-C.
fn visits(server: DevServer) -> Result<Vec<Visit>> {
    let (stage, checkout) = Stage::of(server)?;
    let tab = stage.visit(&stage.browser(), &checkout)?;
    assert_eq!((tab.status, tab.protocol.as_deref()), (200, Some("h2")));
    let frame = stage.visit(&stage.frame()?, &checkout)?;
    assert_eq!((frame.status, frame.protocol.as_deref()), (200, Some("h2")));
    let plain = stage.visit(&stage.browser().http1_only(), &checkout)?;
    assert_eq!((plain.status, plain.protocol.as_deref()), (200, Some("http/1.1")));
    for (visit, extended) in [(&tab, true), (&frame, true), (&plain, false)] {
        assert_eq!(visit.words["text"], "edited");
        if let Some(live) = &visit.live {
            assert_eq!(live.extended_connect, extended, "{live:?}");
        }
    }
    stage.interrupt()?;
    Ok(vec![tab, frame, plain])
}

fn lives_without_a_reload(visit: &Visit) {
    assert!(visit.live.is_some(), "{visit:#?}");
    assert_eq!((visit.count, visit.count_after), (Some(1), Some(1)), "{visit:#?}");
    assert!(!visit.reloaded, "{visit:#?}");
}
