//! Who listens: a port is not an identity.

use std::process::Command;

use preview_core::listener::Loopback;
use xtask::real::{Process, Scratch, free_port, http_server};

use crate::client::{SOON, get, wait_for};
use crate::daemon::{FakeDaemon, route, route_to};
use crate::edge::{Edge, config};

const HOST: &str = "app.preview.test";

#[test]
fn another_users_server_on_the_port_gets_no_byte() {
    let scratch = Scratch::new().expect("a folder");
    let port = free_port().expect("a port");
    let server = http_server::start(scratch.path(), port).expect("Python");
    let daemon = FakeDaemon::with_routes(&scratch, vec![route("app", port)]);
    daemon.admit(true);
    let edge = Edge::start(config(&scratch));
    assert_eq!(get(edge.http, HOST).expect("an answer").0, 200);
    drop(server);

    let mut squatter = Squatter::start(port);
    for _ in 0..3 {
        assert_ne!(get(edge.http, HOST).expect("an answer").0, 200);
    }
    assert_eq!(squatter.received(), "0 bytes", "nothing reaches it");
    assert_eq!(daemon.asked(), [], "the kernel says enough");
}

#[test]
fn a_squatter_beside_a_wildcard_listener_gets_no_byte() {
    let scratch = Scratch::new().expect("a folder");
    let port = free_port().expect("a port");
    let words = ["python3", "-m", "http.server", &port.to_string(), "--bind", "0.0.0.0"];
    let mut server = Process::spawn_line(&words, scratch.path()).expect("Python");
    server.wait_for_port(port, SOON).expect("it listens");
    let _daemon = FakeDaemon::with_routes(&scratch, vec![route("app", port)]);
    let edge = Edge::start(config(&scratch));
    assert_eq!(get(edge.http, HOST).expect("an answer").0, 200);
    // Whoever listens everywhere holds the more exact addresses as well.
    let refused = Squatter::try_start(port).err().expect("the address is held");
    assert!(refused.contains("Address already in use"), "{refused}");
    assert_eq!(get(edge.http, HOST).expect("an answer").0, 200);
}

#[test]
fn a_squatter_on_the_other_loopback_is_not_even_dialled() {
    let scratch = Scratch::new().expect("a folder");
    let port = free_port().expect("a port");
    let words = ["python3", "-m", "http.server", &port.to_string(), "--bind", "::1"];
    let mut server = Process::spawn_line(&words, scratch.path()).expect("Python");
    server.wait_for_port(port, SOON).expect("it listens");
    let squatter = Squatter::start(port);
    let _daemon = FakeDaemon::with_routes(&scratch, vec![route_to("app", Loopback::V6, port)]);
    let edge = Edge::start(config(&scratch));
    assert_eq!(get(edge.http, HOST).expect("an answer").0, 200);
    assert!(!squatter.process.output().contains("connection over"), "{}", squatter.process.output());
}

#[test]
fn a_server_that_was_restarted_is_admitted_by_the_daemon_once() {
    let scratch = Scratch::new().expect("a folder");
    let port = free_port().expect("a port");
    let server = http_server::start(scratch.path(), port).expect("Python");
    let daemon = FakeDaemon::with_routes(&scratch, vec![route("app", port)]);
    let edge = Edge::start(config(&scratch));
    assert_eq!(get(edge.http, HOST).expect("an answer").0, 200);
    drop(server);
    let _server = http_server::start(scratch.path(), port).expect("Python");
    assert_ne!(get(edge.http, HOST).expect("an answer").0, 200, "the daemon refuses it");
    daemon.admit(true);
    for _ in 0..3 {
        wait_for(edge.http, HOST, 200, SOON);
    }
    let asked = daemon.asked();
    assert!(asked.windows(2).all(|two| two[0] == two[1]), "{asked:?}");
    let until_admitted = asked.len();
    wait_for(edge.http, HOST, 200, SOON);
    assert_eq!(daemon.asked().len(), until_admitted, "what was admitted is remembered");
}

#[test]
fn a_new_socket_is_refused_while_the_daemon_is_away_or_stands_still() {
    let scratch = Scratch::new().expect("a folder");
    let port = free_port().expect("a port");
    let server = http_server::start(scratch.path(), port).expect("Python");
    let daemon = FakeDaemon::with_routes(&scratch, vec![route("app", port)]);
    daemon.admit(true);
    daemon.hang();
    let edge = Edge::start(config(&scratch));
    assert_eq!(get(edge.http, HOST).expect("an answer").0, 200);
    drop(server);
    let _server = http_server::start(scratch.path(), port).expect("Python");
    assert_ne!(get(edge.http, HOST).expect("an answer within the two seconds of a call").0, 200);
    drop(daemon);
    assert_ne!(get(edge.http, HOST).expect("an answer").0, 200);
}

/// A server of user 65534 that takes connections and tells how many bytes it got.
struct Squatter {
    process: Process,
}

const SQUATTER: &str = "
import socket, sys, threading
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', int(sys.argv[1])))
s.listen()
print('listening', flush=True)
got = 0
while True:
    c, _ = s.accept()
    while True:
        data = c.recv(4096)
        if not data: break
        got += len(data)
    print('connection over,', got, 'bytes', flush=True)
    c.close()
";

impl Squatter {
    fn start(port: u16) -> Self {
        Self::try_start(port).expect("it listens")
    }

    fn try_start(port: u16) -> Result<Self, String> {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        // The system's own: one under a home folder is closed to that user.
        command.args(["/usr/bin/python3", "-c", SQUATTER]);
        let mut process = Process::spawn(command.arg(port.to_string())).map_err(|error| error.to_string())?;
        process.wait_for_line("listening", SOON).map_err(|error| error.to_string())?;
        Ok(Self { process })
    }

    /// What it says it got in the connections it saw; it must have seen one.
    fn received(&mut self) -> String {
        let line = self.process.wait_for_line("connection over", SOON).expect("it was dialled");
        line.split(", ").nth(1).unwrap_or(&line).to_owned()
    }
}
