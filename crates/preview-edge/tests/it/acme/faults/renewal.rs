//! What can be wrong with renewal information (RFC 9773).

use std::time::Duration;

use xtask::real::front::{Act, Answer, Request, Resource, When};
use xtask::real::{pebble, poll_for};

use super::super::edges::{Scaled, Shipped};
use super::super::renewal::at_once;
use super::super::world::{PATIENCE, Special, World};

#[test]
fn an_order_that_may_not_replace_is_made_once_more_without() {
    let world = World::new();
    let refuse = |request: &Request, answer: &mut Answer| {
        if request.payload().get("replaces").is_some() {
            *answer =
                Answer::problem(409, "alreadyReplaced", "this certificate already has a replacement order");
        }
    };
    world.front.on(Resource::NewOrder, When::Always, Act::Rewrite(Box::new(refuse)));
    world.front.offer_renewal_info(at_once());
    let edge = Scaled::start(&world.config());
    let first = edge.doors.certificate(&world.issuing_root());
    let next = || edge.doors.shown(&world.issuing_root()).filter(|shown| *shown != first);
    poll_for("its renewal", PATIENCE, next).expect("without `replaces`");
    let orders = world.front.log().into_iter().filter(|it| it.request.resource == Resource::NewOrder);
    let replaces: Vec<_> = orders.map(|it| it.request.payload().get("replaces").is_some()).take(3).collect();
    assert_eq!(replaces, [false, true, false]);
}

#[test]
fn without_renewal_information_the_lifetime_decides() {
    for answer in
        [Answer::problem(404, "malformed", "no such certificate"), Answer::new(500, "text/html", "oops")]
    {
        let mut special = Special::default();
        special.pebble = pebble::Settings { validity: Some(Duration::from_secs(10)), ..special.pebble };
        let world = World::with(special);
        world.front.offer_renewal_info(move |_| answer.clone());
        let mut edge = Shipped::start(world.scratch.path(), &world.config(), &[]);
        let first = edge.doors.certificate(&world.issuing_root());
        // Nothing is wrong with the certificate, so the log tells it.
        let line = edge.process.wait_for_line("cert_ari_unavailable", PATIENCE).expect("it is told");
        assert!(line.contains("lifetime decides"), "{line}");
        let next = || edge.doors.shown(&world.issuing_root()).filter(|shown| *shown != first);
        poll_for("its renewal", PATIENCE, next).expect("by lifetime");
    }
}
