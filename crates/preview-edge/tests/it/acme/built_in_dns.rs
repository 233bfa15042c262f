//! The edge's own name server, and no provider.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use xtask::real::front::Resource;
use xtask::real::{dig, free_address, named, pebble};

use super::edges::{Scaled, Shipped};
use super::world::{CHALLENGE, Special, World, merge, previews};
use super::{issuance, renewal};

#[test]
fn as_the_authoritys_only_server_it_is_enough_for_a_certificate_that_curl_and_chromium_accept() {
    let (world, config, own) = alone(None);
    let edge = Shipped::start(world.scratch.path(), &config, &[]);
    edge.doors.certificate(&world.issuing_root());
    issuance::is_accepted(&world, &edge.doors);
    assert_eq!(world.pebble.issued(), 1);
    assert_eq!(dig::txt(own, CHALLENGE).expect("it answers"), [""; 0]);
    assert_eq!(dig::dig(own, "app.preview.test", "A", false).expect("it answers"), [own.to_string()]);
}

#[test]
fn as_the_authoritys_only_server_it_is_enough_for_five_renewals_under_load() {
    let (world, config, own) = alone(Some(Duration::from_mins(2)));
    let _edge = renewal::five_under_load(&world, &config, Duration::from_secs(3));
    assert_eq!(dig::txt(own, CHALLENGE).expect("it answers"), [""; 0]);
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
    merge(&mut acme, json!({ "propagation": { "timeout": "1s" } }));
    let edge = Scaled::start(&world.config_with(acme));
    let cause = super::edges::cause(&edge.doors, "cert_delegation_missing");
    assert!(cause.hint.contains("_acme-challenge.preview.test. NS"), "{cause:?}");
    assert_eq!(world.front.count(Resource::Challenge), 0);
}

/// A world without a provider, whose authority asks the name server of the edge with this configuration, at this
/// address, and no other.
fn alone(validity: Option<Duration>) -> (World, Value, Ipv4Addr) {
    let own = free_address().expect("an address");
    let dns = Some(SocketAddr::from((own, 53)));
    let nonce_reject = renewal::REFUSED_NONCES;
    let settings = pebble::Settings { dns, validity, nonce_reject, ..pebble::Settings::default() };
    let mut world = World::with(Special { pebble: settings, ..Special::default() });
    world.named.stop();
    let mut acme = built_in(own);
    merge(&mut acme, json!({ "resolvers": [own], "dns": { "mode": "zone", "a": [own] } }));
    let config = world.config_with(acme);
    (world, config, own)
}

fn built_in(at: Ipv4Addr) -> Value {
    json!({ "solver": "builtin", "dns": { "listen": [at], "rate": 1000 } })
}
