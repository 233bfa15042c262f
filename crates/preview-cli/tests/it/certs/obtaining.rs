//! A certificate by hand: without an edge, and by one that runs.

use std::sync::mpsc;

use serde_json::{Value, json};
use xtask::real::curl::curl;
use xtask::real::front::{Act, Resource, When};
use xtask::real::poll_for;

use super::world::World;
use crate::home::SOON;

#[test]
fn issue_needs_no_edge_says_each_step_and_orders_nothing_twice() {
    let world = World::new();
    world.configure(&world.config());
    let empty = world.home.json(&["certs", "list"]);
    assert_eq!((&empty["state"], &empty["cause"]["code"]), (&json!("empty"), &json!("cert_pending")));

    let told = world.home.told(&["certs", "issue", "--json"]);
    let events: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let steps: Vec<&str> = events.iter().filter_map(|it| it["state"].as_str()).collect();
    assert!(!steps.is_empty() && steps.len() < events.len(), "{told}");
    let end = events.last().expect("an end");
    assert_eq!((&end["event"], &end["certificate"]["state"]), (&json!("issued"), &json!("valid")));
    assert_eq!(end["certificate"]["names"], json!(["*.preview.test"]));
    assert_eq!((world.pebble.issued(), world.left()), (1, Vec::new()));

    let list = world.home.told(&["certs", "list"]);
    assert!(list.contains("state\tvalid") && list.contains("good until\t"), "{list}");
    let again = world.home.preview(&["certs", "issue"]);
    assert!(again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing is due"), "{again:?}");
    assert_eq!(world.pebble.issued(), 1);
    world.home.told(&["certs", "renew"]);
    assert_eq!(world.pebble.issued(), 2, "renew orders in any case");
}

#[test]
fn a_running_edge_is_followed_until_its_new_certificate_is_in_force() {
    let world = World::new();
    let config = world.config();
    world.configure(&config);
    let _edge = world.edge();
    let list = || world.home.json(&["certs", "list"]);
    let first = poll_for("a certificate", SOON, || Some(list()).filter(|it| it["state"] == "valid"))
        .expect("it is ordered by itself");

    // The authority does not say what is to be proved before the person was told that the order is placed.
    let (go_on, told_to) = mpsc::channel();
    let wait = move || {
        let _ = told_to.recv_timeout(SOON);
    };
    world.front.on(Resource::Authorization, When::Nth(1), Act::Before(Box::new(wait)));
    let mut renewing = world.home.start(&["certs", "renew"], world.home.path());
    renewing.wait_for_line("the order is placed", SOON).expect("each step is told that lasts");
    go_on.send(()).expect("the authority waits");
    let ended = renewing.wait(SOON).expect("it ends");
    let told = renewing.output();
    assert!(ended.success() && told.contains("state\tvalid"), "{told}");
    assert_eq!((world.pebble.issued(), world.left()), (2, Vec::new()));
    assert_eq!(list()["state"], "valid");
    assert!(list()["not_before"].as_u64() >= first["not_before"].as_u64());

    let ask = |path: &str| {
        let at = config["edge"]["metrics"]["listen"].as_str().expect("a place");
        curl(&[format!("http://{at}{path}")]).expect("an answer")
    };
    assert_eq!(ask("/ready").status, 200);
    let metrics = ask("/metrics").body;
    assert!(metrics.contains("preview_edge_acme_state{state=\"valid\"} 1"), "{metrics}");
    let orders = metrics.lines().find(|line| {
        line.starts_with("preview_edge_acme_attempts_total")
            && line.contains("step=\"order\"")
            && line.contains("result=\"ok\"")
    });
    assert!(orders.is_some(), "{metrics}");
    assert!(!metrics.contains(&world.key.secret), "no secret is told");
}

#[test]
fn up_with_a_domain_gets_its_certificate_by_itself() {
    let world = World::new();
    let config = world.config();
    world.configure(&config);
    let mut up = world.home.start(&["up", "--domain", "test"], world.home.path());
    up.wait_for_line("`preview certs list` says how far it is", SOON).expect("it serves, and says so");
    let list = || world.home.json(&["certs", "list"]);
    let valid = || Some(list()).filter(|it| it["state"] == "valid");
    let list = poll_for("a certificate", SOON, valid).expect("it is ordered");
    assert_eq!(list["names"], json!(["*.preview.test"]));
    let root = world.pebble.issuing_root().expect("Pebble tells").display().to_string();
    let https = config["edge"]["https"].as_str().expect("a place");
    let to = format!("::{https}");
    let answer = curl(&["--cacert", &root, "--connect-to", &to, "https://app.preview.test/"]);
    assert_eq!(answer.expect("curl accepts the certificate").status, 502);
}

#[test]
fn an_authority_that_is_down_is_named_with_what_to_do_by_an_edge_and_without_one() {
    let mut world = World::new();
    let config = world.config_with(json!({ "directory": world.pebble.directory() }));
    world.configure(&config);
    world.pebble.stop();
    let text = world.home.refused(&["certs", "issue"], 1);
    assert!(text.contains("cert_ca_timeout × ") && text.contains("help: "), "{text}");
    let failed = world.home.json(&["certs", "list"]);
    assert_eq!((&failed["state"], &failed["failures"]), (&json!("backoff"), &json!(1)), "{failed}");

    let _edge = world.edge();
    let text = world.home.refused(&["certs", "renew"], 1);
    assert!(text.contains("cert_ca_timeout × "), "{text}");
    let doctor = world.home.preview(&["doctor"]);
    let doctor = String::from_utf8_lossy(&doctor.stdout);
    assert!(doctor.contains("fail  tls.acme"), "{doctor}");
    assert!(doctor.contains("code: cert_ca_timeout"), "{doctor}");
}

#[test]
fn certificates_that_are_not_ordered_here_cannot_be_renewed_here() {
    let world = World::new();
    let mut config = world.config();
    config["edge"]["tls"]["mode"] = json!("self_signed");
    world.configure(&config);
    let text = world.home.refused(&["certs", "renew"], 2);
    assert!(text.contains("edge.tls.mode is self_signed"), "{text}");
    assert_eq!(world.home.json(&["certs", "list"])["state"], "empty");
}
