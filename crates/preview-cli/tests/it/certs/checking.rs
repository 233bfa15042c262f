//! `preview certs check`: a sound configuration passes, and each fault is found under its code, with what to do.

use std::net::UdpSocket;

use serde_json::{Value, json};
use xtask::real::{Named, Zone, free_address, named};

use super::world::{World, ZONE, chmod, merge};

#[test]
fn a_sound_configuration_passes_and_leaves_nothing_behind() {
    let world = World::new();
    let found = Found::of(&world, &world.config());
    assert_eq!(found.failures(), Vec::<String>::new(), "{found:?}");
    for check in
        ["config", "state", "credentials", "cname", "zone", "nameservers", "clock", "authority", "caa"]
    {
        assert_eq!(found.levels(check), ["ok"], "{check}: {found:?}");
    }
    assert!(found.detail("txt").contains("was written, seen everywhere, and removed"), "{found:?}");
    assert_eq!((world.left(), world.pebble.orders()), (Vec::new(), 0));
    let text = world.home.told(&["certs", "check", "--no-write"]);
    assert!(!text.contains("  txt  ") && text.contains("Summary: 0 failures"), "{text}");
}

#[test]
fn each_fault_of_the_configuration_is_found_under_its_code() {
    let world = World::new();
    let (open, script) = (world.home.write("open.secret", "c2VjcmV0"), world.home.write("script", "exit 0"));
    chmod(&open, 0o644);
    let wrong = world.home.secret("wrong.secret", "d3Jvbmc=");
    let hook = |program: &std::path::Path| json!({ "solver": "exec", "exec": { "program": program } });
    let memory = std::path::PathBuf::from(format!("/dev/shm/preview-check-{}", std::process::id()));
    for (name, change, check, code) in [
        ("secret", json!({ "rfc2136": { "secret_file": wrong } }), "txt", "cert_tsig_rejected"),
        ("mode", json!({ "rfc2136": { "secret_file": open } }), "credentials", "cert_credentials_invalid"),
        ("no grant", json!({ "rfc2136": { "key_name": "stranger" } }), "txt", "cert_update_refused"),
        ("zone", json!({ "zone": "test" }), "zone", "cert_zone_or_clock"),
        ("hook", hook(&script), "credentials", "cert_hook_failed"),
        ("no hook", hook(&world.home.path().join("none")), "credentials", "cert_hook_failed"),
        ("alias", json!({ "alias": "elsewhere.preview.test" }), "cname", "cert_delegation_missing"),
        ("terms", json!({ "accept_tos": false }), "authority", "cert_tos_not_accepted"),
        ("profile", json!({ "profile": "shortlived" }), "authority", "cert_profile_unknown"),
        ("contact", json!({ "contact": "me" }), "authority", "cert_contact_invalid"),
        ("authority", json!({ "directory": "https://127.0.0.1:9/dir" }), "authority", "cert_ca_timeout"),
        ("state", json!({ "allow_ephemeral_state": false }), "state", "cert_ephemeral_state"),
    ] {
        let mut config = world.config_with(change);
        if name == "state" {
            config["edge"]["state_dir"] = json!(memory);
        }
        let found = Found::of(&world, &config);
        assert!(found.has_failed(check, code), "{name}: {found:?}");
        assert!(found.fix(check).is_some_and(|fix| !fix.is_empty()), "{name}: {found:?}");
    }
    let _ = std::fs::remove_dir_all(memory);
}

#[test]
fn what_the_directory_and_the_zone_say_is_held_against_the_order() {
    let world = World::with(|at| Zone::primary(ZONE, &[at]).record("@ CAA 0 issuewild \"another.example\""));
    world.front.on_directory(|directory| {
        directory["meta"]["caaIdentities"] = json!(["ca.example"]);
        directory["meta"]["externalAccountRequired"] = json!(true);
    });
    let found = Found::of(&world, &world.config());
    assert!(found.has_failed("caa", "cert_caa_forbids"), "{found:?}");
    assert_eq!(found.fix("caa").as_deref(), Some("publish: preview.test. CAA 0 issuewild \"ca.example\""));
    assert!(found.has_failed("authority", "cert_eab_required"), "{found:?}");
}

#[test]
fn a_clock_that_is_two_days_off_is_found_by_the_authoritys() {
    let world = World::new();
    world.configure(&world.config());
    let mut command = std::process::Command::new("faketime");
    let preview = xtask::real::bin("preview").expect("built");
    command.arg("+2 days").arg(preview).args(["certs", "check", "--no-write", "--json"]);
    command.current_dir(world.home.path()).env("HOME", world.home.path());
    let output = command.output().expect("faketime runs");
    let found = Found::read(&output.stdout);
    assert!(found.has_failed("clock", "cert_clock_wrong"), "{found:?}");
}

#[test]
fn a_wildcard_cname_that_captures_the_challenge_is_found() {
    let world = World::with(|at| Zone::primary(ZONE, &[at]).record("* CNAME elsewhere.example."));
    let found = Found::of(&world, &world.config());
    assert!(found.has_failed("cname", "cert_challenge_captured"), "{found:?}");
}

#[test]
fn a_second_name_server_that_is_behind_is_found_and_one_that_is_silent_too() {
    let (first, second) = (free_address().expect("an address"), free_address().expect("an address"));
    let zone = Zone::primary(ZONE, &[first, second]).option("notify no;");
    let world = World::at(first, zone);
    let zones = vec![Zone::secondary(ZONE, first)];
    let mut behind = Named::start(second, named::Setup { zones, ..Default::default() }).expect("BIND");
    let found = Found::of(&world, &world.config());
    assert!(found.has_failed("txt", "cert_ns_disagree"), "{found:?}");
    assert!(found.detail("txt").contains("ns2.preview.test"), "{found:?}");
    assert_eq!(world.left(), Vec::<String>::new(), "it is removed all the same");
    behind.stop();
    let found = Found::of(&world, &world.config());
    assert!(found.has_failed("nameservers", "cert_dns_unreachable"), "{found:?}");
}

#[test]
fn a_delegation_that_is_missing_wrong_or_signed_and_a_port_that_is_taken_are_found() {
    let edge = free_address().expect("an address");
    let builtin = |world: &World| {
        world.config_with(json!({
            "solver": "builtin",
            "dns": { "listen": [edge.to_string()], "ns": ["acme-ns.preview.test"] },
        }))
    };
    let acme_ns = move |zone: Zone| zone.record(&format!("acme-ns A {edge}"));
    let missing = World::with(|at| acme_ns(Zone::primary(ZONE, &[at])));
    let found = Found::of(&missing, &builtin(&missing));
    assert!(found.has_failed("delegation", "cert_delegation_missing"), "{found:?}");
    let fix = found.fix("delegation").expect("a fix");
    assert!(fix.contains("_acme-challenge.preview.test. NS acme-ns.preview.test."), "{fix}");

    let held = UdpSocket::bind((edge, 53)).expect("free");
    let found = Found::of(&missing, &builtin(&missing));
    assert!(found.has_failed("port", "cert_dns_bind"), "{found:?}");
    drop(held);

    let signed = World::with(|at| {
        acme_ns(Zone::primary(ZONE, &[at])).record("_acme-challenge NS acme-ns").record(
            "_acme-challenge DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000",
        )
    });
    let found = Found::of(&signed, &builtin(&signed));
    assert!(found.has_failed("dnssec", "cert_dnssec_broken"), "{found:?}");
}

#[test]
fn the_built_in_server_is_tried_through_the_delegation_where_no_edge_runs() {
    let (edge, resolver) = (free_address().expect("an address"), free_address().expect("an address"));
    let world = World::with(|at| {
        let zone = Zone::primary(ZONE, &[at]).record(&format!("acme-ns A {edge}"));
        zone.record("_acme-challenge NS acme-ns")
    });
    let zones = vec![Zone::stub(ZONE, world.named.address)];
    let setup = named::Setup { zones, recursion: true, ..Default::default() };
    let resolver = Named::start(resolver, setup).expect("BIND");
    let mut config = world.config_with(json!({
        "solver": "builtin",
        "resolvers": [resolver.place().to_string()],
        "dns": { "listen": [edge.to_string()], "ns": ["acme-ns.preview.test"] },
    }));
    let found = Found::of(&world, &config);
    assert_eq!(found.failures(), Vec::<String>::new(), "{found:?}");
    assert!(found.detail("delegation").contains("delegates _acme-challenge.preview.test"), "{found:?}");
    assert!(found.detail("nameservers").contains("acme-ns.preview.test"), "{found:?}");
    assert!(found.detail("txt").contains("was written, seen everywhere"), "{found:?}");
    merge(&mut config["edge"]["acme"], json!({ "dns": { "ns": ["other-ns.preview.test"] } }));
    let found = Found::of(&world, &config);
    assert!(found.has_failed("delegation", "cert_delegation_missing"), "{found:?}");
}

#[test]
fn a_zone_that_validating_resolvers_refuse_is_found() {
    let at = free_address().expect("an address");
    let world = World::at(at, Zone::primary(ZONE, &[at]));
    let zones = vec![Zone::stub(ZONE, at)];
    // It was told that the zone is signed by a key that signs nothing there.
    let anchor = format!("{ZONE}. static-ds 1 13 2 \"{}\";", "00".repeat(32));
    let setup = named::Setup { zones, recursion: true, trust_anchors: anchor, ..Default::default() };
    let validating = Named::start(free_address().expect("an address"), setup).expect("BIND");
    let resolvers = json!({ "resolvers": [validating.place().to_string()] });
    let found = Found::of(&world, &world.config_with(resolvers));
    let broken = |check: &str| found.has_failed(check, "cert_dnssec_broken");
    assert!(broken("dnssec") || broken("cname") || broken("zone"), "{found:?}");
}

#[test]
fn pairs_that_somebody_else_renews_are_judged_too() {
    let world = World::new();
    let mut config = world.config();
    config["edge"]["tls"] = json!({ "mode": "files", "folder": world.home.folder("pairs") });
    let found = Found::of(&world, &config);
    assert!(found.has_failed("pair", "cert_pair_invalid"), "{found:?}");
}

/// What was found.
#[derive(Debug)]
struct Found(Vec<Value>);

impl Found {
    fn of(world: &World, config: &Value) -> Self {
        world.configure(config);
        let output = world.home.preview(&["certs", "check", "--json"]);
        let found = Self::read(&output.stdout);
        let ends = i32::from(!found.failures().is_empty());
        assert_eq!(output.status.code(), Some(ends), "{found:?}");
        found
    }

    fn read(output: &[u8]) -> Self {
        let text = String::from_utf8_lossy(output);
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        Self(report["checks"].as_array().expect("a list").clone())
    }

    fn of_check<'f>(&'f self, check: &'f str) -> impl Iterator<Item = &'f Value> {
        self.0.iter().filter(move |it| it["check"] == check)
    }

    fn levels(&self, check: &str) -> Vec<String> {
        self.of_check(check).map(|it| it["level"].as_str().expect("a word").to_owned()).collect()
    }

    fn failures(&self) -> Vec<String> {
        let failed = self.0.iter().filter(|it| it["level"] == "fail");
        failed.map(|it| it["check"].as_str().expect("a word").to_owned()).collect()
    }

    fn has_failed(&self, check: &str, code: &str) -> bool {
        self.of_check(check).any(|it| it["level"] == "fail" && it["code"] == code)
    }

    fn detail(&self, check: &str) -> String {
        let details: Vec<_> = self.of_check(check).filter_map(|it| it["detail"].as_str()).collect();
        details.join("\n")
    }

    fn fix(&self, check: &str) -> Option<String> {
        self.of_check(check).find_map(|it| it["fix"].as_str().map(str::to_owned))
    }
}
