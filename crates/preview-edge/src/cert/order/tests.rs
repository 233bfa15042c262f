//! Whole attempts at the real Pebble, which takes every challenge for met; records stand in a list.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use xtask::real::Pebble;
use xtask::real::pebble::Settings;

use super::*;
use crate::cert::challenge::{Record, Solver};
use crate::cert::vault::{Dir, Vault};
use crate::config::{self, Check, HookMode, HttpReq, Profile, Propagation, Timers};

#[tokio::test]
async fn a_certificate_is_had_from_nothing_and_no_record_stays() {
    let world = World::new();
    let bundle = world.walk().await.expect("a certificate");
    assert!(bundle.shown.names.are(&world.acme.names), "{:?}", bundle.shown.names);
    assert_eq!(world.records.list(), []);
    let most = world.records.most();
    assert_eq!(most, 2, "an apex and its wildcard are proved by two records that stand together");
    assert_eq!(world.pebble.issued(), 1);
}

struct World {
    pebble: Pebble,
    acme: Acme,
    records: Records,
    board: Board,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let settings = Settings { always_valid: true, nonce_reject: 30, ..Settings::default() };
        let pebble = Pebble::start(&settings).expect("Pebble starts");
        let acme = acme(&pebble.directory(), &pebble.roots_file());
        let dir = tempfile::tempdir().expect("a folder");
        Self { pebble, acme, records: Records::default(), board: Board::default(), dir }
    }

    async fn walk(&self) -> Result<Bundle, Failure> {
        let vault = Arc::new(Dir::new(self.dir.path().join("edge")));
        let lease = vault.lease().expect("a folder").expect("nobody else has it");
        let desk = Desk::new(vault, lease, "preview.test");
        let lookup = Lookup::new(&["127.0.0.1:9".parse().expect("an address")], Duration::from_secs(1))
            .expect("resolvers are given");
        let way = Way {
            acme: &self.acme,
            authority: &self.acme.authority,
            desk: &desk,
            solver: &self.records,
            lookup: &lookup,
            board: &self.board,
            replaces: None,
        };
        way.walk().await
    }
}

fn acme(directory: &str, roots: &Path) -> Acme {
    Acme {
        authority: Authority { name: "pebble".to_owned(), directory: directory.to_owned(), eab: None },
        staging: None,
        fallback: None,
        contact: Some("mailto:ops@example.com".to_owned()),
        accept_tos: true,
        profile: Profile::Auto,
        names: vec!["*.preview.test".to_owned(), "preview.test".to_owned()],
        ca_roots_file: Some(roots.to_owned()),
        solver: config::Solver::HttpReq(HttpReq {
            endpoint: "http://127.0.0.1:9".to_owned(),
            mode: HookMode::Default,
            login: None,
        }),
        zone: None,
        alias: None,
        resolvers: Vec::new(),
        propagation: Propagation { timeout: Duration::from_secs(1), check: Check::Off },
        allow_ephemeral_state: true,
        self_signed_first: false,
        timers: Timers { poll: Duration::from_millis(50), ..Timers::default() },
    }
}

/// The records that stand now.
#[derive(Default)]
struct Records {
    now: Mutex<Vec<Record>>,
    most: Mutex<usize>,
}

impl Records {
    fn list(&self) -> Vec<Record> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn most(&self) -> usize {
        *self.most.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Solver for Records {
    fn name(&self) -> &'static str {
        "records"
    }

    fn present<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if !now.contains(record) {
            now.push(record.clone());
        }
        let mut most = self.most.lock().unwrap_or_else(PoisonError::into_inner);
        *most = now.len().max(*most);
        ready(Ok(())).boxed()
    }

    fn remove<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).retain(|it| it != record);
        ready(Ok(())).boxed()
    }
}
