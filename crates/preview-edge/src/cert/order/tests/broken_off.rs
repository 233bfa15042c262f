//! Attempts that were broken off, and accounts that were lost.

use super::*;
use crate::cert::journal::Txt;

#[tokio::test]
async fn an_order_that_ended_before_anybody_looked_is_replaced_on_the_way_and_its_records_are_removed() {
    let (pebble, front) = fronted();
    let gone = Act::Answer(Answer::problem(404, "malformed", "no such order"));
    let ended = Act::Rewrite(Box::new(|_, answer| answer.change(|order| order["status"] = "invalid".into())));
    for (nth, act) in [gone, ended].into_iter().enumerate() {
        let world = World::new(&front.directory(), &front.roots_file());
        front.on(Resource::Authorization, When::Nth(1), bad_gateway());
        world.walk().await.expect_err("a proxy answers");
        front.clear();
        let desk = world.desk();
        let mut attempt = desk.attempt().await.expect("readable").expect("kept");
        let record = Record {
            fqdn: "_acme-challenge.preview.test".to_owned(),
            value: "of the first order".to_owned(),
            domain: "preview.test".to_owned(),
            token: "token".to_owned(),
            key_authorization: "token.thumb".to_owned(),
        };
        world.records.present(&record).await.expect("written");
        attempt.txt.push(Txt { solver: "records".to_owned(), record, done: false });
        attempt.phase = Phase::Presented;
        desk.keep_attempt(&attempt).await.expect("kept");
        drop(desk);

        front.on(Resource::Order, When::Nth(1), act);
        world.walk().await.expect("a certificate in the same attempt");
        assert_eq!((world.records.list(), pebble.issued()), (vec![], nth + 1));
        front.clear();
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_handed_out_is_asked_for_again_for_a_day_and_then_counts_as_spent() {
    let (pebble, front) = fronted();
    let world = World::new(&front.directory(), &front.roots_file());
    let refused = || Act::Answer(Answer::problem(403, "unauthorized", "not today"));
    front.on(Resource::Certificate, When::Nth(1), refused());
    let failure = world.walk().await.expect_err("refused");
    assert!(matches!(failure, Failure::CaRefused { .. }), "{failure}");
    world.walk().await.expect("the certificate of the same order");
    assert_eq!((pebble.issued(), pebble.orders()), (1, 1));

    let desk = world.desk();
    let mut attempt = desk.attempt().await.expect("readable").expect("it is not dropped yet");
    attempt.since = Wall::from_millis(wall().as_millis() - 86_400_000);
    desk.keep_attempt(&attempt).await.expect("kept");
    drop(desk);
    front.on(Resource::Certificate, When::Nth(1), refused());
    let failure = world.walk().await.expect_err("refused");
    assert!(matches!(failure, Failure::BadCertificate(_)), "{failure}");
    assert_eq!(world.desk().attempt().await.expect("readable"), None);
}

#[tokio::test]
async fn an_order_that_the_authority_ended_is_not_taken_up_again_whatever_its_reason() {
    let (_pebble, front) = fronted();
    let world = World::new(&front.directory(), &front.roots_file());
    let end = |order: &mut serde_json::Value| {
        if matches!(order["status"].as_str(), Some("processing" | "valid")) {
            order["status"] = "invalid".into();
            order["error"] = serde_json::json!({ "type": "urn:ietf:params:acme:error:serverInternal" });
        }
    };
    front.on(Resource::Order, When::Always, Act::Rewrite(Box::new(move |_, answer| answer.change(end))));
    let failure = world.walk().await.expect_err("it is over");
    assert!(matches!(failure, Failure::CaUnavailable { .. }), "{failure}");
    assert_eq!(world.desk().attempt().await.expect("readable"), None);
}

#[tokio::test]
async fn records_that_the_authority_may_be_looking_at_stay_when_they_cannot_be_written_again() {
    let (pebble, front) = fronted();
    let world = World::new(&front.directory(), &front.roots_file());
    front.on(Resource::Challenge, When::Nth(1), bad_gateway());
    world.walk().await.expect_err("a proxy answers");
    world.records.is_stuck.store(true, Ordering::Relaxed);
    let failure = world.walk().await.expect_err("stuck");
    assert!(matches!(failure, Failure::HookFailed { .. }), "{failure}");
    let kept = world.desk().attempt().await.expect("readable").expect("it is kept");
    assert_eq!((kept.phase, world.records.list().len()), (Phase::Validating, 2));
    world.records.is_stuck.store(false, Ordering::Relaxed);
    world.walk().await.expect("a certificate");
    assert_eq!((world.records.list(), pebble.orders()), (vec![], 1));
}

#[tokio::test]
async fn the_account_that_follows_a_lost_or_closed_one_names_nothing_as_replaced() {
    let (_pebble, front) = fronted();
    front.on_directory(|directory| directory["renewalInfo"] = "https://127.0.0.1:9/".into());
    let world = World::new(&front.directory(), &front.roots_file());
    let first = world.walk().await.expect("a certificate");
    for (status, kind) in [(400, "accountDoesNotExist"), (403, "unauthorized")] {
        world.desk().drop_attempt().await.expect("dropped");
        let (accounts, orders) = (front.count(Resource::NewAccount), front.count(Resource::NewOrder));
        front.on(Resource::NewOrder, When::Nth(1), Act::Answer(Answer::problem(status, kind, "no")));
        world.walk_after(&first).await.expect("a certificate by another account");
        assert_eq!(front.count(Resource::NewAccount), accounts + 1, "{kind}");
        let asked: Vec<_> = front.log().into_iter().map(|it| it.request).collect();
        let asked = asked.iter().filter(|it| it.resource == Resource::NewOrder).skip(orders);
        let named: Vec<_> = asked.map(|it| it.payload().get("replaces").is_some()).collect();
        assert_eq!(named, [true, false], "{kind}");
    }
}

fn fronted() -> (Pebble, Front) {
    let pebble = Pebble::start(&always_valid()).expect("it starts");
    let front = Front::start(&pebble).expect("it starts");
    (pebble, front)
}

fn bad_gateway() -> Act {
    Act::Answer(Answer::new(502, "text/html", "<html>"))
}
