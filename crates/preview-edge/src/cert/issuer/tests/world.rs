//! Edges, as far as certificates go, and the Pebble that they ask.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use preview_core::settings::{Settings, Sources};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use xtask::real::{Pebble, pebble};

use crate::cert::issuer::Issuer;
use crate::cert::{Board, Report, Resolver, Shown};
use crate::clock::wall;
use crate::config::{
    Acme, Authority, Check, Config, Exec, HookMode, Profile, Propagation, Solver, Timers, TlsSource,
};

/// How long a test waits for a thing.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) struct World {
    pub(super) pebble: Pebble,
    pub(super) config: Config,
    pub(super) dir: tempfile::TempDir,
}

/// An edge, as far as certificates go. Dropped, it ends as if killed.
pub(super) struct Edge {
    pub(super) issuer: Option<Issuer>,
    pub(super) resolver: Arc<Resolver>,
    pub(super) board: Arc<Board>,
    pub(super) task: Option<AbortHandle>,
}

impl World {
    pub(super) fn new() -> Self {
        let settings =
            pebble::Settings { always_valid: true, nonce_reject: 0, ..pebble::Settings::default() };
        let pebble = Pebble::start(&settings).expect("it starts");
        let dir = tempfile::tempdir().expect("a folder");
        let config = config(&dir, &pebble);
        Self { pebble, config, dir }
    }

    pub(super) fn edge(&self, change: impl FnOnce(&mut Acme)) -> Edge {
        Self::edge_with(&self.config, change)
    }

    pub(super) fn edge_with(config: &Config, change: impl FnOnce(&mut Acme)) -> Edge {
        let TlsSource::Acme(acme) = &config.tls else { panic!("by ACME") };
        let mut acme = (**acme).clone();
        change(&mut acme);
        let (resolver, board) = (Arc::<Resolver>::default(), Arc::<Board>::default());
        let issuer = Issuer::start(config, &acme, Arc::clone(&resolver), Arc::clone(&board), wall());
        Edge { issuer: Some(issuer.expect("it starts")), resolver, board, task: None }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.config.state_dir.join(name)
    }
}

impl Edge {
    pub(super) fn run(&mut self) {
        let issuer = self.issuer.take().expect("it runs once");
        self.task = Some(tokio::spawn(issuer.keep()).abort_handle());
    }

    pub(super) fn report(&self) -> Report {
        (*self.board.report()).clone()
    }

    pub(super) fn cause(&self) -> Option<String> {
        self.report().cause.map(|cause| cause.code)
    }

    pub(super) async fn until(&self, state: &str) {
        poll_or(|| self.report().state == state, || format!("{state}: {:?}", self.report())).await;
    }

    pub(super) async fn until_cause(&self, code: Option<&str>) {
        let told = || format!("{code:?}: {:?}", self.report());
        poll_or(|| self.cause().as_deref() == code, told).await;
    }

    pub(super) async fn until_shown(&self) -> Arc<Shown> {
        poll_or(|| self.resolver.shown().is_some(), || format!("{:?}", self.report())).await;
        self.resolver.shown().expect("it was there")
    }

    pub(super) async fn until_other(&self, than: &Shown) {
        let is_other = || self.resolver.shown().is_some_and(|shown| shown.leaf() != than.leaf());
        poll_or(is_other, || format!("another one: {:?}", self.report())).await;
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

pub(super) fn config(dir: &tempfile::TempDir, pebble: &Pebble) -> Config {
    let text = "web_preview:\n  public_url_template: \"https://{id}.preview.test\"\n  edge: { https: \"127.0.0.1:0\" }\n";
    let settings =
        Settings::load(Sources { file: Some(("f", text)), ..Sources::default() }).expect("readable");
    let mut config = Config::from_settings(&settings, dir.path()).expect("valid");
    config.state_dir = dir.path().join("edge");
    config.tls = TlsSource::Acme(Box::new(Acme {
        authority: Authority { name: "pebble".to_owned(), directory: pebble.directory(), eab: None },
        staging: None,
        fallback: None,
        contact: None,
        accept_tos: true,
        profile: Profile::Auto,
        names: vec!["*.preview.test".to_owned()],
        ca_roots_file: Some(pebble.roots_file()),
        solver: Solver::Exec(Exec {
            program: hook(dir),
            mode: HookMode::Default,
            timeout: Duration::from_secs(20),
        }),
        zone: None,
        alias: None,
        resolvers: vec!["127.0.0.1:9".parse().expect("an address")],
        propagation: Propagation { timeout: Duration::from_secs(1), check: Check::Off },
        allow_ephemeral_state: true,
        self_signed_first: false,
        timers: Timers {
            scan: Duration::from_millis(200),
            poll: Duration::from_millis(50),
            // Nobody answers there.
            dns: Duration::from_millis(50),
            backoff: vec![Duration::from_millis(200)],
            ..Timers::default()
        },
    }));
    config
}

/// A program that keeps records as lines of `zone`, and removes none while there is a file `stuck`.
fn hook(dir: &tempfile::TempDir) -> PathBuf {
    let (path, at) = (dir.path().join("hook"), dir.path().display());
    let script = format!(
        "#!/bin/sh\nset -e\ncd {at}\ncase \"$1\" in\n\
         present) echo \"$2 $3\" >>zone;;\n\
         cleanup) if [ -e stuck ]; then echo stuck >&2; exit 3; fi\n\
         touch zone; grep -vxF \"$2 $3\" zone >new || true; mv new zone;;\n\
         esac\n"
    );
    fs::write(&path, script).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("mine");
    path
}

pub(super) async fn poll(look: impl Fn() -> bool) {
    poll_or(look, String::new).await;
}

pub(super) async fn poll_or(look: impl Fn() -> bool, what: impl Fn() -> String) {
    let end = Instant::now() + PATIENCE;
    while !look() {
        assert!(Instant::now() < end, "waited in vain for {}", what());
        sleep(Duration::from_millis(10)).await;
    }
}
