//! What operators ask the edge itself: metrics, health, readiness, and its control socket.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use preview_edge::StartError;
use preview_edge::config::{Config, Listen, Metrics};
use serde_json::Value;
use xtask::real::Scratch;
use xtask::real::curl::{Answer, curl};

use crate::edge::{Edge, config, state_dir};

#[test]
fn metrics_health_and_readiness_are_served_with_what_is_known_of_the_certificate() {
    let scratch = Scratch::new().expect("a folder");
    let edge = Edge::start(observed(&scratch));
    let health = ask(&edge, "/health");
    assert_eq!((health.status, health.header("content-type")), (200, Some("application/json")));
    let health = health.json().expect("an object");
    assert_eq!(health["status"], "ok");
    assert_eq!(health["certificate"]["source"], "self_signed");
    assert_eq!(health["certificate"]["state"], "valid");
    assert_eq!(ask(&edge, "/healthz").json().expect("an object"), health);
    assert_eq!(ask(&edge, "/ready").status, 200);
    let metrics = ask(&edge, "/metrics");
    let not_after = health["certificate"]["not_after"].as_u64().expect("a moment");
    let line = format!("preview_edge_cert_not_after_seconds{{source=\"self_signed\"}} {not_after}");
    assert!(metrics.body.contains(&line) && metrics.body.ends_with("# EOF\n"), "{}", metrics.body);
}

#[test]
fn a_page_whose_name_leads_here_and_methods_that_change_things_are_refused() {
    let scratch = Scratch::new().expect("a folder");
    let edge = Edge::start(observed(&scratch));
    let url = format!("http://{}/health", edge.metrics.expect("served"));
    assert_eq!(curl(&["--header", "host: evil.example", &url]).expect("an answer").status, 403);
    assert_eq!(curl(&["--request", "POST", &url]).expect("an answer").status, 405);
    let renew = format!("http://{}/certs/renew", edge.metrics.expect("served"));
    assert_eq!(curl(&["--request", "POST", &renew]).expect("an answer").status, 404);
}

#[test]
fn the_control_socket_is_the_owners_alone_and_renews_only_what_the_edge_orders() {
    let scratch = Scratch::new().expect("a folder");
    let _edge = Edge::start(observed(&scratch));
    let socket = state_dir(&scratch).join("control.sock");
    let mode = std::fs::metadata(&socket).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let ask = |method: &str, path: &str| {
        let socket = socket.display().to_string();
        let url = format!("http://edge{path}");
        curl(&["--unix-socket", &socket, "--request", method, &url]).expect("an answer")
    };
    assert_eq!(ask("GET", "/health").status, 200);
    let refused = ask("POST", "/certs/renew");
    assert_eq!((refused.status, code(&refused)), (409, "request_invalid".to_owned()));
}

#[test]
fn a_crowd_at_the_metrics_keeps_nobody_from_the_control_socket() {
    let scratch = Scratch::new().expect("a folder");
    let edge = Edge::start(observed(&scratch));
    let metrics = edge.metrics.expect("served");
    // More than are served at one time; each has ten seconds to ask.
    let _crowd: Vec<_> = (0..40).map(|_| TcpStream::connect(metrics).expect("connected")).collect();
    let url = format!("http://{metrics}/health");
    curl(&["--max-time", "1", &url]).expect_err("it is crowded");
    let socket = state_dir(&scratch).join("control.sock").display().to_string();
    let answer = curl(&["--max-time", "3", "--unix-socket", &socket, "http://edge/health"]);
    assert_eq!(answer.expect("an answer").status, 200);
}

#[test]
fn a_held_address_stops_an_edge_only_where_somebody_asked_for_it() {
    let scratch = Scratch::new().expect("a folder");
    let first = Edge::start(observed(&scratch));
    let held = first.metrics.expect("served").to_string();
    let (wished, other) = (Scratch::new().expect("a folder"), Scratch::new().expect("a folder"));
    let at = |scratch: &Scratch, required| {
        let listen: Listen = held.parse().expect("a place");
        Config { metrics: Some(Metrics { listen, required }), ..config(scratch) }
    };
    let refused = Edge::try_start(at(&wished, true)).err().expect("held");
    assert!(matches!(refused, StartError::Bind(_)) && refused.to_string().contains(&held), "{refused}");
    assert_eq!(Edge::start(at(&other, false)).metrics, None);
}

/// With HTTPS and metrics on ports of the system's choice.
pub(crate) fn observed(scratch: &Scratch) -> Config {
    let listen: Listen = "127.0.0.1:0".parse().expect("a place");
    Config { https: Some(listen), metrics: Some(Metrics { listen, required: true }), ..config(scratch) }
}

pub(crate) fn ask(edge: &Edge, path: &str) -> Answer {
    curl(&[format!("http://{}{path}", edge.metrics.expect("served"))]).expect("an answer")
}

fn code(answer: &Answer) -> String {
    let problem: Value = answer.json().expect("an object");
    problem["code"].as_str().expect("a code").to_owned()
}
