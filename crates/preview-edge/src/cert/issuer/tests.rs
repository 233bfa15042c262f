//! An issuer at the real Pebble, which takes every challenge for met; records are written by a program.

mod meanwhile;
mod vaults;
mod world;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use xtask::real::Front;
use xtask::real::front::{Act, Answer, Resource, When};

use super::*;
use crate::cert::{Ask, ca};
use vaults::{Disk, Ending};
use world::{Edge, World, config, poll, poll_or};

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
    // Standing, attempt, key and account, order, record, five steps up to ready, no record, request, bundle, standing,
    // end.
    assert!(points >= 15, "only {points} points were tried");
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
async fn whoever_asks_for_what_is_due_gets_nothing_before_it_is() {
    let world = World::new();
    let mut edge = world.edge(|_| {});
    edge.run();
    edge.until("valid").await;
    let told = edge.board.report();
    edge.board.ask(Ask::Issue);
    let again = async {
        while Arc::ptr_eq(&told, &edge.board.report()) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.expect("it looks again");
    assert_eq!((edge.report().state.as_str(), world.pebble.issued()), ("valid", 1));
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
    // Neither by its lifetime nor by its last call would a certificate of Pebble's five years be renewed then.
    const FAR: &str = r#"{"suggestedWindow":{"start":"2031-01-01T00:00:00Z","end":"2031-01-02T00:00:00Z"}}"#;
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
    let window = 1_924_992_000..=1_925_078_400;
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
    let is_noticed = || edge.report().notice.is_some_and(|it| it.code == "cert_ari_unavailable");
    poll_or(is_noticed, || format!("a notice: {:?}", edge.report())).await;
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
    let (first, is_first_new) = once(&world.config, false, Arc::default()).await.expect("a certificate");
    assert_eq!((first.state.as_str(), world.pebble.issued()), ("valid", 1));
    let (same, is_same_new) = once(&world.config, false, Arc::default()).await.expect("nothing is due");
    assert_eq!((same.not_after, world.pebble.issued()), (first.not_after, 1));
    assert_eq!((is_first_new, is_same_new), (true, false));
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
