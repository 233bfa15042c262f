//! This machine's clock is wrong.

use serde_json::json;

use super::edges::{Shipped, cause};
use super::world::World;

#[test]
fn two_days_behind_the_authority_is_not_believed_and_the_old_certificate_stays() {
    is_told_apart("-2d");
}

#[test]
fn two_days_ahead_the_same() {
    is_told_apart("+2d");
}

/// Gets a certificate, and has an edge whose clock is off by `offset` want a further name.
fn is_told_apart(offset: &str) {
    let world = World::new();
    let roots = world.issuing_root();
    let mut edge = Shipped::start(world.scratch.path(), &world.config(), &[]);
    let shown = edge.doors.certificate(&roots);
    edge.process.kill();

    let config = world.config_with(json!({ "names": ["preview.test"] }));
    let wrong = ["faketime", "-f", offset];
    let edge = Shipped::start(world.scratch.path(), &config, &wrong);
    let cause = cause(&edge.doors, "cert_clock_wrong");
    assert!(
        cause.message.contains("1728") || cause.message.contains("1727"),
        "two days in seconds: {cause:?}"
    );
    assert_eq!(edge.doors.shown(&roots), Some(shown));
    assert_eq!((world.pebble.issued(), world.left()), (1, vec![]));
}
