//! Routes come and go with the daemon's feed, and stay when the daemon goes.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use xtask::real::{Scratch, free_port, http_server, poll_for};

use crate::client::{SOON, get, wait_for};
use crate::daemon::{FakeDaemon, has_kept, route};
use crate::edge::{Edge, config, state_dir};

#[test]
fn a_route_appears_and_disappears_within_a_second() {
    let (scratch, server) = served();
    let daemon = FakeDaemon::start(&scratch);
    let edge = Edge::start(config(&scratch));
    assert_eq!(get(edge.http, HOST).expect("an answer").0, 502);
    let route = route("app", server.port);
    daemon.put(route.clone());
    let text = wait_for(edge.http, HOST, 200, Duration::from_secs(1));
    assert!(text.contains("here.txt"), "{text}");
    daemon.remove(route.id);
    wait_for(edge.http, HOST, 502, Duration::from_secs(1));
}

#[test]
fn a_start_has_the_daemons_routes_at_once() {
    let (scratch, server) = served();
    let _daemon = FakeDaemon::with_routes(&scratch, vec![route("app", server.port)]);
    let edge = Edge::start(config(&scratch));
    assert_eq!(get(edge.http, HOST).expect("an answer").0, 200);
}

#[test]
fn the_last_routes_are_served_while_the_daemon_is_away_and_renewed_when_it_is_back() {
    let (scratch, server) = served();
    let daemon = FakeDaemon::with_routes(&scratch, vec![route("app", server.port)]);
    let edge = Edge::start(config(&scratch));
    drop(daemon);
    assert_eq!(get(edge.http, HOST).expect("an answer").0, 200);
    let _daemon = FakeDaemon::start(&scratch);
    wait_for(edge.http, HOST, 502, Duration::from_secs(3));
}

#[test]
fn an_edge_starts_without_a_daemon_from_what_it_served_last() {
    let (scratch, server) = served();
    let daemon = FakeDaemon::with_routes(&scratch, vec![route("app", server.port)]);
    let edge = Edge::start(config(&scratch));
    poll_for("the table on disk", SOON, || has_kept(&state_dir(&scratch), HOST).then_some(())).expect("kept");
    drop((edge, daemon));
    let begun = Instant::now();
    let edge = Edge::start(config(&scratch));
    assert_eq!(get(edge.http, HOST).expect("an answer").0, 200);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn a_daemon_that_stands_still_stops_nothing() {
    let (scratch, server) = served();
    let daemon = FakeDaemon::with_routes(&scratch, vec![route("app", server.port)]);
    let edge = Edge::start(config(&scratch));
    drop(daemon);
    // A socket that takes connections and never answers, as that of a stopped process does.
    let _silent = std::os::unix::net::UnixListener::bind(crate::daemon::folder(&scratch).join("edge.sock"));
    for _ in 0..20 {
        assert_eq!(get(edge.http, HOST).expect("an answer").0, 200);
    }
}

#[test]
fn visits_are_reported() {
    let (scratch, server) = served();
    let daemon = FakeDaemon::with_routes(&scratch, vec![route("app", server.port)]);
    let edge = Edge::start(config(&scratch));
    assert_eq!(get(edge.http, HOST).expect("an answer").0, 200);
    let id = route("app", server.port).id.to_string();
    let visited = poll_for("a report", SOON, || {
        let reports = daemon.reports();
        reports.iter().flat_map(|it| &it.entries).find(|it| it.id == id && it.requests == 1).cloned()
    });
    assert!(visited.expect("in time").visit_ago_ms.expect("a visit") < 5_000);
    assert!(daemon.reports().iter().all(|report| report.node == "test"));
}

#[test]
fn nobody_is_dialled_who_is_not_attached() {
    let scratch = Scratch::new().expect("a folder");
    let _daemon = FakeDaemon::start(&scratch);
    let edge = Edge::start(config(&scratch));
    let unattached = TcpListener::bind(("127.0.0.1", free_port().expect("a port"))).expect("free");
    unattached.set_nonblocking(true).expect("not blocking");
    let port = unattached.local_addr().expect("bound").port();
    for host in [format!("{port}.preview.test"), format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        assert_eq!(get(edge.http, &host).expect("an answer").0, 502, "{host}");
    }
    assert!(unattached.accept().is_err(), "somebody was dialled");
}

const HOST: &str = "app.preview.test";

struct Served {
    port: u16,
    _process: xtask::real::Process,
}

/// A folder with one file, served by Python.
fn served() -> (Scratch, Served) {
    let scratch = Scratch::new().expect("a folder");
    scratch.write("www/here.txt", "here").expect("written");
    let port = free_port().expect("a port");
    let process = http_server::start(&scratch.join("www"), port).expect("Python");
    (scratch, Served { port, _process: process })
}
