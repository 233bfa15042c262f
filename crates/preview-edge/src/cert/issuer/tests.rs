//! An issuer at the real Pebble, which takes every challenge for met; records are written by a program.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use preview_core::settings::{Settings, Sources};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use xtask::real::front::{Act, Answer, Resource, When};
use xtask::real::{Front, Pebble, pebble};

use super::*;
use crate::cert::vault::{VaultError, Version};
use crate::cert::{Ask, Report, ca};
use crate::config::{Check, Exec, HookMode, Profile, Propagation, Timers, TlsSource};
use crate::state::StateError;

/// How long a test waits for a thing.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_rehearsal_is_thrown_away_and_the_certificate_that_follows_is_shown_and_kept() {
    let world = World::new();
    let mut edge =
        world.edge(|acme| acme.staging = Some(Authority { name: "stage".into(), ..acme.authority.clone() }));
    assert_eq!((edge.report().state.as_str(), edge.cause()), ("empty", Some("cert_pending".to_owned())));
    edge.run();
    edge.until("valid").await;
    assert_eq!(world.pebble.issued(), 2, "one of them for rehearsal");
    let shown = edge.resolver.shown().expect("a certificate");
    assert!(shown.names.are(&["*.preview.test".to_owned()]), "{:?}", shown.names);
    assert_eq!((edge.cause(), edge.report().budget_left), (None, Some(3)));
    assert_eq!(edge.report().issuer.map(|it| it.starts_with("Pebble Intermediate")), Some(true));
    let steps = edge.board.steps();
    for authority in ["stage", "pebble"] {
        let done = steps.get(&(authority.to_owned(), "check", "ok".to_owned()));
        assert_eq!(done, Some(&1), "{authority}: {steps:?}");
    }
    assert!(!world.file("certs/preview.test/attempt.json").exists());

    drop(edge);
    drop(world.pebble);
    let next = World::edge_with(&world.config, |_| {});
    let kept = next.resolver.shown().expect("what was kept is shown before anybody is asked");
    assert_eq!(kept.leaf(), shown.leaf());
    assert_eq!((next.report().state.as_str(), next.cause()), ("valid", None));
}

/// Each point at which something is kept is one at which a process may end.
#[tokio::test]
async fn whatever_was_kept_last_the_next_one_goes_on_from_there_to_one_certificate_and_no_record() {
    let world = World::new();
    let mut points = 0;
    loop {
        let dir = tempfile::tempdir().expect("a folder");
        let config = config(&dir, &world.pebble);
        let (issued, end) = (world.pebble.issued(), points + 1);
        let mut first = World::edge_with(&config, |_| {});
        let vault = Ending::after(end, &mut first);
        first.run();
        let attempt = config.state_dir.join("certs/preview.test/attempt.json");
        let is_over = tokio::select! {
            biased;
            () = vault.ended.notified() => false,
            () = poll(|| first.report().state == "valid" && !attempt.exists()) => true,
        };
        drop(first);
        if is_over {
            break;
        }
        points = end;
        let mut second = World::edge_with(&config, |_| {});
        second.run();
        second.until_shown().await;
        poll_or(|| !attempt.exists(), || format!("the end of the attempt, after {end}")).await;
        let told = || second.report().budget_left == Some(3) && second.report().state == "valid";
        poll_or(told, || format!("one certificate on the budget, after {end}: {:?}", second.report())).await;
        assert_eq!(fs::read_to_string(dir.path().join("zone")).unwrap_or_default(), "", "after {end}");
        assert_eq!(world.pebble.issued(), issued + 1, "after {end}");
    }
    assert!(points >= 16, "only {points} points were tried");
}

#[tokio::test]
async fn whoever_asks_gets_a_new_certificate_and_the_one_before_is_kept_beside_it() {
    let world = World::new();
    let mut edge = world.edge(|_| {});
    edge.run();
    edge.until("valid").await;
    let first = edge.resolver.shown().expect("a certificate");
    edge.board.ask(Ask::Renew);
    edge.until_other(&first).await;
    edge.until("valid").await;
    let before = fs::read(world.file("certs/preview.test/prev.pem")).expect("kept");
    assert_eq!(Bundle::read(before).expect("a pair").shown.leaf(), first.leaf());
    assert_eq!(world.pebble.issued(), 2);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_kept_is_served_from_memory_and_never_ordered_again() {
    let world = World::new();
    let mut edge = world.edge(|_| {});
    let disk = Disk::below(&mut edge);
    disk.is_full.store(true, Ordering::Relaxed);
    edge.run();
    let shown = edge.until_shown().await;
    edge.until_cause(Some("cert_state_unwritable")).await;
    let tries = disk.tries.load(Ordering::Relaxed);
    poll(|| disk.tries.load(Ordering::Relaxed) > tries + 3).await;
    assert_eq!((world.pebble.issued(), world.pebble.orders()), (1, 1));
    disk.is_full.store(false, Ordering::Relaxed);
    edge.until_cause(None).await;
    edge.until("valid").await;
    let kept = fs::read(world.file("certs/preview.test/bundle.pem")).expect("kept");
    assert_eq!(Bundle::read(kept).expect("a pair").shown.leaf(), shown.leaf());
    assert_eq!(world.pebble.issued(), 1);
    assert!(!world.file("certs/preview.test/attempt.json").exists());
}

#[tokio::test]
async fn the_authority_says_when_to_renew_may_change_its_mind_and_may_fall_silent() {
    const FAR: &str = r#"{"suggestedWindow":{"start":"2030-01-01T00:00:00Z","end":"2030-01-02T00:00:00Z"}}"#;
    const PAST: &str = r#"{"suggestedWindow":{"start":"2020-01-01T00:00:00Z","end":"2020-01-02T00:00:00Z"}}"#;
    let world = World::new();
    let front = Front::start(&world.pebble).expect("it starts");
    let hurry = Arc::new(AtomicBool::default());
    let (hurries, mut first) = (Arc::clone(&hurry), None);
    front.offer_renewal_info(move |request| {
        let is_first = first.get_or_insert_with(|| request.path.clone()) == &request.path;
        let window = if is_first && hurries.load(Ordering::Relaxed) { PAST } else { FAR };
        Answer::new(200, "application/json", window).with("Retry-After", 3600)
    });
    let often = (Duration::from_millis(100), Duration::from_millis(200));
    let mut edge = world.edge(|acme| {
        acme.authority.directory = front.directory();
        acme.timers.ari = often;
    });
    edge.run();
    let window = 1_893_456_000..=1_893_542_400;
    let is_far = |edge: &Edge| edge.report().renew_at.is_some_and(|at| window.contains(&at));
    poll_or(|| is_far(&edge), || format!("the window: {:?}", edge.report())).await;
    let shown = edge.until_shown().await;

    hurry.store(true, Ordering::Relaxed);
    edge.until_other(&shown).await;
    let orders: Vec<_> = front.log().into_iter().map(|it| it.request).collect();
    let orders: Vec<_> = orders.iter().filter(|it| it.resource == Resource::NewOrder).collect();
    let replaced = orders.last().map(|it| it.payload()["replaces"].clone());
    assert_eq!(replaced, ca::identify(shown.leaf()).map(|id| id.to_string().into()));

    assert!(front.count(Resource::RenewalInfo) >= 2, "before and after its change of mind");
    front.clear();
    poll(|| edge.board.steps().contains_key(&("pebble".into(), "ari", "cert_ari_unavailable".into()))).await;
    assert_eq!(edge.cause(), None, "{:?}", edge.report());
    assert_eq!(world.pebble.issued(), 2);
}

#[tokio::test]
async fn an_authority_that_takes_no_nonce_is_given_up_on() {
    let world = World::new();
    let front = Front::start(&world.pebble).expect("it starts");
    let refusal = Answer::problem(400, "badNonce", "no");
    front.on(Resource::NewAccount, When::Always, Act::Answer(refusal));
    let mut edge = world.edge(|acme| acme.authority.directory = front.directory());
    edge.run();
    edge.until_cause(Some("cert_bad_nonce")).await;
    front.clear();
    edge.until("valid").await;
}

#[tokio::test]
async fn a_damaged_certificate_is_told_the_one_before_it_shown_and_a_new_one_ordered_when_it_is_due() {
    let world = World::new();
    let mut edge = world.edge(|_| {});
    edge.run();
    let first = edge.until_shown().await;
    edge.until("valid").await;
    edge.board.ask(Ask::Renew);
    edge.until_other(&first).await;
    edge.until("valid").await;
    drop(edge);
    crate::state::write(&world.file("certs/preview.test/bundle.pem"), b"torn").expect("written");
    let next = world.edge(|_| {});
    assert_eq!(next.resolver.shown().expect("the one before").leaf(), first.leaf());
    assert_eq!(next.cause().as_deref(), Some("cert_bad_certificate"));
}

#[tokio::test]
async fn while_the_authority_is_away_the_cause_is_told_and_when_it_is_back_a_certificate_is_had() {
    let mut world = World::new();
    world.pebble.stop();
    let mut edge = world.edge(|acme| acme.timers.backoff = vec![Duration::from_millis(500)]);
    edge.run();
    edge.until_cause(Some("cert_ca_timeout")).await;
    let report = edge.report();
    assert_eq!(report.state, "backoff");
    assert!(report.failures > 0 && report.next_attempt.is_some(), "{report:?}");
    world.pebble.restart().expect("it starts again");
    edge.until("valid").await;
    assert_eq!((edge.cause(), edge.report().failures), (None, 0));
}

#[tokio::test]
async fn a_record_that_cannot_be_removed_is_counted_and_removed_as_soon_as_it_can_be() {
    let world = World::new();
    fs::write(world.dir.path().join("stuck"), "").expect("written");
    let mut edge = world.edge(|acme| acme.timers.sweep = Duration::from_millis(300));
    edge.run();
    edge.until("valid").await;
    poll(|| edge.report().txt_leftover == 1).await;
    assert_eq!(fs::read_to_string(world.dir.path().join("zone")).expect("a zone").lines().count(), 1);
    fs::remove_file(world.dir.path().join("stuck")).expect("it was there");
    poll(|| edge.report().txt_leftover == 0).await;
    assert_eq!(fs::read_to_string(world.dir.path().join("zone")).expect("a zone"), "");
}

#[tokio::test]
async fn of_two_edges_with_one_folder_one_orders_and_the_other_shows_what_it_gets() {
    let world = World::new();
    let (mut one, mut two) = (world.edge(|_| {}), world.edge(|_| {}));
    one.run();
    one.until("valid").await;
    two.run();
    let shown = two.until_shown().await;
    assert_eq!(shown.leaf(), one.until_shown().await.leaf());
    one.board.ask(Ask::Renew);
    one.until_other(&shown).await;
    two.until_other(&shown).await;
    assert_eq!(world.pebble.issued(), 2);
    drop(one);
    two.board.ask(Ask::Renew);
    poll(|| world.pebble.issued() == 3).await;
}

#[tokio::test]
async fn memory_is_no_place_to_order_for_unless_it_is_allowed() {
    let world = World::new();
    let dir = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let mut config = world.config.clone();
    config.state_dir = dir.path().join("edge");
    let forbid = |acme: &mut Acme| acme.allow_ephemeral_state = false;
    let mut edge = World::edge_with(&config, forbid);
    edge.run();
    edge.until("parked").await;
    assert_eq!(edge.cause().as_deref(), Some("cert_ephemeral_state"));
    assert_eq!(world.pebble.orders(), 0);
}

#[tokio::test]
async fn a_command_orders_what_is_due_and_more_only_if_it_must() {
    let world = World::new();
    let first = once(&world.config, false, Arc::default()).await.expect("a certificate");
    assert_eq!((first.state.as_str(), world.pebble.issued()), ("valid", 1));
    let same = once(&world.config, false, Arc::default()).await.expect("nothing is due");
    assert_eq!((same.not_after, world.pebble.issued()), (first.not_after, 1));
    once(&world.config, true, Arc::default()).await.expect("a certificate");
    assert_eq!(world.pebble.issued(), 2);

    for _ in 2..4 {
        once(&world.config, true, Arc::default()).await.expect("a certificate");
    }
    let limited = once(&world.config, true, Arc::default()).await.expect_err("the budget is used up");
    assert!(matches!(limited, Failure::RateLimited { .. }), "{limited}");
    assert_eq!(world.pebble.issued(), 4);

    let mut edge = world.edge(|_| {});
    edge.run();
    poll(|| edge.report().renew_at.is_some()).await;
    let busy = once(&world.config, true, Arc::default()).await.expect_err("an edge looks after it");
    assert!(matches!(busy, Failure::StateUnwritable(_)), "{busy}");
}

struct World {
    pebble: Pebble,
    config: Config,
    dir: tempfile::TempDir,
}

/// An edge, as far as certificates go. Dropped, it ends as if killed.
struct Edge {
    issuer: Option<Issuer>,
    resolver: Arc<Resolver>,
    board: Arc<Board>,
    task: Option<AbortHandle>,
}

impl World {
    fn new() -> Self {
        let settings = pebble::Settings { always_valid: true, ..pebble::Settings::default() };
        let pebble = Pebble::start(&settings).expect("it starts");
        let dir = tempfile::tempdir().expect("a folder");
        let config = config(&dir, &pebble);
        Self { pebble, config, dir }
    }

    fn edge(&self, change: impl FnOnce(&mut Acme)) -> Edge {
        Self::edge_with(&self.config, change)
    }

    fn edge_with(config: &Config, change: impl FnOnce(&mut Acme)) -> Edge {
        let TlsSource::Acme(acme) = &config.tls else { panic!("by ACME") };
        let mut acme = (**acme).clone();
        change(&mut acme);
        let (resolver, board) = (Arc::<Resolver>::default(), Arc::<Board>::default());
        let issuer = Issuer::start(config, &acme, Arc::clone(&resolver), Arc::clone(&board), wall());
        Edge { issuer: Some(issuer.expect("it starts")), resolver, board, task: None }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.config.state_dir.join(name)
    }
}

impl Edge {
    fn run(&mut self) {
        let issuer = self.issuer.take().expect("it runs once");
        self.task = Some(tokio::spawn(issuer.keep()).abort_handle());
    }

    fn report(&self) -> Report {
        (*self.board.report()).clone()
    }

    fn cause(&self) -> Option<String> {
        self.report().cause.map(|cause| cause.code)
    }

    async fn until(&self, state: &str) {
        poll_or(|| self.report().state == state, || format!("{state}: {:?}", self.report())).await;
    }

    async fn until_cause(&self, code: Option<&str>) {
        let told = || format!("{code:?}: {:?}", self.report());
        poll_or(|| self.cause().as_deref() == code, told).await;
    }

    async fn until_shown(&self) -> Arc<super::super::Shown> {
        poll_or(|| self.resolver.shown().is_some(), || format!("{:?}", self.report())).await;
        self.resolver.shown().expect("it was there")
    }

    async fn until_other(&self, than: &super::super::Shown) {
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

/// A disk that may be full for certificates.
struct Disk {
    vault: Arc<dyn Vault>,
    is_full: AtomicBool,
    tries: AtomicUsize,
}

impl Disk {
    fn below(edge: &mut Edge) -> Arc<Self> {
        let issuer = edge.issuer.as_mut().expect("it does not run yet");
        let disk = Arc::new(Self {
            vault: Arc::clone(&issuer.vault),
            is_full: AtomicBool::default(),
            tries: AtomicUsize::default(),
        });
        issuer.vault = Arc::clone(&disk) as Arc<dyn Vault>;
        disk
    }
}

impl Vault for Disk {
    fn load(&self, item: &Item) -> Result<(Option<Vec<u8>>, Version), VaultError> {
        self.vault.load(item)
    }

    fn save(&self, item: &Item, content: &[u8], since: &Version) -> Result<Version, VaultError> {
        if matches!(item, Item::Bundle(_)) && self.is_full.load(Ordering::Relaxed) {
            self.tries.fetch_add(1, Ordering::Relaxed);
            let error = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(StateError::Io { path: self.place(), what: "write", error }.into());
        }
        self.vault.save(item, content, since)
    }

    fn remove(&self, item: &Item) -> Result<(), VaultError> {
        self.vault.remove(item)
    }

    fn lease(&self) -> Result<Option<Box<dyn Lease>>, VaultError> {
        self.vault.lease()
    }

    fn place(&self) -> PathBuf {
        self.vault.place()
    }
}

/// A vault whose process ends after so many things were kept or removed.
struct Ending {
    vault: Arc<dyn Vault>,
    rest: AtomicUsize,
    ended: Notify,
}

impl Ending {
    fn after(count: usize, edge: &mut Edge) -> Arc<Self> {
        let issuer = edge.issuer.as_mut().expect("it does not run yet");
        let rest = AtomicUsize::new(count);
        let vault = Arc::clone(&issuer.vault);
        let ending = Arc::new(Self { vault, rest, ended: Notify::new() });
        issuer.vault = Arc::clone(&ending) as Arc<dyn Vault>;
        ending
    }

    fn count(&self) {
        if self.rest.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.ended.notify_one();
        }
    }
}

impl Vault for Ending {
    fn load(&self, item: &Item) -> Result<(Option<Vec<u8>>, Version), VaultError> {
        self.vault.load(item)
    }

    fn save(&self, item: &Item, content: &[u8], since: &Version) -> Result<Version, VaultError> {
        let saved = self.vault.save(item, content, since);
        self.count();
        saved
    }

    fn remove(&self, item: &Item) -> Result<(), VaultError> {
        let removed = self.vault.remove(item);
        self.count();
        removed
    }

    fn lease(&self) -> Result<Option<Box<dyn Lease>>, VaultError> {
        self.vault.lease()
    }

    fn place(&self) -> PathBuf {
        self.vault.place()
    }
}

fn config(dir: &tempfile::TempDir, pebble: &Pebble) -> Config {
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

async fn poll(look: impl Fn() -> bool) {
    poll_or(look, String::new).await;
}

async fn poll_or(look: impl Fn() -> bool, what: impl Fn() -> String) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !look() {
        assert!(tokio::time::Instant::now() < end, "waited in vain for {}", what());
        sleep(Duration::from_millis(10)).await;
    }
}
