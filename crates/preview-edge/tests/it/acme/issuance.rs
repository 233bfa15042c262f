//! From nothing to a certificate that clients accept.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use xtask::real::front::{Act, Answer, Resource, When};
use xtask::real::{Browser, Front, Pebble, curl, pebble};

use super::edges::{Doors, Scaled, Shipped, acme, read};
use super::world::{CHALLENGE, HOST, Special, World};
use crate::client::SOON;

#[test]
fn a_wildcard_from_nothing_is_accepted_by_curl_and_chromium_and_leaves_no_record() {
    let world = World::refusing_nonces(5);
    let edge = Shipped::start(world.scratch.path(), &world.config(), &[]);
    edge.doors.certificate(&world.issuing_root());
    is_accepted(&world, &edge.doors);
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
    let (staging, stage, both) = another(&world);
    let (stage, rehearsed) = (Arc::new(stage), Arc::new(AtomicUsize::new(0)));
    let (looked_at, seen) = (Arc::clone(&stage), Arc::clone(&rehearsed));
    let look = move || seen.store(looked_at.count(Resource::Certificate), Ordering::Relaxed);
    world.front.on(Resource::NewOrder, When::Always, Act::Before(Box::new(look)));
    let config = world.config_with(json!({ "staging": stage.directory(), "ca_roots_file": both }));
    let edge = Scaled::start(&config);
    edge.doors.certificate(&world.issuing_root());
    assert_eq!((staging.issued(), world.pebble.issued()), (1, 1));
    assert_eq!(rehearsed.load(Ordering::Relaxed), 1, "the rehearsal comes first");
    assert_eq!(world.left(), [""; 0]);
}

#[test]
fn an_authority_that_fails_for_too_long_is_replaced_by_the_fallback() {
    let world = World::new();
    let (other, _, both) = another(&world);
    let busy = Answer::problem(503, "serverInternal", "busy");
    world.front.on(Resource::NewOrder, When::Always, Act::Answer(busy));
    let fallback = json!({ "directory": other.directory() });
    let mut config = read(&world.config_with(json!({ "fallback": fallback, "ca_roots_file": both })));
    acme(&mut config).timers.fallback_after = Duration::from_secs(1);
    let edge = Scaled::run(config);
    let root = std::fs::read(other.issuing_root().expect("Pebble tells")).expect("a file");
    edge.doors.certificate(&root);
    assert_eq!((other.issued(), world.pebble.issued(), world.left()), (1, 0, vec![]));
}

#[test]
fn a_certificate_of_our_own_may_be_shown_until_the_first_one_is_there() {
    let world = World::new();
    world.front.on(
        Resource::NewOrder,
        When::Always,
        Act::Answer(Answer::problem(503, "serverInternal", "busy")),
    );
    let mut config = world.config();
    config["edge"]["tls"]["until_first"] = json!("self_signed");
    let edge = Scaled::start(&config);
    let shown = || crate::certificates::s_client(edge.doors.https, HOST, &[]);
    assert!(shown().contains("BEGIN CERTIFICATE"), "{}", shown());
    assert!(edge.doors.shown(&world.issuing_root()).is_none());
    world.front.clear();
    edge.doors.certificate(&world.issuing_root());
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

/// A second authority that asks the world's name server, and a file with the roots of both.
fn another(world: &World) -> (Pebble, Front, PathBuf) {
    let settings = pebble::Settings { dns: Some(world.named.place()), nonce_reject: 0, ..Default::default() };
    let pebble = Pebble::start(&settings).expect("Pebble");
    let front = Front::start(&pebble).expect("a front");
    let roots = [world.front.roots_file(), front.roots_file()].map(|it| std::fs::read(it).expect("roots"));
    let both = world.scratch.write("both.pem", roots.concat()).expect("written");
    (pebble, front, both)
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

/// Has curl and Chromium, which trust the authority, open a page of the edge.
pub(super) fn is_accepted(world: &World, doors: &Doors) {
    let root = world.pebble.issuing_root().expect("Pebble tells");

    let answer = curl::curl(&[
        "--cacert",
        &root.display().to_string(),
        "--connect-to",
        &format!("::{}", doors.https),
        &format!("https://{HOST}/"),
    ]);
    // Nothing is attached: the edge's own page says so.
    assert_eq!(answer.expect("curl accepts it").status, 502);
    let browser = Browser::new().trust(&root).resolve("*.preview.test", &doors.https.to_string());
    let opened = browser.open(&format!("https://{HOST}/"), None).expect("Chromium accepts it");
    assert_eq!(opened.status, Some(502), "{opened:?}");
}
