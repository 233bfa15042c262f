//! The edge's own name server, and no provider.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use xtask::real::front::Resource;
use xtask::real::{dig, free_address, named, pebble};

use super::edges::Scaled;
use super::world::{CHALLENGE, Special, World, previews};

#[test]
fn in_zone_mode_it_is_the_only_server_that_the_authority_asks() {
    let own = free_address().expect("an address");
    let place = Some(std::net::SocketAddr::from((own, 53)));
    let settings = pebble::Settings { dns: place, nonce_reject: 0, ..pebble::Settings::default() };
    let mut world = World::with(Special { pebble: settings, ..Special::default() });
    world.named.stop();
    let mut acme = built_in(own);
    super::world::merge(&mut acme, json!({ "resolvers": [own], "dns": { "mode": "zone", "a": [own] } }));
    let edge = Scaled::start(&world.config_with(acme));
    edge.doors.certificate(&world.issuing_root());
    assert_eq!(world.pebble.issued(), 1);
    assert_eq!(dig::txt(own, CHALLENGE).expect("it answers"), [""; 0]);
    assert_eq!(dig::dig(own, "app.preview.test", "A", false).expect("it answers"), [own.to_string()]);
}

#[test]
fn in_challenge_mode_one_ns_record_in_the_parent_zone_is_all() {
    let own = free_address().expect("an address");
    let world = World::with(Special {
        zone: Box::new(move |at| {
            previews(at).record("_acme-challenge NS acme-ns").record(&format!("acme-ns A {own}"))
        }),
        // The authority's resolver follows the delegation.
        named: named::Setup { recursion: true, ..named::Setup::default() },
        grants: Vec::new(),
        ..Special::default()
    });
    let edge = Scaled::start(&world.config_with(built_in(own)));
    edge.doors.certificate(&world.issuing_root());
    assert_eq!(world.pebble.issued(), 1);
    assert_eq!(dig::txt(own, CHALLENGE).expect("it answers"), [""; 0]);
}

#[test]
fn a_parent_that_does_not_delegate_is_told_with_the_record_to_set() {
    let own = free_address().expect("an address");
    let world = World::with(Special {
        named: named::Setup { recursion: true, ..named::Setup::default() },
        grants: Vec::new(),
        ..Special::default()
    });
    let mut acme = built_in(own);
    super::world::merge(&mut acme, json!({ "propagation": { "timeout": "1s" } }));
    let edge = Scaled::start(&world.config_with(acme));
    let cause = super::edges::cause(&edge.doors, "cert_delegation_missing");
    assert!(cause.hint.contains("_acme-challenge.preview.test. NS"), "{cause:?}");
    assert_eq!(world.front.count(Resource::Challenge), 0);
}

fn built_in(at: Ipv4Addr) -> Value {
    json!({ "solver": "builtin", "dns": { "listen": [at], "rate": 1000 } })
}
