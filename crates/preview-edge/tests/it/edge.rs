//! Edges: in this process, scaled to a test's patience, or as the program that is shipped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use preview_core::access::{AccessMode, AccessPolicy, Exempt};
use preview_core::ports::PortPolicy;
use preview_core::template::UrlTemplate;
use preview_edge::config::{Config, Handoff, Limits, Login, Mode, Times, TlsSource};
use preview_edge::{Running, StartError};
use xtask::real::{Process, Scratch, bin, free_port_outside};

use crate::daemon;

/// An edge of this process; dropped, it has stopped.
pub(crate) struct Edge {
    running: Option<Running>,
    pub(crate) http: SocketAddr,
    pub(crate) https: Option<SocketAddr>,
    pub(crate) metrics: Option<SocketAddr>,
}

/// What an edge is told by a test: plain HTTP on a free port, `{name}.preview.test`, state in `scratch`.
pub(crate) fn config(scratch: &Scratch) -> Config {
    let template: UrlTemplate = "http://{name}.preview.test".parse().expect("a template");
    Config {
        http: Some("127.0.0.1:0".parse().expect("a place")),
        https: None,
        redirect_http: false,
        threads: 2,
        mode: Mode::Daemon,
        daemon_dir: daemon::folder(scratch),
        daemon_host: None,
        state_dir: state_dir(scratch),
        ports: PortPolicy {
            allow: "3000-9999".parse().expect("ports"),
            deny: [].into(),
            own: [].into(),
            tasks_outside: true,
        },
        access: AccessPolicy {
            mode: AccessMode::Token,
            app_origins: Vec::new(),
            template: template.clone(),
            grant_life: Duration::from_hours(8),
            exempt: Exempt::default(),
        },
        template,
        handoff: Handoff::Pass,
        notice: None,
        login: Login::default(),
        tls: TlsSource::SelfSigned,
        trusted_proxies: Vec::new(),
        limits: Limits::default(),
        times: Times { drain: Duration::from_secs(1), report: Duration::from_millis(50), ..Times::default() },
        metrics: None,
        access_log: false,
    }
}

pub(crate) fn state_dir(scratch: &Scratch) -> PathBuf {
    scratch.path().join("edge")
}

impl Edge {
    pub(crate) fn start(config: Config) -> Self {
        Self::try_start(config).expect("the edge starts")
    }

    pub(crate) fn try_start(config: Config) -> Result<Self, StartError> {
        let running = preview_edge::start(config)?;
        let (http, https) = (running.http()[0], running.https().first().copied());
        let metrics = running.metrics().first().copied();
        Ok(Self { running: Some(running), http, https, metrics })
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

/// The shipped program with plain HTTP on a port of its own.
pub(crate) struct Program {
    pub(crate) process: Process,
    pub(crate) http: SocketAddr,
    command: Vec<String>,
    folder: PathBuf,
}

impl Program {
    pub(crate) fn start(scratch: &Scratch) -> Self {
        Self::run(scratch, Vec::new(), "")
    }

    /// Allowed no more than so many open files.
    pub(crate) fn start_with_files(scratch: &Scratch, most: u32) -> Self {
        Self::run(scratch, vec!["prlimit".to_owned(), format!("--nofile={most}")], "")
    }

    /// With these further keys below `edge`.
    pub(crate) fn start_with(scratch: &Scratch, keys: &str) -> Self {
        Self::run(scratch, Vec::new(), keys)
    }

    fn run(scratch: &Scratch, mut command: Vec<String>, keys: &str) -> Self {
        let port = free_port_outside().expect("a port");
        let text = format!(
            "web_preview:\n  public_url_template: \"http://{{name}}.preview.test\"\n  state_dir: {0}\n  \
             edge: {{ http: \"127.0.0.1:{port}\", state_dir: {1}, daemon: {0}/run/edge.sock, {keys} }}\n",
            scratch.path().display(),
            state_dir(scratch).display(),
        );
        let config = scratch.write("config.yaml", text).expect("written");
        let program = bin("preview-edge").expect("built").display().to_string();
        command.extend([program, "--config".to_owned(), config.display().to_string()]);
        let process = spawn(&command, scratch.path());
        let http = SocketAddr::from(([127, 0, 0, 1], port));
        Self { process, http, command, folder: scratch.path().to_owned() }
    }

    /// Kills it outright and starts it again at once.
    pub(crate) fn kill_and_restart(&mut self) {
        self.process.kill();
        self.process = spawn(&self.command, &self.folder);
    }
}

fn spawn(command: &[String], folder: &Path) -> Process {
    let (program, arguments) = command.split_first().expect("a program");
    Process::spawn(Command::new(program).args(arguments).current_dir(folder)).expect("it starts")
}
