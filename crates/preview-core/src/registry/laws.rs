//! Laws of the registry, held against any sequence of commands.

mod world;
mod sharing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::attachment::StartPath;
use crate::block::{Block, Reason, Target};
use crate::clock::Wall;
use crate::command::{Entropy, Settled};
use crate::id::TaskId;
use crate::listener::{Listener, Loopback, Owner, OwningTask};
use crate::ports::Port;
use crate::refusal::Code;
use crate::route::{Route, RouteTable};
use crate::share::{Label, Wish};
use crate::verdict::{HostHeader, HostPolicy, PolicyReason, Verdict};
use world::*;

proptest! {
    #[test]
    fn host_names_of_live_attachments_are_unique_and_found_again(
        template in 0..TEMPLATES.len(), commands in commands()
    ) {
        let world = World::after(TEMPLATES[template], &commands);
        let mut table = RouteTable::default();
        for it in world.scope.attachments.values() {
            table.put(Route::to(it), ());
        }
        prop_assert_eq!(table.len(), world.scope.attachments.len());
        for it in world.scope.attachments.values() {
            prop_assert_eq!(table.find(&it.url.host).map(|entry| entry.route.id), Some(it.id));
        }
    }

    #[test]
    fn no_sequence_of_commands_exceeds_a_limit(commands in commands()) {
        let mut world = World::new(TEMPLATES[0]);
        for command in &commands {
            let _ = world.run(command);
            let limits = rules(TEMPLATES[0]).limits;
            for session in sessions() {
                prop_assert!(world.scope.in_session(&session).count() <= limits.per_session as usize);
            }
            for user in ["u0", "u1"] {
                let of_user = world.scope.attachments.values().filter(|it| it.user.as_str() == user).count();
                prop_assert!(of_user <= limits.per_user as usize);
            }
        }
    }

    #[test]
    fn the_registry_agrees_with_a_model_of_names(commands in commands()) {
        let mut world = World::new(TEMPLATES[1]);
        let mut model: BTreeMap<(SessionId, Name), u16> = BTreeMap::new();
        for command in &commands {
            let done = world.run(command).is_ok();
            match command {
                Step::Attach { session, name, port, .. } if done => {
                    model.insert((self::session(*session), self::name(*name)), *port);
                }
                Step::Detach { session, name } if done => {
                    model.remove(&(self::session(*session), self::name(*name)));
                }
                Step::End { session } if done => {
                    let ended = self::session(*session);
                    model.retain(|(session, _), _| *session != ended);
                }
                _ => {}
            }
            let real: BTreeMap<_, _> = world.scope.attachments.values()
                .map(|it| ((it.session.clone(), it.name.clone()), it.listener.port.get()))
                .collect();
            prop_assert_eq!(&real, &model);
        }
    }

    #[test]
    fn replacing_a_name_uses_no_quota_and_keeps_id_epoch_and_age(ports in prop::collection::vec(3_000..3_100_u16, 1..40)) {
        let mut world = World::new(TEMPLATES[1]);
        let mut seen = BTreeSet::new();
        for port in ports {
            let step = Step::Attach { session: 0, user: 0, name: 0, port };
            prop_assert!(world.run(&step).is_ok());
            let it = world.scope.attachments.values().next().expect("just attached").clone();
            seen.insert((it.id, it.epoch, it.created, it.url.host));
        }
        prop_assert_eq!(seen.len(), 1);
        prop_assert_eq!(world.scope.attachments.len(), 1);
    }

    #[test]
    fn an_id_is_never_used_again(commands in commands()) {
        let mut world = World::new(TEMPLATES[1]);
        let mut ended = BTreeSet::new();
        for command in &commands {
            let before: BTreeSet<_> = world.scope.attachments.keys().copied().collect();
            let _ = world.run(command);
            let after: BTreeSet<_> = world.scope.attachments.keys().copied().collect();
            prop_assert!(after.is_disjoint(&ended));
            ended.extend(before.difference(&after));
        }
    }

    #[test]
    fn what_a_command_does_not_read_does_not_change_its_outcome(commands in commands(), last in step()) {
        let world = World::after(TEMPLATES[0], &commands);
        let (command, context) = world.command(&last);
        let whole = decide(&context, &world.scope, &command);
        let loaded = world.scope.restricted_to(&command.reads(&context));
        prop_assert_eq!(decide(&context, &loaded, &command), whole);
    }

    #[test]
    fn what_is_withheld_is_exactly_what_a_block_covers(commands in commands()) {
        let mut world = World::new(TEMPLATES[0]);
        for command in &commands {
            let before = world.scope.attachments.len();
            let done = world.run(command);
            for it in world.scope.attachments.values() {
                prop_assert_eq!(it.blocked, world.scope.blocks.cover(it));
            }
            if let Step::Attach { session, user, .. } = command {
                let blocks = &world.scope.blocks;
                let is_shut_out = blocks.covering(&self::user(*user), &self::session(*session), None).is_some();
                prop_assert!(!is_shut_out || done.is_err() && world.scope.attachments.len() == before);
            }
        }
    }

    #[test]
    fn a_wall_clock_that_jumps_reaps_nothing(wall in any::<u32>(), silent in 0..1_799_u64) {
        let idle = IdlePolicy::new(Duration::from_mins(30), Duration::ZERO, Duration::ZERO).expect("in bounds");
        let now = Now { wall: Wall::from_secs(wall.into()), tick: Tick::new(Duration::from_secs(silent)) };
        let traffic = Traffic { last_visit: Tick::default(), last_presence: Tick::default() };
        prop_assert!(!matches!(idle.judge(traffic, now.tick), crate::idle::Verdict::Reap));
    }
}

#[test]
fn who_is_shut_out_is_told_so_and_nobody_but_the_operator_shuts_out() {
    let mut world = World::new(TEMPLATES[0]);
    let attach = Step::Attach { session: 0, user: 0, name: 0, port: 3_000 };
    for kind in 0..3 {
        let block = Command::Block(target(kind, 0), Reason::default());
        let refusal = world.carry_out(&block, Authority::User(user(0))).expect_err("not the operator");
        assert_eq!(refusal.code(), Code::Forbidden);
        world.carry_out(&block, Authority::Admin).expect("shut out");
        let refusal = world.run(&attach).expect_err("shut out");
        assert_eq!(refusal.code(), Code::Forbidden);
        assert!(refusal.to_string().ends_with("is blocked by the operator"), "{refusal}");
        world.carry_out(&Command::Unblock(target(kind, 0)), Authority::Admin).expect("let in");
    }
    let bind = Command::Bind(session(0), user(0));
    world.carry_out(&Command::Block(target(0, 0), Reason::default()), Authority::Admin).expect("shut out");
    assert!(matches!(world.carry_out(&bind, Authority::Admin), Err(Refusal::Blocked(_))));
}

#[test]
fn revoking_raises_the_epoch_and_leaves_no_grace() {
    let mut world = World::new(TEMPLATES[1]);
    world.run(&Step::Attach { session: 0, user: 0, name: 0, port: 3_000 }).expect("admitted");
    let old = world.context(Authority::Admin).token();
    let id = *world.scope.attachments.keys().next().expect("one");
    world.turn += 1;
    world.carry_out(&Command::Revoke(id), Authority::Admin).expect("revoked");
    let it = &world.scope.attachments[&id];
    assert_eq!(it.epoch, 1);
    assert!(!it.tokens.admit(old.reveal(), Wall::from_secs(0)));
}

#[test]
fn a_session_belongs_to_its_first_user_until_it_ends() {
    let mut world = World::new(TEMPLATES[0]);
    world.run(&Step::Attach { session: 0, user: 0, name: 0, port: 3_000 }).expect("admitted");
    let other = Step::Attach { session: 0, user: 1, name: 1, port: 3_001 };
    assert_eq!(world.run(&other).expect_err("another user").code(), Code::Forbidden);
    world.run(&Step::End { session: 0 }).expect("ended");
    world.run(&other).expect("the session is free again");
}

#[test]
fn foreign_ids_read_as_not_found() {
    let mut world = World::new(TEMPLATES[1]);
    world.run(&Step::Attach { session: 0, user: 0, name: 0, port: 3_000 }).expect("admitted");
    let id = *world.scope.attachments.keys().next().expect("one");
    for by in [Authority::User(user(1)), Authority::Session(session(1))] {
        for command in
            [Command::Rotate(id), Command::Revoke(id), Command::Detach(id, DetachReason::AgentRequest)]
        {
            let refusal = world.carry_out(&command, by.clone()).expect_err("not theirs");
            assert_eq!(refusal.code(), Code::NotFound);
        }
    }
    world.carry_out(&Command::Rotate(id), Authority::User(user(0))).expect("theirs");
}

#[test]
fn a_host_name_in_use_is_refused_and_its_holder_named_to_its_own_user_only() {
    let mut world = World::new("https://{name}.example.com");
    world.run(&Step::Attach { session: 0, user: 0, name: 0, port: 3_000 }).expect("admitted");
    let refusal = world.run(&Step::Attach { session: 1, user: 0, name: 0, port: 3_001 }).expect_err("taken");
    assert_eq!(refusal.code(), Code::HostTaken);
    assert!(refusal.hint().contains("detach n0"), "{}", refusal.hint());
    let refusal = world.run(&Step::Attach { session: 2, user: 1, name: 0, port: 3_002 }).expect_err("taken");
    assert!(!refusal.hint().contains("n0"), "{}", refusal.hint());
}

#[test]
fn a_listener_that_another_user_attached_or_another_sessions_task_owns_is_not_yours() {
    let mut world = World::new(TEMPLATES[1]);
    world.run(&Step::Attach { session: 0, user: 0, name: 0, port: 3_000 }).expect("admitted");
    let refusal = world.run(&Step::Attach { session: 1, user: 1, name: 0, port: 3_000 }).expect_err("held");
    assert_eq!(refusal.code(), Code::PortNotYours);

    let (command, context) = world.command(&Step::Attach { session: 1, user: 1, name: 0, port: 3_001 });
    let Command::Attach(mut attach) = command else { unreachable!("an attach") };
    attach.owner.task = Some(OwningTask { id: TaskId::new("t").expect("valid"), session: session(0) });
    let refusal = decide(&context, &world.scope, &Command::Attach(attach)).expect_err("a foreign task's");
    assert_eq!(refusal.code(), Code::PortNotYours);
}

#[test]
fn switched_off_refuses_new_attachments_and_still_detaches_old_ones() {
    let mut world = World::new(TEMPLATES[1]);
    let attach = Step::Attach { session: 0, user: 0, name: 0, port: 3_000 };
    world.run(&attach).expect("admitted");
    world.rules.enabled = false;
    assert_eq!(world.run(&attach).expect_err("off").code(), Code::Disabled);
    world.run(&Step::Detach { session: 0, name: 0 }).expect("still detaches");
}

#[test]
fn another_program_on_the_port_does_not_settle() {
    let mut world = World::new(TEMPLATES[1]);
    world.run(&Step::Attach { session: 0, user: 0, name: 0, port: 3_000 }).expect("admitted");
    let it = world.scope.attachments.values().next().expect("one").clone();
    let settle = |owner| Command::Settle(it.id, Box::new(Settled { owner, verdict: it.verdict.clone() }));
    let restarted = Owner { inode: 77, ..it.owner.clone() };
    world.carry_out(&settle(restarted), Authority::Admin).expect("the same program");
    let squatter = Owner { uid: 65_534, ..it.owner.clone() };
    let refusal = world.carry_out(&settle(squatter), Authority::Admin).expect_err("another user");
    assert_eq!(refusal.code(), Code::PortOwnerChanged);
}

#[test]
fn next_due_is_the_first_change_of_any() {
    let idle = IdlePolicy::new(Duration::from_mins(30), Duration::ZERO, Duration::ZERO).expect("in bounds");
    let at = |secs| Traffic { last_visit: tick(secs), last_presence: tick(0) };
    assert_eq!(next_due(idle, [at(50), at(10), at(90)], tick(100)), Some(tick(1_810)));
    assert_eq!(next_due(idle, [], tick(100)), None);
}
