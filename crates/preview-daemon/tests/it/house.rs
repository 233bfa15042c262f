//! A daemon in this process, and what stories need around it.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use preview_core::command::Authority;
use preview_core::id::{AttachmentId, SessionId, UserId};
use preview_core::settings::{Settings, Sources};
use preview_core::wire::api::{AttachRequest, AttachmentView};
use preview_daemon::{Config, Daemon, Running};
use xtask::real::{Process, Scratch, free_port};

/// A running daemon with a state folder of its own.
pub(crate) struct House {
    running: Option<Running>,
    config: Config,
    pub(crate) scratch: Scratch,
}

/// The longest that a story waits for a thing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

impl House {
    /// Opens one; `yaml` are further keys, one a line.
    pub(crate) async fn open(yaml: &str) -> Self {
        let scratch = Scratch::new().expect("a folder");
        let config = config(scratch.path(), yaml);
        let running = preview_daemon::start(config.clone()).await.expect("starts");
        Self { running: Some(running), config, scratch }
    }

    /// Stops the daemon and starts another on the same state.
    pub(crate) async fn reopen(&mut self) {
        self.running.take().expect("runs").stop().await;
        self.running = Some(preview_daemon::start(self.config.clone()).await.expect("starts again"));
    }

    pub(crate) async fn close(mut self) {
        self.running.take().expect("runs").stop().await;
    }

    pub(crate) fn daemon(&self) -> &Daemon {
        self.running.as_ref().expect("runs").daemon()
    }

    /// Attaches as the operator.
    pub(crate) async fn attach(&self, request: AttachRequest) -> AttachmentView {
        self.daemon().attach(&Authority::Admin, request).await.expect("admitted").view
    }

    /// Serves an empty folder.
    pub(crate) fn server(&self) -> (Process, u16) {
        let port = free_port().expect("a port");
        (self.server_on(port), port)
    }

    pub(crate) fn server_on(&self, port: u16) -> Process {
        xtask::real::http_server::start(self.scratch.path(), port).expect("python3 serves")
    }
}

/// Keys under which tasks may be started: those of a daemon that is root belong to somebody else.
pub(crate) fn with_tasks(yaml: &str) -> String {
    let user = if rustix::process::geteuid().is_root() { "nobody" } else { "null" };
    format!("{yaml}\ntasks: {{ user: {user} }}").trim().to_owned()
}

/// The defaults, with state in `scratch` and further keys.
pub(crate) fn config(scratch: &Path, yaml: &str) -> Config {
    let state = scratch.join("state");
    let text = format!("web_preview:\n  state_dir: {}\n  {}\n", state.display(), yaml.replace('\n', "\n  "));
    let settings = Settings::load(Sources { file: Some(("test", &text)), ..Sources::default() });
    Config::from_settings(&settings.expect("valid"), scratch, "box").expect("valid")
}

/// The request of session `s` and user `u` for this port, not asking the server.
pub(crate) fn request(port: u16) -> AttachRequest {
    AttachRequest {
        session_id: "s".into(),
        user_id: "u".into(),
        app_id: None,
        port: port.into(),
        name: "default".into(),
        path: String::new(),
        host: "127.0.0.1".into(),
        bash_task_id: None,
        wait_seconds: 1,
        health_check: false,
        host_header: preview_core::wire::HostHeaderWord::Auto,
        visibility: None,
    }
}

/// A listener of this very process, on a port that may be attached.
pub(crate) fn listen() -> (TcpListener, u16) {
    let port = free_port().expect("a port");
    (TcpListener::bind(("127.0.0.1", port)).expect("free"), port)
}

pub(crate) fn id(view: &AttachmentView) -> AttachmentId {
    view.id.parse().expect("an id")
}

pub(crate) fn session(text: &str) -> SessionId {
    SessionId::new(text).expect("valid")
}

pub(crate) fn user(text: &str) -> UserId {
    UserId::new(text).expect("valid")
}

/// Looks until `look` finds something.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
