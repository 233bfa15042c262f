//! The program that is shipped, killed outright.

use std::time::{Duration, Instant};

use xtask::real::{Scratch, Signal, bin, free_port, http_server, poll_for};

use crate::client::{SOON, connect, get, wait_for};
use crate::daemon::{FakeDaemon, has_kept, route};
use crate::edge::{Edge, Program, config, state_dir};

const HOST: &str = "app.preview.test";

#[test]
fn an_edge_that_is_killed_is_back_within_a_second_with_the_daemon_away() {
    let scratch = Scratch::new().expect("a folder");
    let port = free_port().expect("a port");
    let _server = http_server::start(scratch.path(), port).expect("Python");
    let daemon = FakeDaemon::with_routes(&scratch, vec![route("app", port)]);
    let mut program = Program::start(&scratch);
    wait_for(program.http, HOST, 200, SOON);
    poll_for("the table on disk", SOON, || has_kept(&state_dir(&scratch), HOST).then_some(())).expect("kept");
    drop(daemon);
    program.process.wait_for_line("its last routes stay in force", SOON).expect("it says so");
    // Connections of the one that dies must not hold the address.
    let _open = connect(program.http).expect("connected");
    let begun = Instant::now();
    program.kill_and_restart();
    wait_for(program.http, HOST, 200, SOON);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn a_second_edge_on_the_same_address_or_folder_is_refused() {
    let scratch = Scratch::new().expect("a folder");
    let program = Program::start(&scratch);
    wait_for(program.http, HOST, 502, SOON);
    let refused = Edge::try_start(config(&scratch)).err().expect("the folder is taken").to_string();
    assert!(refused.contains("state_in_use"), "{refused}");
    let other = Scratch::new().expect("a folder");
    let http = Some(program.http.to_string().parse().expect("a place"));
    let refused =
        Edge::try_start(preview_edge::Config { http, ..config(&other) }).err().expect("in use").to_string();
    assert!(refused.contains("in use") && refused.contains(&program.http.to_string()), "{refused}");
}

#[test]
fn told_to_stop_it_ends_what_it_began_and_goes() {
    let scratch = Scratch::new().expect("a folder");
    let mut program = Program::start(&scratch);
    wait_for(program.http, HOST, 502, SOON);
    // A connection without a request is not waited for.
    let _idle = connect(program.http).expect("connected");
    program.process.signal(Signal::TERM).expect("sent");
    let status = program.process.wait(SOON).expect("it ends");
    assert!(status.success(), "{status}");
    assert!(get(program.http, HOST).is_err());
}

#[test]
fn a_bad_configuration_is_named_and_ends_it_with_2() {
    let scratch = Scratch::new().expect("a folder");
    let config = scratch.write("bad.yaml", "web_preview:\n  edge: { http: nowhere }\n").expect("written");
    let output = std::process::Command::new(bin("preview-edge").expect("built"))
        .arg("--config")
        .arg(&config)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("bad.yaml:2") && text.contains("edge.http"), "{text}");
}
