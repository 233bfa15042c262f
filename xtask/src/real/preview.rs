//! Our own product, as a test sees it: `preview up` in a folder of its own, spoken to by curl.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::curl::{Answer, curl};
use super::{Clock, Process, Scratch, bin, free_port_outside, poll_for};

/// How long it may take to start.
const SOON: Duration = Duration::from_secs(30);

/// A running pair of daemon and edge.
#[derive(Debug)]
pub struct Preview {
    process: Process,
    scratch: Scratch,
    /// Where plain HTTP is served, on both loopbacks.
    pub http: u16,
    /// Where HTTPS is served.
    pub https: u16,
}

impl Preview {
    /// Starts `preview up` with this configuration; `HTTP`, `HTTPS` and `STATE` in it stand for the two ports and
    /// the state folder.
    pub fn up(config: &str) -> Result<Self> {
        Self::start(config, &[])
    }

    /// As [`Self::up`], by a clock that the test sets.
    pub fn up_by(clock: &Clock, config: &str) -> Result<Self> {
        Self::start(config, &clock.environment()?)
    }

    fn start(config: &str, environment: &[(&str, String)]) -> Result<Self> {
        let scratch = Scratch::new()?;
        let (http, https) = (free_port_outside()?, free_port_outside()?);
        let config = config
            .replace("HTTPS", &https.to_string())
            .replace("HTTP", &http.to_string())
            .replace("STATE", &scratch.join("state").display().to_string());
        let file = scratch.write("config.yaml", config)?;
        let mut command = Command::new(bin("preview")?);
        command.args(["up", "--config"]).arg(file).current_dir(scratch.path());
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let mut process = Process::spawn(&command)?;
        process.wait_for_port(http, SOON)?;
        let preview = Self { process, scratch, http, https };
        let socket = preview.socket();
        poll_for("api.sock", SOON, || socket.exists().then_some(()))?;
        Ok(preview)
    }

    /// The folder that everything of it lies in.
    #[must_use]
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// The program, to signal or kill it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.scratch.join("config.yaml")
    }

    /// The daemon's door for admins.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.scratch.join("state/run/api.sock")
    }

    /// One call of the daemon's API.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        call(&self.socket(), method, path, body)
    }

    /// Attaches a port of session `s` of user `u` under a name; the whole answer.
    pub fn attach(&self, port: u16, name: &str) -> Result<Value> {
        self.attach_as("u", "s", port, name)
    }

    /// The same for another user's session.
    pub fn attach_as(&self, user: &str, session: &str, port: u16, name: &str) -> Result<Value> {
        let body = json!({ "session_id": session, "user_id": user, "port": port, "name": name });
        let answer = self.call("POST", "/v1/attachments", Some(&body))?;
        ensure!(matches!(answer.status, 200 | 201), "attach: {} {}", answer.status, answer.body);
        answer.json()
    }

    /// As [`Self::attach`]; the link with its token.
    pub fn link(&self, port: u16, name: &str) -> Result<String> {
        let attached = self.attach(port, name)?;
        attached["iframe_url"]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("no iframe_url in {attached}"))
    }
}

/// One call of a daemon's API through one of its sockets.
pub fn call(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
    let socket = socket.display().to_string();
    let url = format!("http://localhost{path}");
    let body = body.map(ToString::to_string);
    let mut args = vec!["--unix-socket", &socket, "--request", method, &url];
    if let Some(body) = &body {
        args.extend(["--header", "content-type: application/json", "--data", body]);
    }
    curl(&args)
}
