//! Laws of links for others, and of who may see an attachment.

use super::*;

#[test]
fn a_link_outlives_a_rotation_and_a_replacement_but_no_revocation() {
    let mut world = World::new(TEMPLATES[1]);
    let attach = Step::Attach { session: 0, user: 0, name: 0, port: 3_000 };
    world.run(&attach).expect("admitted");
    let id = *world.scope.attachments.keys().next().expect("one");
    let links = |world: &World| world.scope.attachments[&id].shares.as_slice().len();
    world.run(&Step::Share { nth: 0 }).expect("shared");
    world.run(&Step::Rotate { nth: 0 }).expect("rotated");
    world.run(&attach).expect("replaced");
    assert_eq!(links(&world), 1);
    world.run(&Step::Revoke { nth: 0 }).expect("revoked");
    assert_eq!(links(&world), 0);
}

#[test]
fn an_attachment_has_twenty_links_and_is_shown_as_widely_as_the_operator_allows_and_no_more() {
    let mut world = World::new(TEMPLATES[1]);
    world.run(&Step::Attach { session: 0, user: 0, name: 0, port: 3_000 }).expect("admitted");
    for _ in 0..20 {
        world.run(&Step::Share { nth: 0 }).expect("room");
    }
    assert_eq!(world.run(&Step::Share { nth: 0 }).expect_err("full").code(), Code::LimitShares);
    let public = Step::Show { nth: 0, visibility: Visibility::Public };
    world.rules.most_visible = Visibility::Private;
    assert_eq!(world.run(&public).expect_err("too wide").code(), Code::Forbidden);
    world.rules.most_visible = Visibility::Public;
    world.run(&public).expect("allowed");
    let id = *world.scope.attachments.keys().next().expect("one");
    let share = Command::Share(id, wish());
    let stranger = Authority::User(UserId::new("u1").expect("valid"));
    assert_eq!(world.carry_out(&share, stranger).expect_err("foreign").code(), Code::NotFound);
}
