//! Edges that order certificates: in this process with scaled timers, or the program that is shipped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use preview_core::settings::{Settings, Sources};
use preview_edge::Cause;
use preview_edge::config::{Acme, Config, Timers, TlsSource};
use serde_json::Value;
use xtask::real::{Process, bin, curl, poll_for};

use super::world::{HOST, PATIENCE};
use crate::client::Secure;
use crate::edge::Edge;

/// Timers with a test's patience: nothing waits that need not, and budgets are out of the way.
pub(crate) fn scaled() -> Timers {
    let millis = Duration::from_millis;
    Timers {
        scan: millis(200),
        ari: (millis(500), millis(1_000)),
        attempt: Duration::from_secs(8),
        look: millis(50),
        http: Duration::from_secs(5),
        dns: Duration::from_secs(2),
        backoff: vec![millis(300)],
        backoff_near_end: millis(300),
        budget: 1_000,
        failures: 1_000,
        sweep: millis(300),
        poll: millis(50),
        ..Timers::default()
    }
}

/// The configuration as the program reads it, with scaled timers.
pub(crate) fn read(config: &Value) -> Config {
    let text = file(config);
    let settings = Settings::load(Sources { file: Some(("config.yaml", &text)), ..Sources::default() });
    let mut config = Config::from_settings(&settings.expect("readable"), Path::new("/")).expect("valid");
    config.threads = 2;
    let acme = acme(&mut config);
    acme.timers = scaled();
    acme.propagation.timeout = acme.propagation.timeout.min(Duration::from_secs(4));
    config
}

pub(crate) fn acme(config: &mut Config) -> &mut Acme {
    match &mut config.tls {
        TlsSource::Acme(acme) => acme,
        other => panic!("no ACME: {other:?}"),
    }
}

/// An edge of this process.
pub(crate) struct Scaled {
    _edge: Edge,
    pub(crate) doors: Doors,
}

impl Scaled {
    pub(crate) fn start(config: &Value) -> Self {
        Self::run(read(config))
    }

    pub(crate) fn run(config: Config) -> Self {
        let doors = Doors {
            https: SocketAddr::from(([127, 0, 0, 1], config.https.expect("HTTPS").port)),
            ops: SocketAddr::from(([127, 0, 0, 1], config.metrics.expect("metrics").listen.port)),
        };
        Self { _edge: Edge::start(config), doors }
    }
}

/// The program that is shipped.
pub(crate) struct Shipped {
    pub(crate) process: Process,
    pub(crate) doors: Doors,
    pub(crate) command: Vec<String>,
    folder: PathBuf,
}

impl Shipped {
    /// Starts it in `folder`, under the program `under` if there is one: `strace`, `faketime`.
    pub(crate) fn start(folder: &Path, config: &Value, under: &[&str]) -> Self {
        let path = folder.join("config.yaml");
        std::fs::write(&path, file(config)).expect("written");
        let place = |at: &Value| at.as_str().and_then(|it| it.parse().ok()).expect("a place");
        let doors = Doors {
            https: place(&config["edge"]["https"]),
            ops: place(&config["edge"]["metrics"]["listen"]),
        };
        let program = bin("preview-edge").expect("built").display().to_string();
        let command: Vec<String> = under
            .iter()
            .map(ToString::to_string)
            .chain([program, "--config".to_owned(), path.display().to_string()])
            .collect();
        Self { process: spawn(&command, folder), doors, command, folder: folder.to_owned() }
    }

    /// Starts it anew, under nothing.
    pub(crate) fn restart(&mut self) {
        self.process.kill();
        let program = self.command.len() - 3;
        self.process = spawn(&self.command[program..], &self.folder);
    }
}

/// Where an edge is met.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doors {
    pub(crate) https: SocketAddr,
    pub(crate) ops: SocketAddr,
}

impl Doors {
    /// The certificate that is shown now to a client that trusts `roots`.
    pub(crate) fn shown(&self, roots: &[u8]) -> Option<Vec<u8>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { Some(Secure::connect(self.https, HOST, roots).await.ok()?.shown) })
    }

    /// Waits until a certificate is shown that `roots` lead to.
    pub(crate) fn certificate(&self, roots: &[u8]) -> Vec<u8> {
        let found = poll_for("a certificate", PATIENCE, || self.shown(roots));
        found.unwrap_or_else(|error| panic!("{error}; {:#}", self.report()))
    }

    /// How the certificates stand, as the edge tells.
    pub(crate) fn report(&self) -> Value {
        self.ask("/health")
    }

    /// What the edge says of itself at `path`; null where it says nothing.
    pub(crate) fn ask(&self, path: &str) -> Value {
        let answer = curl::curl(&[format!("http://{}{path}", self.ops)]);
        answer.and_then(|it| it.json()).unwrap_or_default()
    }
}

/// Waits until the edge tells of this cause.
pub(crate) fn cause(doors: &Doors, code: &str) -> Cause {
    let found = poll_for(code, PATIENCE, || find(&doors.report(), code));
    let cause = found.unwrap_or_else(|error| panic!("{error}; {:#}", doors.report()));
    assert!(!cause.hint.is_empty() && !cause.message.is_empty(), "{cause:?}");
    cause
}

/// The same as it is told by the control socket, where nothing is held back.
pub(crate) fn cause_in_full(state_dir: &Path, code: &str) -> Cause {
    let socket = state_dir.join("control.sock").display().to_string();
    let found = poll_for(code, PATIENCE, || {
        let answer = curl::curl(&["--unix-socket", &socket, "http://localhost/health"]);
        find(&answer.and_then(|it| it.json()).unwrap_or_default(), code)
    });
    found.expect("it is told")
}

/// Asks for a new certificate now, as `preview certs renew` does.
pub(crate) fn renew(state_dir: &Path) {
    let socket = state_dir.join("control.sock").display().to_string();
    let url = "http://localhost/certs/renew";
    let answer = curl::curl(&["--unix-socket", &socket, "--request", "POST", url]).expect("an answer");
    assert_eq!(answer.status, 202, "{answer:?}");
}

/// The cause with this code, wherever in the report it stands.
fn find(report: &Value, code: &str) -> Option<Cause> {
    match report {
        Value::Object(fields) if fields.get("code").is_some_and(|it| it == code) => {
            serde_json::from_value(report.clone()).ok()
        }
        Value::Object(fields) => fields.values().find_map(|it| find(it, code)),
        Value::Array(items) => items.iter().find_map(|it| find(it, code)),
        _ => None,
    }
}

/// YAML contains JSON.
fn file(config: &Value) -> String {
    serde_json::json!({ "web_preview": config }).to_string()
}

fn spawn(command: &[String], folder: &Path) -> Process {
    let (program, arguments) = command.split_first().expect("a program");
    Process::spawn(Command::new(program).args(arguments).current_dir(folder)).expect("it starts")
}
