use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xtask::real::named::{Named, Setup};
use xtask::real::{Knot, Scratch, TsigKey, Zone, free_address, poll};

const CHALLENGE: &str = "_acme-challenge.preview.test";

#[test]
fn addresses_are_handed_out_once() {
    let (one, other) = (free_address().expect("free"), free_address().expect("free"));
    assert_ne!(one, other);
    assert_eq!(one.octets()[..2], [127, 53]);
}

#[test]
fn named_takes_signed_updates_and_its_secondary_copies_them() {
    let key = TsigKey::new("preview-key");
    let (first, second) = (free_address().expect("free"), free_address().expect("free"));
    let zone = Zone::primary("preview.test", &[first, second]).grant(&key, CHALLENGE);
    let setup = Setup { zones: vec![zone], keys: vec![key.clone()], ..Setup::default() };
    let mut primary = Named::start(first, setup).expect("starts");
    let setup = Setup { zones: vec![Zone::secondary("preview.test", first)], ..Setup::default() };
    let secondary = Named::start(second, setup).expect("starts");

    nsupdate(first, &key, "one").expect("is taken");
    assert_eq!(primary.txt(CHALLENGE).expect("answers"), ["one"]);
    let copied =
        poll(
            "the copy",
            Duration::from_secs(20),
            || Ok((secondary.txt(CHALLENGE)? == ["one"]).then_some(())),
        );
    copied.expect("is notified");

    primary.stop();
    assert!(primary.txt(CHALLENGE).is_err());
    primary.resume().expect("starts again");
    assert_eq!(primary.txt(CHALLENGE).expect("answers"), ["one"]);
}

#[test]
fn a_recursive_named_finds_stubs_and_nothing_else() {
    let (at, resolver) = (free_address().expect("free"), free_address().expect("free"));
    let zones = vec![Zone::primary("preview.test", &[at]).record("www A 192.0.2.7")];
    let _server = Named::start(at, Setup { zones, ..Setup::default() }).expect("starts");
    let setup = Setup { zones: vec![Zone::stub("preview.test", at)], recursion: true, ..Setup::default() };
    let resolver = Named::start(resolver, setup).expect("starts");
    assert_eq!(resolver.resolve("www.preview.test", "A").expect("answers"), ["192.0.2.7"]);
    assert!(resolver.resolve("www.example.com", "A").expect("answers").is_empty());
}

#[test]
fn knot_takes_signed_updates_of_the_granted_name_alone() {
    let key = TsigKey::new("preview-key");
    let at = free_address().expect("free");
    let zone = Zone::primary("preview.test", &[at]).grant(&key, CHALLENGE);
    let knot = Knot::start(at, &[zone], std::slice::from_ref(&key)).expect("starts");
    nsupdate(at, &key, "one").expect("is taken");
    assert_eq!(knot.txt(CHALLENGE).expect("answers"), ["one"]);
}

/// Adds a TXT record with BIND's own tool.
fn nsupdate(server: Ipv4Addr, key: &TsigKey, value: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let TsigKey { name, algorithm, secret } = key;
    let script = format!(
        "server {server}\nzone preview.test\nkey {algorithm}:{name} {secret}\nupdate add {CHALLENGE} 1 TXT {value}\nsend\n"
    );
    let file = scratch.write("script", script)?;
    let output = Command::new("nsupdate").arg(file).output().context("cannot run nsupdate")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
