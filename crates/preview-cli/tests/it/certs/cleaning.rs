//! `preview certs clean`: what attempts left in DNS goes, and nothing else does.

use serde_json::json;
use xtask::real::Zone;

use super::world::{World, ZONE, chmod};

#[test]
fn what_could_not_be_removed_is_removed_once_it_can_be_and_what_others_wrote_stays() {
    let world =
        World::with(|at| Zone::primary(ZONE, &[at]).record("_acme-challenge TXT \"of-another-client\""));
    let hook = world.hook();
    world.configure(&world.config_with(json!({ "solver": "exec", "exec": { "program": hook } })));
    let broken = world.home.write("broken", "");
    world.home.told(&["certs", "issue"]);
    assert_eq!(world.left().len(), 2, "ours and the other's");
    assert_eq!(world.home.json(&["certs", "list"])["txt_leftover"], 1);

    let text = world.home.refused(&["certs", "clean"], 1);
    assert!(text.contains("cert_hook_failed × "), "{text}");
    std::fs::remove_file(broken).expect("removed");
    let cleaned = world.home.json(&["certs", "clean"]);
    assert_eq!((&cleaned["removed"], &cleaned["left"]), (&json!(1), &json!(0)), "{cleaned}");
    assert_eq!(cleaned["foreign"], json!(["_acme-challenge.preview.test TXT \"of-another-client\""]));
    assert_eq!(world.left(), ["of-another-client"]);
    assert_eq!(world.home.json(&["certs", "list"])["txt_leftover"], 0);
    assert_eq!(world.home.json(&["certs", "clean"])["removed"], 0, "there is nothing more to do");
}

#[test]
fn a_trials_record_is_known_if_it_cannot_be_removed_or_the_check_is_killed() {
    let world = World::new();
    let hook = world.hook();
    let deadly = format!("#!/bin/sh\n{} \"$@\"\n[ $1 = present ] && kill -9 $PPID\nexit 0\n", hook.display());
    let deadly = world.home.write("deadly", &deadly);
    chmod(&deadly, 0o700);
    for (program, breaks) in [(&hook, true), (&deadly, false)] {
        world.configure(&world.config_with(json!({ "solver": "exec", "exec": { "program": program } })));
        let broken = breaks.then(|| world.home.write("broken", ""));
        world.home.preview(&["certs", "check"]);
        assert_eq!(world.left().len(), 1, "{program:?}");
        assert_eq!(world.home.json(&["certs", "list"])["txt_leftover"], 1, "{program:?}");
        if let Some(broken) = broken {
            std::fs::remove_file(broken).expect("removed");
        }
        assert_eq!(world.home.json(&["certs", "clean"])["removed"], 1, "{program:?}");
        assert_eq!(world.left(), Vec::<String>::new(), "{program:?}");
    }
}

#[test]
fn a_running_edge_forgets_what_was_removed_by_hand() {
    let world = World::new();
    let hook = world.hook();
    world.configure(&world.config_with(json!({ "solver": "exec", "exec": { "program": hook } })));
    let broken = world.home.write("broken", "");
    let _edge = world.edge();
    let list = || world.home.json(&["certs", "list"]);
    let left = |count: u64| {
        let told = || (list()["state"] == "valid" && list()["txt_leftover"] == count).then_some(());
        xtask::real::poll_for("the edge's word", crate::home::SOON, told)
    };
    left(1).expect("one is left");
    std::fs::remove_file(broken).expect("removed");
    assert_eq!(world.home.json(&["certs", "clean"])["removed"], 1);
    left(0).expect("it is forgotten");
    assert_eq!(world.left(), Vec::<String>::new());
}
