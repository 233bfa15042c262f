//! Addresses that cannot be listened on.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use hickory_proto::rr::RecordType;
use preview_core::clock::Wall;
use xtask::real::named::{Named, Setup};
use xtask::real::{Zone, free_address, free_port_outside, poll_for};

use super::asking::{CHALLENGE, PATIENCE, ask, at, challenge, question, start, start_again};
use crate::cert::Failure;
use crate::config::Dns;
use crate::dns;

#[test]
fn the_program_that_has_the_port_is_named() {
    let address = free_address().expect("a free address");
    let zones = vec![Zone::primary("preview.test", &[address])];
    let _named = Named::start(address, Setup { zones, ..Setup::default() }).expect("starts");
    let failure = refusal(SocketAddr::new(address.into(), 53));
    let text = failure.to_string();
    assert!(text.contains(&format!("cannot listen on {address}:53: named (process ")), "{text}");
    assert!(failure.hint().contains("instead of 0.0.0.0"), "{}", failure.hint());
}

#[test]
fn either_protocol_is_enough_to_be_in_the_way_even_at_another_address() {
    let address = SocketAddr::new(free_address().expect("a free address").into(), 53);
    let udp = UdpSocket::bind(address).expect("free");
    let own = std::process::id();
    let text = refusal(address).to_string();
    assert!(text.contains(&format!("(process {own}) has {address} by UDP")), "{text}");
    drop(udp);
    // A program that another test starts holds our sockets until it is one.
    let tcp = poll_for("the port", PATIENCE, || TcpListener::bind(address).ok());
    let _tcp = tcp.expect("free again");
    let text = refusal(SocketAddr::new([0, 0, 0, 0].into(), 53)).to_string();
    assert!(text.contains("0.0.0.0:53") && text.contains(" by TCP"), "{text}");
}

#[test]
fn what_was_bound_before_the_failure_is_free_again() {
    let dns = challenge();
    let taken = challenge().listen[0];
    let holder = TcpListener::bind(taken).expect("free");
    let both = Dns { listen: vec![dns.listen[0], taken], ..dns.clone() };
    let failure = dns::start(&both, &[], None, Wall::from_millis(0)).expect_err("taken");
    assert!(matches!(&failure, Failure::DnsBind { at, .. } if *at == taken.to_string()), "{failure}");
    drop(holder);
    assert_eq!(at(&start_again(&dns)), dns.listen[0]);
}

#[test]
fn every_address_is_served_by_both_protocols_and_ipv6_beside_ipv4_on_one_port() {
    let port = free_port_outside().expect("a free port");
    let [v4, v6] = ["127.0.0.1", "::1"].map(|ip| SocketAddr::new(ip.parse().expect("an address"), port));
    let _server = start(&Dns { listen: vec![v4, v6], ..challenge() });
    for at in [v4, v6] {
        assert_eq!(ask(at, &question(CHALLENGE, RecordType::SOA)).answers.len(), 1, "{at}");
    }
}

#[test]
fn an_address_of_another_host_is_said_to_be_that() {
    let text = refusal("192.0.2.1:53".parse().expect("an address")).to_string();
    assert!(text.ends_with("this host has no such address"), "{text}");
}

fn refusal(listen: SocketAddr) -> Failure {
    let dns = Dns { listen: vec![listen], ..challenge() };
    dns::start(&dns, &[], None, Wall::from_millis(0)).expect_err("it is taken")
}
