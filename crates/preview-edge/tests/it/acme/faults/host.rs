//! What can be wrong on our own host.

use serde_json::json;

use super::super::hook;
use super::super::world::{World, merge};
use super::{failing, fails};

#[test]
fn a_port_53_that_somebody_else_holds_is_told_with_who_it_is() {
    let world = World::new();
    let taken = world.named.address;
    let config = world.config_with(json!({ "solver": "builtin", "dns": { "listen": [taken] } }));
    let cause = fails(&world, &config, "cert_dns_bind");
    assert!(cause.message.contains(&format!("{taken}:53")) && cause.message.contains("named"), "{cause:?}");
    assert!(cause.hint.contains("0.0.0.0"), "{cause:?}");
}

#[test]
fn a_hook_that_fails_is_quoted() {
    let world = World::new();
    let config = world.config_with(hook::of(&world, "echo 'no such zone: preview.test' >&2\nexit 3"));
    let cause = fails(&world, &config, "cert_hook_failed");
    assert!(cause.message.contains('3') && cause.message.contains("no such zone: preview.test"), "{cause:?}");
}

#[test]
fn a_hook_that_hangs_is_ended_with_all_its_children() {
    let world = World::new();
    let pids = world.scratch.join("pids");
    let script = format!("sleep 1000 &\necho $! >> {0}\necho $$ >> {0}\nwait", pids.display());
    let mut acme = hook::of(&world, &script);
    merge(&mut acme, json!({ "exec": { "timeout": "1s" } }));
    let (edge, _) = failing(&world, &world.config_with(acme), "cert_hook_failed");
    drop(edge);
    let pids = std::fs::read_to_string(pids).expect("it ran");
    for pid in pids.lines().map(|pid| pid.parse().expect("a number")) {
        assert!(!xtask::real::tree::is_alive(pid), "{pid} lives");
    }
}
