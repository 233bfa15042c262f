//! `static` mode: no daemon, the port in the host name, as the seed's nginx does it, but for ports that may be
//! dialled alone.

use std::net::TcpListener;

use preview_core::access::AccessMode;
use preview_edge::config::{Config, Mode};
use xtask::real::{Scratch, free_port};

use crate::edge::{Edge, config};
use crate::recorder::{Recorder, values};
use crate::stage::set_template;
use crate::viewer::{NAVIGATION, get};

#[test]
fn the_port_in_the_name_is_dialled_and_told_as_the_seeds_nginx_tells_it() {
    let server = Recorder::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    let (_scratch, edge) = start(|_| {});
    let host = host(server.port);
    assert_eq!(get(edge.http, &host, "/x?y", NAVIGATION).status(), 200);
    let request = server.request();
    assert!(request.starts_with("GET /x?y HTTP/1.1\r\n"));
    for (name, value) in [("host", host.as_str()), ("x-real-ip", "127.0.0.1"), ("x-forwarded-proto", "http")]
    {
        assert_eq!(values(&request, name), [value]);
    }
}

#[test]
fn a_port_without_listener_outside_the_range_denied_or_badly_spelt_is_502_and_not_dialled() {
    let closed = free_port().expect("a port");
    let denied = TcpListener::bind(("127.0.0.1", free_port().expect("a port"))).expect("free");
    let denied_port = denied.local_addr().expect("bound").port();
    let (_scratch, edge) = start(|config| {
        config.ports.deny = [preview_core::ports::Port::new(denied_port).expect("not zero")].into();
    });
    denied.set_nonblocking(true).expect("not blocking");
    for port in ["22", "443", "8", "0", "65536", "99999999", "03001", "+3001", "3001%00", "-1", "", "a"] {
        let answer = get(edge.http, &format!("preview-{port}.preview.test"), "/", "");
        assert!(matches!(answer.status(), 400 | 502), "{port}: {answer:?}");
    }
    for port in [closed, denied_port, edge.http.port()] {
        assert_eq!(get(edge.http, &host(port), "/", "").status(), 502, "{port}");
    }
    assert!(denied.accept().is_err(), "somebody was dialled");
}

fn host(port: u16) -> String {
    format!("preview-{port}.preview.test")
}

fn start(change: impl FnOnce(&mut Config)) -> (Scratch, Edge) {
    let scratch = Scratch::new().expect("a folder");
    let mut config = config(&scratch);
    config.mode = Mode::Static;
    config.access.mode = AccessMode::Open;
    set_template(&mut config, "http://preview-{port}.preview.test");
    change(&mut config);
    let edge = Edge::start(config);
    (scratch, edge)
}
