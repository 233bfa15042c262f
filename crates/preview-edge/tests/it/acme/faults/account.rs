//! What an authority can have against an account, and what it is asked for.

use serde_json::json;
use xtask::real::front::Resource;
use xtask::real::pebble;

use super::super::edges::{Scaled, Shipped, cause, renew};
use super::super::world::{Special, World, close};
use super::fails;
use crate::client::SOON;

/// HMAC key of the binding that the authority knows, base64url.
const SECRET: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

#[test]
fn a_name_that_the_authority_issues_nothing_for_is_forbidden() {
    let world = with(|settings| settings.blocklist = vec!["preview.test".into()]);
    let cause = fails(&world, &world.config(), "cert_name_forbidden");
    assert!(cause.hint.contains("another authority"), "{cause:?}");
}

#[test]
fn without_the_binding_that_it_wants_a_pair_is_asked_for() {
    let world = bound();
    let cause = fails(&world, &world.config(), "cert_eab_required");
    assert!(cause.hint.contains("edge.acme.eab.kid"), "{cause:?}");
}

#[test]
fn a_binding_by_an_unknown_key_id_or_another_key_is_invalid_and_the_right_one_serves() {
    let world = bound();
    let file = |name: &str, secret: &str| {
        let path = world.scratch.write(name, secret).expect("written");
        close(&path);
        path
    };
    let (right, wrong) =
        (file("right", SECRET), file("wrong", "d3Jvbmctc2VjcmV0LW9mLXRoaXJ0eS10d28tYnl0ZXMh"));
    for eab in [json!({ "kid": "kid-1", "hmac_file": wrong }), json!({ "kid": "kid-9", "hmac_file": right })]
    {
        let cause = fails(&world, &world.config_with(json!({ "eab": eab })), "cert_eab_invalid");
        assert!(cause.hint.contains("seven days"), "{cause:?}");
    }
    let config = world.config_with(json!({ "eab": { "kid": "kid-1", "hmac_file": right } }));
    Scaled::start(&config).doors.certificate(&world.issuing_root());
}

#[test]
fn what_only_a_human_can_mend_is_tried_at_once_when_a_start_finds_it_mended() {
    let world = World::new();
    let edge = Scaled::start(&world.config_with(json!({ "accept_tos": false })));
    cause(&edge.doors, "cert_tos_not_accepted");
    drop(edge);
    Scaled::start(&world.config()).doors.certificate(&world.issuing_root());
}

#[test]
fn terms_that_were_not_accepted_are_told_with_the_key_to_set() {
    let world = World::new();
    let cause = fails(&world, &world.config_with(json!({ "accept_tos": false })), "cert_tos_not_accepted");
    assert!(cause.hint.contains("edge.acme.accept_tos"), "{cause:?}");
    assert_eq!(world.pebble.orders(), 0);
}

#[test]
fn a_contact_that_is_no_address_is_told_with_its_form() {
    let world = World::new();
    let cause = fails(&world, &world.config_with(json!({ "contact": "foo" })), "cert_contact_invalid");
    assert!(cause.message.contains("foo") && cause.hint.contains("mailto:"), "{cause:?}");
}

#[test]
fn a_profile_that_the_directory_does_not_list_is_told_with_those_that_it_lists() {
    let world = World::new();
    world.front.on_directory(|it| it["meta"]["profiles"] = json!({ "tlsserver": "…", "shortlived": "…" }));
    let config = world.config_with(json!({ "profile": "longlived" }));
    let cause = fails(&world, &config, "cert_profile_unknown");
    for word in ["longlived", "tlsserver", "shortlived"] {
        assert!(cause.message.contains(word), "{cause:?}");
    }
    assert_eq!(world.pebble.orders(), 0);
}

#[test]
fn a_profile_that_fits_servers_is_taken_where_the_directory_lists_it() {
    let world = World::new();
    world.front.on_directory(|it| it["meta"]["profiles"] = json!({ "classic": "…", "tlsserver": "…" }));
    Scaled::start(&world.config()).doors.certificate(&world.issuing_root());
    let orders = world.front.log().into_iter().filter(|it| it.request.resource == Resource::NewOrder);
    let profiles: Vec<_> = orders.map(|it| it.request.payload()["profile"].clone()).collect();
    assert_eq!(profiles, ["tlsserver"]);
}

#[test]
fn an_authority_that_has_forgotten_the_account_gets_a_new_one() {
    let mut world = World::new();
    let mut edge = Shipped::start(world.scratch.path(), &world.config(), &[]);
    edge.doors.certificate(&world.issuing_root());
    world.pebble.restart().expect("it starts again");
    renew(&world.state_dir());
    edge.doors.certificate(&world.issuing_root());
    // By then all is well again, so the log tells it.
    let line = edge.process.wait_for_line("cert_account_lost", SOON).expect("it is told");
    assert!(line.contains("accounturi"), "{line}");
    assert_eq!((world.pebble.issued(), world.left()), (1, vec![]));
}

fn bound() -> World {
    with(|settings| settings.eab = vec![("kid-1".into(), SECRET.into())])
}

fn with(change: impl FnOnce(&mut pebble::Settings)) -> World {
    let mut special = Special::default();
    change(&mut special.pebble);
    World::with(special)
}
