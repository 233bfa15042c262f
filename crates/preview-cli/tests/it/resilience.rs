//! Daemon and edge as two services: either may be killed.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use xtask::count::count;
use xtask::real::curl::curl;
use xtask::real::preview::call;
use xtask::real::{Process, Scratch, Signal, bin, free_port, free_port_outside, poll};

const SOON: Duration = Duration::from_secs(30);

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

/// The two services on one state folder.
struct Pair {
    daemon: Process,
    edge: Process,
    /// Killed ones: their guards would end the tasks that they started.
    past: Vec<Process>,
    /// Leaders of tasks, which outlive a killed daemon.
    leaders: Vec<u64>,
    scratch: Scratch,
    config: String,
}

impl Pair {
    fn start() -> Result<Self> {
        let scratch = Scratch::new()?;
        let http = free_port_outside()?;
        let config = format!(
            "web_preview:\n  public_url_template: \"http://{{id}}.localhost:{http}\"\n  state_dir: {}\n  \
             tasks: {{ user: nobody }}\n  edge: {{ http: \"localhost:{http}\" }}\n",
            scratch.join("state").display()
        );
        let config = scratch.write("config.yaml", config)?.display().to_string();
        let daemon = start(&scratch, "preview-daemon", &config)?;
        let edge = start(&scratch, "preview-edge", &config)?;
        let pair = Self { daemon, edge, past: Vec::new(), leaders: Vec::new(), scratch, config };
        pair.wait_for_daemon()?;
        Ok(pair)
    }

    /// Kills the daemon, and nothing that it started.
    fn kill_daemon(&mut self) -> Result<()> {
        self.daemon.signal(Signal::KILL)?;
        self.daemon.wait(SOON)?;
        Ok(())
    }

    fn start_daemon(&mut self) -> Result<()> {
        let daemon = start(&self.scratch, "preview-daemon", &self.config)?;
        self.past.push(std::mem::replace(&mut self.daemon, daemon));
        self.wait_for_daemon()
    }

    fn start_edge(&self) -> Result<Process> {
        start(&self.scratch, "preview-edge", &self.config)
    }

    fn wait_for_daemon(&self) -> Result<()> {
        poll("the daemon", SOON, || Ok(self.call("GET", "/ready", None).ok().map(|_| ())))
    }

    /// Starts a server as a task and attaches it; the task's id and the link with its token.
    fn attach_a_task(&mut self) -> Result<(String, String)> {
        let port = free_port()?;
        let command = ["python3", "-m", "http.server", "--bind", "127.0.0.1", &port.to_string()];
        let task = json!({ "session_id": "s", "user_id": "u", "cwd": "/usr/share", "command": command });
        let task = self.call("POST", "/v1/tasks", Some(&task))?;
        let id = task["id"].as_str().with_context(|| task.to_string())?.to_owned();
        self.leaders.extend(task["pid"].as_u64());
        let attach = json!({ "session_id": "s", "user_id": "u", "port": port, "bash_task_id": id });
        let attached = self.call("POST", "/v1/attachments", Some(&attach))?;
        let url = attached["iframe_url"].as_str().with_context(|| attached.to_string())?;
        Ok((id, url.to_owned()))
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        call(&self.scratch.join("state/run/api.sock"), method, path, body)?.json()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for leader in &self.leaders {
            // One that has ended already is no failure.
            let _ = Command::new("kill").args(["-9", "--", &format!("-{leader}")]).output();
        }
    }
}

fn start(scratch: &Scratch, program: &str, config: &str) -> Result<Process> {
    let program: PathBuf = bin(program)?;
    Process::spawn(Command::new(program).args(["--config", config]).current_dir(scratch.path()))
}

/// The status of the page behind a link.
fn page(url: &str) -> Result<u16> {
    Ok(curl(&[url])?.status)
}
