//! Whole attempts at the real Pebble. Records stand in a list: no name server is needed for what is shown here.

mod broken_off;

use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use xtask::real::front::{Act, Answer, Resource, When};
use xtask::real::pebble::Settings;
use xtask::real::{Front, Pebble};

use super::*;
use crate::cert::challenge::{Record, Solver};
use crate::cert::vault::{Dir, Vault};
use crate::config::{self, Eab, HookMode, HttpReq, Profile, Propagation, Timers};

#[tokio::test]
async fn a_certificate_is_had_from_nothing_although_every_third_nonce_is_refused_and_no_record_stays() {
    let pebble = Pebble::start(&Settings { nonce_reject: 30, ..always_valid() }).expect("it starts");
    let world = World::new(&pebble.directory(), &pebble.roots_file());
    let bundle = world.walk().await.expect("a certificate");
    assert!(bundle.shown.names.are(&world.acme.names), "{:?}", bundle.shown.names);
    assert_eq!(world.records.list(), []);
    let most = world.records.most.load(Ordering::Relaxed);
    assert_eq!(most, 2, "an apex and its wildcard are proved by two records that stand together");
    assert_eq!((pebble.issued(), world.board.report().state.as_str()), (1, "finalized"));
}

#[tokio::test]
async fn an_account_that_the_authority_has_forgotten_is_made_anew_on_the_way() {
    let mut pebble = Pebble::start(&always_valid()).expect("it starts");
    let world = World::new(&pebble.directory(), &pebble.roots_file());
    world.walk().await.expect("a certificate");
    world.desk().drop_attempt().await.expect("dropped");
    pebble.restart().expect("it starts again");
    world.walk().await.expect("a certificate by another account");
    assert_eq!(pebble.issued(), 1, "since its restart");
}

#[tokio::test]
async fn an_order_that_the_authority_has_forgotten_is_one_failure_and_the_next_attempt_orders_anew() {
    let pebble = Pebble::start(&always_valid()).expect("it starts");
    let front = Front::start(&pebble).expect("it starts");
    let world = World::new(&front.directory(), &front.roots_file());
    front.on(Resource::Finalize, When::Nth(1), Act::Answer(Answer::new(502, "text/html", "<html>")));
    let failure = world.walk().await.expect_err("a proxy answers");
    assert_eq!(failure, Failure::CaUnavailable { status: 502, retry_after: None });
    let kept = world.desk().attempt().await.expect("readable");
    assert_eq!(kept.map(|it| it.phase), Some(Phase::Ready));
    front.clear();
    front.on(Resource::Order, When::Nth(1), Act::Answer(Answer::problem(404, "malformed", "no such order")));
    let failure = world.walk().await.expect_err("the order is gone");
    assert_eq!(failure, Failure::OrderExpired("malformed: no such order".to_owned()));
    assert_eq!(world.desk().attempt().await.expect("readable"), None);
    world.walk().await.expect("a certificate");
    assert_eq!(pebble.issued(), 1);
}

#[tokio::test]
async fn an_authority_that_does_not_take_replaces_is_asked_once_without() {
    let pebble = Pebble::start(&always_valid()).expect("it starts");
    let front = Front::start(&pebble).expect("it starts");
    front.on_directory(|directory| directory["renewalInfo"] = "https://127.0.0.1:9/".into());
    let world = World::new(&front.directory(), &front.roots_file());
    let first = world.walk().await.expect("a certificate");
    for refusal in ["alreadyReplaced", "conflict", "malformed"] {
        world.desk().drop_attempt().await.expect("dropped");
        let before = front.count(Resource::NewOrder);
        let answer = Answer::problem(409, refusal, "it has a successor");
        front.on(Resource::NewOrder, When::Nth(1), Act::Answer(answer));
        world.walk_after(&first).await.expect("a certificate");
        assert_eq!(front.count(Resource::NewOrder), before + 2, "{refusal}");
    }
}

#[tokio::test]
async fn what_configuration_lacks_is_found_and_named() {
    let pebble = Pebble::start(&always_valid()).expect("it starts");
    let front = Front::start(&pebble).expect("it starts");
    let world = World::new(&front.directory(), &front.roots_file());

    let terms = world.with(|acme| acme.accept_tos = false);
    let failure = terms.walk().await.expect_err("not agreed to");
    assert!(matches!(failure, Failure::TosNotAccepted { url: Some(_) }), "{failure}");
    assert_eq!(front.count(Resource::NewAccount), 0, "it was found without an account");

    let contact = world.with(|acme| acme.contact = Some("foo".to_owned()));
    assert_eq!(contact.walk().await.err(), Some(Failure::ContactInvalid("foo".to_owned())));

    let profile = world.with(|acme| acme.profile = Profile::Named("fast".to_owned()));
    let unknown = Failure::ProfileUnknown { profile: "fast".to_owned(), have: vec![] };
    assert_eq!(profile.walk().await.err(), Some(unknown));
    assert_eq!(pebble.issued(), 0);
}

#[tokio::test]
async fn a_name_that_the_authority_has_on_a_list_is_forbidden() {
    let settings = Settings { blocklist: vec!["preview.test".to_owned()], ..always_valid() };
    let pebble = Pebble::start(&settings).expect("it starts");
    let world = World::new(&pebble.directory(), &pebble.roots_file());
    let failure = world.walk().await.expect_err("it is on a list");
    assert!(matches!(&failure, Failure::NameForbidden(said) if said.contains("preview.test")), "{failure}");
    assert_eq!(world.desk().attempt().await.expect("readable"), None);
}

#[tokio::test]
async fn a_binding_is_used_once_however_often_its_account_is_asked_for() {
    const KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let settings = Settings { eab: vec![("kid-1".to_owned(), KEY.to_owned())], ..always_valid() };
    let pebble = Pebble::start(&settings).expect("it starts");
    let front = Front::start(&pebble).expect("it starts");
    let world = World::new(&front.directory(), &front.roots_file());
    assert_eq!(world.walk().await.err(), Some(Failure::EabRequired));

    for (kid, key) in [("kid-1", "d3Jvbmc"), ("kid-2", KEY)] {
        let failure = world.bound(kid, key).walk().await.expect_err("not its pair");
        assert!(matches!(failure, Failure::EabInvalid(_)), "{kid} {key}: {failure}");
    }

    let world = world.bound("kid-1", KEY);
    let bindings = || {
        let is_bound = |request: &xtask::real::front::Request| {
            request.resource == Resource::NewAccount && !request.payload()["externalAccountBinding"].is_null()
        };
        front.log().iter().filter(|it| is_bound(&it.request)).count()
    };
    let before = bindings();
    world.walk().await.expect("a certificate");
    // As after a crash between the authority's answer and our note of it.
    std::fs::remove_file(world.dir.path().join("edge/acme/pebble/account.json")).expect("it was there");
    world.desk().drop_attempt().await.expect("dropped");
    world.walk().await.expect("a certificate by the same account");
    assert_eq!(bindings(), before + 1);
}

#[test]
fn an_attempt_outlives_what_passes_by_itself_and_no_verdict() {
    let seen = |ns: &str| Failure::TxtNotSeen { fqdn: "f".to_owned(), ns: ns.to_owned() };
    let refused = || Failure::CaRefused { kind: "oddity".to_owned(), detail: "no".to_owned() };
    let late = Failure::CaTimeout { url: "u".to_owned(), reason: "r".to_owned() };
    for (failure, phase, expected) in [
        (late.clone(), Phase::Keyed, Fate::Keep),
        (late, Phase::Validating, Fate::Keep),
        (Failure::CaUnavailable { status: 503, retry_after: None }, Phase::Finalized, Fate::Keep),
        (Failure::BadNonce, Phase::Ordered, Fate::Keep),
        (Failure::StateUnwritable("full".to_owned()), Phase::Ready, Fate::Keep),
        (seen("ns1"), Phase::Presented, Fate::Clear),
        (seen("ns1"), Phase::Validating, Fate::Keep),
        (seen(Failure::AUTHORITY), Phase::Validating, Fate::Over),
        (refused(), Phase::Ready, Fate::Over),
        (refused(), Phase::Finalized, Fate::Keep),
        (Failure::TxtMismatch("other".to_owned()), Phase::Validating, Fate::Over),
        (Failure::OrderExpired("404".to_owned()), Phase::Finalized, Fate::Over),
        (Failure::BadCertificate("names".to_owned()), Phase::Finalized, Fate::Over),
        (Failure::AccountLost, Phase::Ordered, Fate::Over),
        (Failure::NameForbidden("list".to_owned()), Phase::Keyed, Fate::Over),
    ] {
        assert_eq!(fate(&failure, &attempt(phase), SINCE), expected, "{failure:?} at {phase:?}");
    }
    assert_eq!(fate(&refused(), &attempt(Phase::Finalized), SINCE + HANDING_OUT), Fate::Over);
}

/// Requests are counted: the nonces that Pebble refuses at random would be requests that come twice.
fn always_valid() -> Settings {
    Settings { always_valid: true, nonce_reject: 0, ..Settings::default() }
}

/// When the attempts of tests begin.
const SINCE: Wall = Wall::from_secs(1_800_000_000);

fn attempt(phase: Phase) -> Attempt {
    Attempt {
        authority: "pebble".to_owned(),
        directory: "https://ca.test/dir".to_owned(),
        names: Vec::new(),
        since: SINCE,
        order_url: None,
        key: String::new(),
        phase,
        txt: Vec::new(),
    }
}

struct World {
    acme: Acme,
    records: Records,
    board: Board,
    dir: tempfile::TempDir,
}

impl World {
    fn new(directory: &str, roots: &Path) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let acme = acme(directory, roots);
        Self { acme, records: Records::default(), board: Board::default(), dir }
    }

    /// A world of its own, configured otherwise.
    fn with(&self, change: impl FnOnce(&mut Acme)) -> Self {
        let mut acme = self.acme.clone();
        change(&mut acme);
        let dir = tempfile::tempdir().expect("a folder");
        Self { acme, records: Records::default(), board: Board::default(), dir }
    }

    fn bound(&self, kid: &str, key: &str) -> Self {
        let world = self.with(|_| {});
        let hmac_file = world.dir.path().join("hmac");
        crate::state::write(&hmac_file, key.as_bytes()).expect("written");
        let mut world = world;
        world.acme.authority.eab = Some(Eab { kid: kid.to_owned(), hmac_file });
        world
    }

    fn desk(&self) -> Desk {
        let vault = Dir::new(self.dir.path().join("edge"));
        // A program that another test has just begun holds what this one has dropped until it is itself.
        let end = Instant::now() + Duration::from_secs(10);
        let lease = loop {
            match vault.lease().expect("a folder") {
                Some(lease) => break lease,
                None => assert!(Instant::now() < end, "somebody else has the lease"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        Desk::new(Arc::new(vault), lease, "preview.test")
    }

    async fn walk(&self) -> Result<Bundle, Failure> {
        self.way(&self.desk(), None).await
    }

    async fn walk_after(&self, bundle: &Bundle) -> Result<Bundle, Failure> {
        self.way(&self.desk(), Some(&bundle.shown)).await
    }

    async fn way(&self, desk: &Desk, replaces: Option<&Shown>) -> Result<Bundle, Failure> {
        let nobody = "127.0.0.1:9".parse().expect("an address");
        let lookup = Lookup::new(&[nobody], Duration::from_millis(50)).expect("a resolver is given");
        let Self { acme, records, board, .. } = self;
        let authority = &acme.authority;
        let has_lost_account = AtomicBool::default();
        let way = Way {
            acme,
            authority,
            desk,
            solver: records,
            lookup: &lookup,
            board,
            replaces,
            has_lost_account,
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

/// The records that stand now, and how many stood at most.
#[derive(Default)]
struct Records {
    now: Mutex<Vec<Record>>,
    most: AtomicUsize,
    /// Whether no more can be written.
    is_stuck: AtomicBool,
}

impl Records {
    fn list(&self) -> Vec<Record> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Solver for Records {
    fn name(&self) -> &'static str {
        "records"
    }

    fn present<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        if self.is_stuck.load(Ordering::Relaxed) {
            let (hook, reason) = ("records".to_owned(), "stuck".to_owned());
            return ready(Err(Failure::HookFailed { hook, reason })).boxed();
        }
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if !now.contains(record) {
            now.push(record.clone());
        }
        self.most.fetch_max(now.len(), Ordering::Relaxed);
        ready(Ok(())).boxed()
    }

    fn remove<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).retain(|it| it != record);
        ready(Ok(())).boxed()
    }
}
