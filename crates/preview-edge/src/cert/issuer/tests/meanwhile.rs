//! What happens beside an attempt, or between its steps.

use std::time::Duration;

use futures_util::FutureExt;

use super::vaults::Gated;
use super::*;

#[tokio::test]
async fn a_certificate_is_kept_before_it_is_shown() {
    let world = World::new();
    let mut edge = world.edge(|_| {});
    let disk = Disk::below(&mut edge);
    edge.run();
    edge.until("valid").await;
    assert!(!disk.shown_first.load(Ordering::Relaxed));
}

#[tokio::test]
async fn what_was_all_but_made_is_asked_for_before_the_second_choice_and_counted_when_it_is_given_up() {
    for (when, issued, left) in [(When::Nth(1), 1, Some(3)), (When::Always, 2, Some(2))] {
        let world = World::new();
        let front = Front::start(&world.pebble).expect("it starts");
        front.on(Resource::Certificate, when, Act::Answer(Answer::new(502, "text/html", "<html>")));
        let mut edge = world.edge(|acme| {
            acme.fallback = Some(Authority { name: "second".into(), ..acme.authority.clone() });
            acme.authority.directory = front.directory();
            acme.timers.fallback_after = Duration::from_millis(100);
        });
        edge.run();
        edge.until("valid").await;
        assert_eq!((world.pebble.issued(), edge.report().budget_left), (issued, left));
    }
}

#[tokio::test]
async fn a_renewal_that_is_asked_for_during_an_attempt_is_answered_by_it() {
    let world = World::new();
    let front = Front::start(&world.pebble).expect("it starts");
    let mut edge = world.edge(|acme| acme.authority.directory = front.directory());
    let board = Arc::clone(&edge.board);
    let ask = Box::new(move || board.ask(Ask::Renew));
    front.on(Resource::Finalize, When::Nth(1), Act::Before(ask));
    edge.run();
    poll(|| edge.board.steps().contains_key(&("pebble".into(), "install", "ok".into()))).await;
    assert_eq!(edge.board.asked().now_or_never(), None);
    drop(edge);
    let mut next = world.edge(|_| {});
    next.run();
    next.until("valid").await;
    assert_eq!(world.pebble.orders(), 1);
}

#[tokio::test]
async fn whoever_is_refused_a_certificate_is_told_why_although_nothing_is_wrong() {
    let world = World::new();
    let mut edge = world.edge(|acme| acme.timers.budget = 1);
    edge.run();
    edge.until("valid").await;
    edge.board.ask(Ask::Renew);
    edge.until_cause(Some("cert_rate_limited")).await;
    assert_eq!((edge.report().state.as_str(), world.pebble.orders()), ("valid", 1));
}

#[tokio::test]
async fn after_an_account_was_lost_nothing_is_named_as_replaced_by_whichever_attempt_comes_next() {
    let world = World::new();
    let front = Front::start(&world.pebble).expect("it starts");
    front.on_directory(|directory| directory["renewalInfo"] = "https://127.0.0.1:9/".into());
    let mut edge = world.edge(|acme| acme.authority.directory = front.directory());
    edge.run();
    let first = edge.until_shown().await;
    edge.until("valid").await;
    let before = front.count(Resource::NewOrder);
    let lost = Answer::problem(400, "accountDoesNotExist", "gone");
    front.on(Resource::NewOrder, When::Nth(1), Act::Answer(lost));
    front.on(Resource::NewOrder, When::Nth(2), Act::Answer(Answer::new(502, "text/html", "<html>")));
    edge.board.ask(Ask::Renew);
    edge.until_cause(Some("cert_ca_unavailable")).await;
    edge.board.ask(Ask::Renew);
    edge.until_other(&first).await;
    let asked: Vec<_> = front.log().into_iter().map(|it| it.request).collect();
    let asked = asked.iter().filter(|it| it.resource == Resource::NewOrder).skip(before);
    let named: Vec<_> = asked.map(|it| it.payload().get("replaces").is_some()).collect();
    assert_eq!(named, [true, false, false]);
}

#[tokio::test]
async fn what_was_being_written_when_nobody_waited_any_more_is_not_taken_for_somebody_elses() {
    let dir = tempfile::tempdir().expect("a folder");
    let vault = Gated::new(dir.path().join("edge"));
    let lease = vault.lease().expect("a folder").expect("nobody else has it");
    let desk = Desk::new(Arc::clone(&vault) as Arc<dyn Vault>, lease, "preview.test");
    let mut standing = desk.standing().await.expect("nothing");
    let shut = vault.gate.lock().await;
    tokio::select! {
        kept = desk.keep_standing(&standing) => panic!("the gate is shut: {kept:?}"),
        () = vault.begun.notified() => {}
    }
    drop(shut);
    standing.failures = 1;
    desk.keep_standing(&standing).await.expect("it is ours");
    assert_eq!(desk.standing().await, Ok(standing));
}
