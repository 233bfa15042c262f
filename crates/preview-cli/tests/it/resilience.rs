//! Daemon and edge as two services: either may be killed.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use xtask::count::count;
use xtask::real::{Signal, poll};

use crate::pair::{Pair, SOON, page};

#[test]
fn the_edge_answers_all_along_while_the_daemon_is_killed_and_tied_tasks_are_found_again() -> Result<()> {
    let mut pair = Pair::start()?;
    let (task, url) = pair.attach_a_task()?;
    poll("the page", SOON, || Ok((page(&url)? == 200).then_some(())))?;

    let (stop, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| -> Result<()> {
        let viewer = scope.spawn(|| -> Result<()> {
            while !stop.load(Ordering::Relaxed) {
                let status = page(&url)?;
                ensure!(status == 200, "a viewer got {status}");
                asked.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        let killed = (0..count("PREVIEW_KILLS", 20, 200)).try_for_each(|round| {
            let before = asked.load(Ordering::Relaxed);
            pair.kill_daemon()?;
            poll("answers while there is no daemon", SOON, || {
                let enough = asked.load(Ordering::Relaxed) >= before + 3 || viewer.is_finished();
                Ok(enough.then_some(()))
            })?;
            pair.start_daemon()?;
            let found = pair.call("GET", &format!("/v1/tasks/{task}"), None)?;
            ensure!(found["running"] == true, "round {round}: {found}");
            let all = pair.call("GET", "/v1/attachments", None)?;
            ensure!(all["attachments"][0]["bash_task_id"] == task.as_str(), "round {round}: {all}");
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        viewer.join().expect("the viewer does not panic")?;
        killed
    })?;
    let detached = pair.call("DELETE", "/v1/sessions/s", None)?;
    ensure!(detached["tasks"][0] == task.as_str(), "{detached}");
    poll("the task's end", SOON, || Ok((page(&url)? == 502).then_some(())))
}

#[test]
fn a_killed_edge_is_back_within_a_second_with_the_daemon_down_too() -> Result<()> {
    let mut pair = Pair::start()?;
    let (_, url) = pair.attach_a_task()?;
    poll("the page", SOON, || Ok((page(&url)? == 200).then_some(())))?;
    let table = pair.scratch.join("state/edge/table.json");
    let host = url.trim_start_matches("http://").split(':').next().context("a host")?.to_owned();
    poll("the route on disk", SOON, || {
        Ok(std::fs::read_to_string(&table).is_ok_and(|text| text.contains(&host)).then_some(()))
    })?;
    pair.kill_daemon()?;
    for _ in 0..5 {
        pair.edge.kill();
        let begun = std::time::Instant::now();
        pair.edge = pair.start_edge()?;
        poll("the page", SOON, || Ok((page(&url).unwrap_or(0) == 200).then_some(())))?;
        let took = begun.elapsed();
        ensure!(took < Duration::from_secs(1), "it took {took:?}");
    }
    Ok(())
}

#[test]
fn a_stopped_daemon_holds_no_request_up() -> Result<()> {
    let mut pair = Pair::start()?;
    let (_, url) = pair.attach_a_task()?;
    poll("the page", SOON, || Ok((page(&url)? == 200).then_some(())))?;
    pair.daemon.signal(Signal::STOP)?;
    for _ in 0..20 {
        ensure!(page(&url)? == 200);
    }
    pair.daemon.signal(Signal::CONT)?;
    Ok(())
}
