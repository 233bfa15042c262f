//! Through BIND as a resolver that remembers, as most clients come.

use std::net::Ipv4Addr;

use xtask::real::named::{Named, Setup};
use xtask::real::{Zone, free_address};

use super::asking::{CHALLENGE, Served, at, start, zone};

/// What a server that takes the wildcard for the only name does wrong: NXDOMAIN for one type hides all others.
#[test]
fn a_preview_with_ipv4_alone_stays_there_after_other_types_were_asked_for() {
    let server = start(&zone());
    let resolver = resolver(&server, "preview.example.test", "");
    for name in ["preview.example.test", "x.preview.example.test", "a.b.preview.example.test"] {
        for kind in ["AAAA", "HTTPS", "CAA", "TXT", "MX", "SVCB", "AAAA"] {
            assert!(resolver.resolve(name, kind).expect("no failure").is_empty(), "{name} {kind}");
        }
        let mut found = resolver.resolve(name, "A").expect("an answer");
        found.sort();
        assert_eq!(found, ["192.0.2.1", "192.0.2.2"], "{name}");
    }
}

/// RFC 8198 and RFC 9156: what is asked for label by label, and what is concluded from silence.
#[test]
fn a_resolver_that_tells_as_little_as_possible_finds_names_below_names() {
    let server = start(&zone());
    let resolver = resolver(&server, "preview.example.test", "qname-minimization strict;");
    let deep = resolver.resolve("a.b.c.preview.example.test", "A").expect("an answer");
    assert_eq!(deep.len(), 2, "{deep:?}");
    assert_eq!(resolver.resolve("ns2.dns.preview.example.test", "A").expect("an answer").len(), 2);
}

#[test]
fn a_resolver_finds_a_value_at_most_five_seconds_after_it_had_looked_in_vain() {
    let server = start(&zone());
    let resolver = resolver(&server, "preview.example.test", "");
    assert!(resolver.resolve(CHALLENGE, "TXT").expect("no failure").is_empty());
    server.records().put(CHALLENGE, "one").expect("room");
    let found = xtask::real::poll("the value", std::time::Duration::from_secs(10), || {
        let found = resolver.resolve(CHALLENGE, "TXT")?;
        Ok((found == ["\"one\""]).then_some(()))
    });
    found.expect("it is found");
}

fn resolver(server: &Served, zone: &str, options: &str) -> Named {
    let std::net::IpAddr::V4(ip) = at(server).ip() else { panic!("IPv4") };
    let address: Ipv4Addr = free_address().expect("a free address");
    let setup = Setup {
        zones: vec![Zone::stub(zone, ip)],
        recursion: true,
        options: options.to_owned(),
        ..Setup::default()
    };
    Named::start(address, setup).expect("starts")
}
