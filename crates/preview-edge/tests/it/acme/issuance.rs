//! From nothing to a certificate that clients accept.

use std::time::{Duration, Instant};

use serde_json::json;
use xtask::real::front::Resource;
use xtask::real::{Browser, Front, Pebble, curl, pebble};

use super::edges::{Scaled, Shipped};
use super::world::{CHALLENGE, HOST, Special, World};
use crate::client::SOON;

#[test]
fn a_wildcard_from_nothing_is_accepted_by_curl_and_chromium_and_leaves_no_record() {
    let world = World::refusing_nonces(5);
    let edge = Shipped::start(world.scratch.path(), &world.config(), &[]);
    edge.doors.certificate(&world.issuing_root());
    let root = world.pebble.issuing_root().expect("Pebble tells");

    let answer = curl::curl(&[
        "--cacert",
        &root.display().to_string(),
        "--connect-to",
        &format!("::{}", edge.doors.https),
        &format!("https://{HOST}/"),
    ]);
    // Nothing is attached: the edge's own page says so.
    assert_eq!(answer.expect("curl accepts it").status, 502);
    let browser = Browser::new().trust(&root).resolve("*.preview.test", &edge.doors.https.to_string());
    let opened = browser.open(&format!("https://{HOST}/"), None).expect("Chromium accepts it");
    assert_eq!(opened.status, Some(502), "{opened:?}");

    assert_eq!((world.pebble.issued(), world.left()), (1, vec![]));
}

#[test]
fn an_authority_that_refuses_every_third_nonce_issues_all_the_same() {
    let world = World::refusing_nonces(30);
    let edge = Scaled::start(&world.config());
    edge.doors.certificate(&world.issuing_root());
    assert_eq!((world.pebble.issued(), world.left()), (1, vec![]));
}

#[test]
fn apex_wildcard_and_the_daemons_host_are_on_one_certificate() {
    let own = "_acme-challenge.daemon.control.preview.test";
    let world = World::with(Special { grants: vec![CHALLENGE, own], ..Special::default() });
    let mut config = world.config_with(json!({ "names": ["preview.test", "covered.preview.test"] }));
    config["edge"]["daemon_host"] = json!("daemon.control.preview.test");
    let edge = Scaled::start(&config);
    let shown = edge.doors.certificate(&world.issuing_root());
    assert_eq!(names(&shown), ["*.preview.test", "daemon.control.preview.test", "preview.test"]);
    assert_eq!(world.left(), [""; 0]);
    assert_eq!(world.named.txt(own).expect("BIND answers"), [""; 0]);
}

#[test]
fn a_restart_shows_the_stored_certificate_with_authority_and_dns_down() {
    let mut world = World::new();
    let mut edge = Shipped::start(world.scratch.path(), &world.config(), &[]);
    let roots = world.issuing_root();
    let shown = edge.doors.certificate(&roots);
    world.pebble.stop();
    world.named.stop();
    edge.process.kill();
    let begun = Instant::now();
    edge.restart();
    assert_eq!(edge.doors.certificate(&roots), shown);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_hook_written_for_lego_serves_as_it_is() {
    let world = World::new();
    let edge = Scaled::start(&world.config_with(super::hook::updating(&world, "", "")));
    edge.doors.certificate(&world.issuing_root());
    assert_eq!((world.pebble.issued(), world.left()), (1, vec![]));
}

#[test]
fn the_first_certificate_is_rehearsed_at_staging() {
    let world = World::new();
    let dns = Some(world.named.place());
    let staging = Pebble::start(&pebble::Settings { dns, nonce_reject: 0, ..pebble::Settings::default() });
    let staging = staging.expect("Pebble");
    let stage = Front::start(&staging).expect("a front");
    // One file of roots serves both.
    let both =
        [world.front.roots_file(), stage.roots_file()].map(|it| std::fs::read(it).expect("roots")).concat();
    let both = world.scratch.write("both.pem", both).expect("written");
    let config = world.config_with(json!({ "staging": stage.directory(), "ca_roots_file": both }));
    let edge = Scaled::start(&config);
    edge.doors.certificate(&world.issuing_root());
    assert_eq!((staging.orders(), world.pebble.orders()), (1, 1));
    let first = |front: &Front| front.log().iter().position(|it| it.request.resource == Resource::NewOrder);
    assert!(first(&stage).is_some() && first(&world.front).is_some());
    assert_eq!(world.left(), [""; 0]);
}

#[test]
fn without_a_certificate_clients_get_an_alert_and_readiness_the_reason() {
    let mut world = World::new();
    world.pebble.stop();
    let edge = Scaled::start(&world.config());
    let report = xtask::real::poll_for("a reason", SOON, || {
        Some(edge.doors.ask("/ready")).filter(|it| it.to_string().contains("cert_ca_"))
    });
    let report = report.expect("it is told");
    assert_eq!(
        (report["status"].as_str(), report["reasons"][0]["code"].as_str()),
        (Some("not_ready"), Some("cert_pending"))
    );
    assert!(edge.doors.shown(&[]).is_none());
    let text = crate::certificates::s_client(edge.doors.https, HOST, &[]);
    assert!(!text.contains("BEGIN CERTIFICATE") && text.contains("alert"), "{text}");
}

/// The DNS names of a certificate (DER), sorted.
pub(super) fn names(certificate: &[u8]) -> Vec<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).expect("a certificate");
    let extension = parsed.subject_alternative_name().expect("readable").expect("it has names");
    let mut names: Vec<String> = extension
        .value
        .general_names
        .iter()
        .map(|name| match name {
            x509_parser::extensions::GeneralName::DNSName(name) => (*name).to_owned(),
            other => panic!("no DNS name: {other:?}"),
        })
        .collect();
    names.sort();
    names
}
