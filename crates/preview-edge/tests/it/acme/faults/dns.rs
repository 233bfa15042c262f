//! What can be wrong with the zone and its name servers.

use std::net::UdpSocket;

use serde_json::json;
use xtask::real::front::Resource;
use xtask::real::{Knot, Named, Zone, free_address, named};

use super::super::hook;
use super::super::world::{CHALLENGE, Special, World, ZONE, close, merge, previews};
use super::fails;

#[test]
fn a_record_that_no_name_server_shows_never_spends_a_validation() {
    let world = World::new();
    let mut acme = hook::of(&world, "exit 0");
    merge(&mut acme, json!({ "propagation": { "timeout": "1s" } }));
    let cause = fails(&world, &world.config_with(acme), "cert_txt_not_seen");
    let ns = world.named.address.to_string();
    assert!(cause.message.contains(CHALLENGE), "{cause:?}");
    assert!(cause.message.contains(&ns) || cause.message.contains("ns1.preview.test"), "{cause:?}");
    assert!(cause.hint.contains("name server"), "{cause:?}");
    assert_eq!(world.front.count(Resource::Challenge), 0);
}

#[test]
fn another_value_than_ours_is_told_from_none() {
    let other =
        |zone: Zone| zone.record("_acme-challenge TXT \"somebody-elses-value-of-about-the-same-length-\"");
    let world = World::with(Special { zone: Box::new(move |at| other(previews(at))), ..Special::default() });
    let mut acme = hook::of(&world, "exit 0");
    merge(&mut acme, json!({ "propagation": { "check": "off" } }));
    let cause = fails(&world, &world.config_with(acme), "cert_txt_mismatch");
    assert!(cause.hint.contains("another ACME client"), "{cause:?}");
}

#[test]
fn forty_stale_records_are_too_many_for_an_answer() {
    let stale = |zone: Zone| {
        (0..40).fold(zone, |zone, number| {
            zone.record(&format!(
                "_acme-challenge TXT \"a-stale-value-of-forty-three-characters-{number:03}\""
            ))
        })
    };
    let world = World::with(Special { zone: Box::new(move |at| stale(previews(at))), ..Special::default() });
    let cause = fails(&world, &world.config(), "cert_txt_too_many");
    assert!(cause.message.contains('4'), "{cause:?}");
    assert!(cause.hint.contains("certs clean"), "{cause:?}");
}

#[test]
fn a_key_that_is_unknown_or_has_another_secret_is_rejected() {
    let world = World::new();
    let secret =
        world.scratch.write("wrong.secret", "d3Jvbmctc2VjcmV0LW9mLXRoaXJ0eS10d28tYnl0ZXMh").expect("written");
    close(&secret);
    for acme in
        [json!({ "rfc2136": { "key_name": "unknown-key" } }), json!({ "rfc2136": { "secret_file": secret } })]
    {
        let cause = fails(&world, &world.config_with(acme), "cert_tsig_rejected");
        assert!(cause.hint.contains("secret"), "{cause:?}");
    }
}

#[test]
fn a_name_server_with_another_time_of_day_or_another_zone_says_notauth() {
    let world = World::new();
    let at = free_address().expect("an address");
    let zone = previews(at).grant(&world.key, CHALLENGE);
    let _late = Knot::with_clock("+10m", at, &[zone], std::slice::from_ref(&world.key)).expect("Knot");
    let config = world.config_with(json!({ "rfc2136": { "server": at } }));
    let cause = fails(&world, &config, "cert_zone_or_clock");
    assert!(cause.message.contains("whose clock is ") && cause.hint.contains("clock"), "{cause:?}");
    let cause = fails(&world, &world.config_with(json!({ "zone": "test" })), "cert_zone_or_clock");
    assert!(cause.hint.contains("edge.acme.zone") && cause.message.contains("test"), "{cause:?}");
}

#[test]
fn a_name_outside_the_servers_policy_is_refused_with_the_grant_to_add() {
    let world = World::with(Special { grants: vec!["elsewhere.preview.test"], ..Special::default() });
    let cause = fails(&world, &world.config(), "cert_update_refused");
    assert!(cause.hint.contains("grant preview-key name _acme-challenge.preview.test. TXT;"), "{cause:?}");
}

#[test]
fn a_name_server_that_refuses_connections_or_keeps_silent_is_unreachable() {
    let world = World::new();
    let silent = free_address().expect("an address");
    let _silent = UdpSocket::bind((silent, 53)).expect("free");
    let cause =
        fails(&world, &world.config_with(json!({ "rfc2136": { "server": silent } })), "cert_dns_unreachable");
    assert!(cause.message.contains(&silent.to_string()), "{cause:?}");
    let nobody = free_address().expect("an address");
    let cause =
        fails(&world, &world.config_with(json!({ "rfc2136": { "server": nobody } })), "cert_dns_unreachable");
    assert!(cause.message.contains(&nobody.to_string()), "{cause:?}");
    assert!(cause.hint.contains("port 53"), "{cause:?}");
}

#[test]
fn a_wildcard_cname_that_captures_the_challenge_is_found_before_a_validation() {
    let world = World::with(Special {
        zone: Box::new(|at| Zone::primary(ZONE, &[at]).record("* CNAME elsewhere.example.")),
        ..Special::default()
    });
    let cause = fails(&world, &world.config(), "cert_challenge_captured");
    assert!(cause.message.contains("elsewhere.example"), "{cause:?}");
    assert!(cause.hint.contains("explicit record"), "{cause:?}");
    assert_eq!(world.front.count(Resource::Challenge), 0);
}

#[test]
fn a_second_name_server_that_is_behind_is_named() {
    let behind = free_address().expect("an address");
    let zone = move |at| Zone::primary(ZONE, &[at, behind]).record("* A 127.0.0.1");
    let world = World::with(Special { zone: Box::new(zone), ..Special::default() });
    let setup = named::Setup { zones: vec![zone(world.named.address)], ..named::Setup::default() };
    let _behind = Named::start(behind, setup).expect("BIND");
    let config = world.config_with(json!({ "propagation": { "timeout": "1s" } }));
    let cause = fails(&world, &config, "cert_ns_disagree");
    assert!(
        cause.message.contains(&behind.to_string()) || cause.message.contains("ns2.preview.test"),
        "{cause:?}"
    );
    assert!(cause.hint.contains("NOTIFY"), "{cause:?}");
    assert_eq!(world.front.count(Resource::Challenge), 0);
}

#[test]
fn a_caa_record_that_forbids_is_found_before_an_order() {
    let zone = |at| previews(at).record("@ CAA 0 issue \"other.example\"");
    let world = World::with(Special { zone: Box::new(zone), ..Special::default() });
    world.front.on_directory(|it| it["meta"]["caaIdentities"] = json!(["pebble.example"]));
    let cause = fails(&world, &world.config(), "cert_caa_forbids");
    assert!(cause.message.contains("other.example"), "{cause:?}");
    assert!(cause.hint.contains("pebble.example"), "{cause:?}");
    assert_eq!(world.pebble.orders(), 0);
}
