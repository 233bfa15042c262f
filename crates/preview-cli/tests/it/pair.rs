//! Daemon and edge as two services on one state folder: either may be killed.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use xtask::real::curl::curl;
use xtask::real::preview::call;
use xtask::real::{Process, Scratch, Signal, bin, free_port, free_port_outside, poll};

/// How long anything may take.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// The two services on one state folder.
pub(crate) struct Pair {
    pub(crate) daemon: Process,
    pub(crate) edge: Process,
    /// Killed ones: their guards would end the tasks that they started.
    past: Vec<Process>,
    /// Leaders of tasks, which outlive a killed daemon.
    leaders: Vec<u64>,
    pub(crate) scratch: Scratch,
    config: String,
}

impl Pair {
    pub(crate) fn start() -> Result<Self> {
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
    pub(crate) fn kill_daemon(&mut self) -> Result<()> {
        self.daemon.signal(Signal::KILL)?;
        self.daemon.wait(SOON)?;
        Ok(())
    }

    pub(crate) fn start_daemon(&mut self) -> Result<()> {
        let daemon = start(&self.scratch, "preview-daemon", &self.config)?;
        self.past.push(std::mem::replace(&mut self.daemon, daemon));
        self.wait_for_daemon()
    }

    pub(crate) fn start_edge(&self) -> Result<Process> {
        start(&self.scratch, "preview-edge", &self.config)
    }

    /// A second edge of the same daemon, with a folder of its own, and its port.
    pub(crate) fn start_another_edge(&self) -> Result<(Process, u16)> {
        let port = free_port_outside()?;
        let config = std::fs::read_to_string(&self.config)?;
        let own = format!(
            "edge: {{ state_dir: {}, http: \"localhost:{port}\"",
            self.scratch.join("second").display()
        );
        let before = config.find("edge: { http: ").context("the edge's part")?;
        let config = self.scratch.write("second.yaml", format!("{}{own} }}\n", &config[..before]))?;
        Ok((start(&self.scratch, "preview-edge", &config.display().to_string())?, port))
    }

    fn wait_for_daemon(&self) -> Result<()> {
        poll("the daemon", SOON, || Ok(self.call("GET", "/ready", None).ok().map(|_| ())))
    }

    /// Starts a server as a task and attaches it; the task's id and the link with its token.
    pub(crate) fn attach_a_task(&mut self) -> Result<(String, String)> {
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

    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
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
pub(crate) fn page(url: &str) -> Result<u16> {
    Ok(curl(&[url])?.status)
}
