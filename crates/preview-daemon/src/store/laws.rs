//! Laws of the store: it says what core says, keeps it, and tells of each change once, in its order.

mod world;

use std::fs;

use preview_core::audit::{self, Broken};
use preview_core::block::{Reason, Target};
use preview_core::clock::Wall;
use preview_core::command::{DetachReason, Settled};
use preview_core::grant::GrantKey;
use preview_core::listener::Owner;
use preview_core::refusal::Code;
use preview_core::registry::{apply, decide};
use preview_core::verdict::{HostPolicy, PolicyReason, ServerState, Verdict};
use preview_core::wire::events::EventWord;
use proptest::prelude::*;

use super::*;
use crate::live::Start;
use world::{Held, TEMPLATES, attach, context, position, rules, session, state, step, user};

proptest! {
    #[test]
    fn the_store_says_what_core_says_and_keeps_it(
        template in 0..TEMPLATES.len(), steps in prop::collection::vec(step(), 1..30)
    ) {
        let rules = rules(TEMPLATES[template]);
        let (mut held, mut pure) = (Held::new(), Scope::default());
        for (turn, step) in steps.iter().enumerate() {
            let (command, context) = (step.command(&pure), context(&rules, turn));
            let said = decide(&context, &pure, &command);
            for event in said.iter().flatten() {
                apply(&mut pure, event);
            }
            let done = held.transact(command, context);
            let told = done.as_ref().map(|done| done.changes.iter().map(|it| it.event.clone()).collect());
            match (&said, told) {
                (Ok(events), Ok::<Vec<_>, _>(told)) => prop_assert_eq!(events, &told),
                (Err(refusal), Err(Failure::Refused(told))) => prop_assert_eq!(refusal, told),
                (said, told) => prop_assert!(false, "core says {:?}, the store {:?}", said, told),
            }
        }
        prop_assert_eq!(held.all(), pure.attachments.clone());
        let revision = held.store.live().revision();
        held.reopen();
        prop_assert_eq!(held.all(), pure.attachments);
        prop_assert_eq!(held.store.live().revision(), revision);
        for (session, user) in pure.sessions {
            prop_assert_eq!(held.store.live().user_of(&session), Some(user));
        }
    }
}

#[test]
fn of_twenty_attaches_at_once_exactly_as_many_as_the_limit_are_admitted() {
    let held = Held::new();
    let rules = rules(TEMPLATES[1]);
    let attaches = (0..20_u8).map(|n| {
        let attach = attach(0, 0, n, 3_000 + u16::from(n));
        held.store.transact(attach, context(&rules, n.into()), Telling::default())
    });
    let done = held.runtime.block_on(futures_util::future::join_all(attaches));
    let refused: Vec<_> = done.iter().filter_map(|it| it.as_ref().err()).map(Failure::code).collect();
    assert_eq!(refused, [Code::LimitSession; 16]);
    assert_eq!(held.all().len(), 4);
}

#[test]
fn a_refused_change_leaves_nothing_of_itself_in_the_commit_it_shares() {
    let held = Held::new();
    let rules = rules(TEMPLATES[0]);
    let before = held.store.live().revision();
    let good = held.store.transact(attach(0, 0, 0, 3_000), context(&rules, 1), Telling::default());
    // The host name is taken by the first, after the session was bound.
    let bad = held.store.transact(attach(1, 0, 0, 3_000), context(&rules, 2), Telling::default());
    let after = held.store.transact(attach(2, 0, 0, 3_002), context(&rules, 3), Telling::default());
    let (good, bad, after) = held.runtime.block_on(async { tokio::join!(good, bad, after) });
    assert_eq!(bad.expect_err("taken").code(), Code::HostTaken);
    assert_eq!(held.store.live().user_of(&session(1)), None);
    assert_eq!(good.expect("admitted").revision, before + 2);
    assert_eq!(after.expect("admitted").revision, before + 4);
}

#[test]
fn what_is_told_is_replayed_word_for_word_after_a_restart() {
    let mut held = Held::new();
    let rules = rules(TEMPLATES[1]);
    let before = held.store.live().revision();
    let done = held.transact(attach(0, 0, 0, 3_000), context(&rules, 1)).expect("admitted");
    let id = *held.all().keys().next().expect("one");
    let down = held.transact(Command::MarkDown(id), context(&rules, 2)).expect("news");
    let again = held.transact(Command::MarkDown(id), context(&rules, 3)).expect("no news");
    assert!(again.changes.is_empty());
    assert_eq!(again.revision, down.revision);
    let told: Vec<_> =
        done.changes.iter().chain(&down.changes).filter_map(|change| change.view.clone()).collect();
    held.reopen();
    assert_eq!(held.told(before), told);
    assert_eq!(held.told(told[0].revision), told[1..]);
    assert!(matches!(told[1].what, EventWord::Down));
}

#[test]
fn events_older_than_the_log_keeps_are_forgotten() {
    let held = Held::new();
    let rules = rules(TEMPLATES[1]);
    held.transact(attach(0, 0, 0, 3_000), context(&rules, 1)).expect("admitted");
    held.runtime.block_on(held.store.forget_told(Wall::from_secs(1))).expect("kept");
    assert_eq!(held.told(0).len(), 1);
    held.runtime.block_on(held.store.forget_told(Wall::from_secs(3))).expect("forgotten");
    assert_eq!(held.told(0), []);
}

#[test]
fn a_command_is_not_decided_when_what_it_sees_is_no_longer_so() {
    let held = Held::new();
    let rules = rules(TEMPLATES[1]);
    held.transact(attach(0, 0, 0, 3_000), context(&rules, 1)).expect("admitted");
    let id = *held.all().keys().next().expect("one");
    let reap = Command::Detach(id, DetachReason::Reaped);
    let visited = held.store.transact_if(reap, context(&rules, 2), Telling::default(), |_| false);
    assert!(held.runtime.block_on(visited).expect("nothing to do").changes.is_empty());
    assert_eq!(held.all().len(), 1);
}

#[test]
fn tasks_and_keys_are_found_again() {
    let mut held = Held::new();
    let task = TaskRecord {
        id: TaskId::new("t").expect("valid"),
        session: session(0),
        user: user(0),
        name: Some("web".into()),
        command: vec!["npm".into(), "run".into(), "dev".into()],
        cwd: "/srv/app".into(),
        started: Wall::from_secs(5),
        pid: 77,
        start_time: 123_456,
        boot: "b".into(),
        ended: Some(TaskEnd { exit_code: Some(-1), at: Wall::from_secs(9) }),
    };
    let key = |number| KeyRecord { key: GrantKey::new(number, [7; 32]), made: Wall::from_secs(1) };
    held.runtime.block_on(held.store.put_task(task.clone(), None)).expect("kept");
    held.runtime.block_on(held.store.put_keys(vec![key(1), key(2)])).expect("kept");
    held.reopen();
    assert_eq!(held.runtime.block_on(held.store.tasks()).expect("read"), std::slice::from_ref(&task));
    assert_eq!(held.runtime.block_on(held.store.keys()).expect("read"), [key(2), key(1)]);
    held.runtime.block_on(held.store.drop_task(task.id)).expect("forgotten");
    assert_eq!(held.runtime.block_on(held.store.tasks()).expect("read"), []);
}

#[test]
fn the_trail_says_who_did_what_leads_to_its_end_and_goes_on_after_a_restart() {
    let mut held = Held::new();
    let rules = rules(TEMPLATES[1]);
    held.transact(attach(0, 0, 0, 3_000), context(&rules, 1)).expect("admitted");
    held.transact(attach(0, 1, 1, 3_001), context(&rules, 2)).expect_err("another user's session");
    held.reopen();
    let id = *held.all().keys().next().expect("one");
    held.transact(Command::Rotate(id), context(&rules, 3)).expect("rotated");
    held.transact(Command::EndSession(session(0)), context(&rules, 4)).expect("ended");
    let part = held.trail();
    let told: Vec<_> = part.entries.iter().map(|it| it.entry.action.as_str()).collect();
    assert_eq!(told, ["attached", "rotated", "detached", "session_ended"], "nothing of what was refused");
    assert!(part.entries.iter().all(|it| it.entry.by == "a law"));
    assert_eq!(audit::verify(part.anchor, &part.entries), Ok(part.head));
}

#[test]
fn a_pruned_trail_leads_on_from_its_anchor() {
    let held = Held::new();
    let rules = rules(TEMPLATES[1]);
    held.transact(attach(0, 0, 0, 3_000), context(&rules, 1)).expect("admitted");
    let id = *held.all().keys().next().expect("one");
    // The trail of these laws keeps a hundred.
    for turn in 2..=150 {
        held.transact(Command::Rotate(id), context(&rules, turn)).expect("rotated");
    }
    let part = held.trail();
    assert_eq!((part.anchor.number, part.entries.len(), part.head.number), (50, 100, 150));
    assert_eq!(audit::verify(part.anchor, &part.entries), Ok(part.head));
    // Turn `n` was at second `n + 1`.
    held.runtime.block_on(held.store.prune_trail(Wall::from_secs(101))).expect("pruned");
    let part = held.trail();
    assert_eq!((part.anchor.number, part.entries[0].entry.number), (99, 100));
    assert_eq!(audit::verify(part.anchor, &part.entries), Ok(part.head));
    held.runtime.block_on(held.store.prune_trail(Wall::from_secs(1_000))).expect("pruned");
    let part = held.trail();
    assert_eq!((part.anchor, part.entries.as_slice()), (part.head, &[][..]));
}

#[test]
fn a_row_of_the_trail_that_was_taken_out_or_changed_in_the_file_is_found() {
    for (tampering, found) in [
        ("DELETE FROM trail WHERE number = 3", Broken::Missing(3)),
        ("UPDATE trail SET asked = 'somebody else' WHERE number = 2", Broken::Changed(2)),
        ("UPDATE trail SET user = NULL WHERE number = 2", Broken::Changed(2)),
        ("UPDATE trail SET digest = x'00' WHERE number = 4", Broken::Changed(4)),
    ] {
        let mut held = Held::new();
        let rules = rules(TEMPLATES[1]);
        for n in 0..4 {
            let port = 3_000 + u16::from(n);
            held.transact(attach(0, 0, n, port), context(&rules, n.into())).expect("admitted");
        }
        held.tamper(tampering);
        let part = held.trail();
        assert_eq!(audit::verify(part.anchor, &part.entries), Err(found), "{tampering}");
    }
    let mut held = Held::new();
    let rules = rules(TEMPLATES[1]);
    held.transact(attach(0, 0, 0, 3_000), context(&rules, 1)).expect("admitted");
    held.tamper("DELETE FROM trail");
    let part = held.trail();
    assert_ne!(audit::verify(part.anchor, &part.entries), Ok(part.head), "the end is kept apart");
}

#[test]
fn who_is_shut_out_stays_so_and_edges_are_not_told_of_what_is_theirs() {
    let mut held = Held::new();
    let rules = rules(TEMPLATES[1]);
    held.transact(attach(0, 0, 0, 3_000), context(&rules, 1)).expect("admitted");
    held.transact(attach(1, 1, 0, 3_001), context(&rules, 2)).expect("admitted");
    let host = held.all().values().find(|it| it.session == session(0)).expect("one").url.host.clone();
    let target = Target::new("user", "u0").expect("valid");
    held.transact(Command::Block(target.clone(), Reason::default()), context(&rules, 3)).expect("shut out");
    for _ in 0..2 {
        assert!(held.store.live().at_host(&host).is_none());
        let (_, start, _) = held.store.live().follow_routes(None);
        let Start::Snapshot(routes) = start else { panic!("no snapshot") };
        assert_eq!(routes.iter().map(|it| it.user.as_str()).collect::<Vec<_>>(), ["u1"]);
        let refused = held.transact(attach(0, 0, 1, 3_002), context(&rules, 4)).expect_err("shut out");
        assert_eq!(refused.to_string(), "user u0 is blocked by the operator");
        held.reopen();
    }
    held.transact(Command::Unblock(target), context(&rules, 5)).expect("let in");
    held.reopen();
    assert!(held.store.live().at_host(&host).is_some());
    held.transact(attach(0, 0, 1, 3_002), context(&rules, 6)).expect("let in");
}

#[test]
fn a_store_of_the_first_version_goes_on_as_it_is() {
    let mut held = Held::new();
    let rules = rules(TEMPLATES[1]);
    held.transact(attach(0, 0, 0, 3_000), context(&rules, 1)).expect("admitted");
    let before = held.all();
    held.tamper("DROP TABLE blocks; DROP TABLE trail; DROP TABLE trail_ends; PRAGMA user_version = 1;");
    assert_eq!(held.all(), before);
    held.transact(attach(0, 0, 1, 3_001), context(&rules, 2)).expect("admitted");
    assert_eq!(held.trail().entries.len(), 1);
}

#[test]
fn two_stores_never_share_a_folder() {
    let held = Held::new();
    let second = Store::open(&state(&held.scratch), 100).map(|_| ()).expect_err("held");
    assert_eq!(second.code(), Code::StateInUse);
}

#[test]
fn a_store_of_a_later_release_is_not_touched() {
    let held = Held::new();
    let scratch = held.close();
    let folder = state(&scratch);
    let db = Connection::open(folder.join("preview.db")).expect("opens");
    db.pragma_update(None, "user_version", 999).expect("set");
    drop(db);
    let before = fs::read(folder.join("preview.db")).expect("there");
    let refused = Store::open(&folder, 100).map(|_| ()).expect_err("newer");
    assert!(matches!(refused, StoreError::Newer { found: 999, .. }), "{refused}");
    assert_eq!(fs::read(folder.join("preview.db")).expect("there"), before);
}

#[test]
fn a_flipped_bit_is_found_and_the_damaged_file_kept_until_somebody_decides() {
    let rules = rules(TEMPLATES[1]);
    let held = Held::new();
    held.transact(attach(0, 0, 0, 3_456), context(&rules, 1)).expect("admitted");
    let scratch = held.close();
    let folder = state(&scratch);
    let path = folder.join("preview.db");
    let mut bytes = fs::read(&path).expect("there");
    let at = position(&bytes, b"\"port\":3456").expect("the row is in the file");
    bytes[at + 10] ^= 1;
    fs::write(&path, &bytes).expect("written");

    let refused = Store::open(&folder, 100).map(|_| ()).expect_err("damaged");
    assert_eq!(refused.code(), Code::StoreCorrupt);
    assert_eq!(fs::read(folder.join("preview.db.corrupt")).expect("kept"), bytes);
    // It does not begin anew behind the operator's back.
    assert_eq!(Store::open(&folder, 100).map(|_| ()).expect_err("still").code(), Code::StoreCorrupt);
    fs::remove_file(folder.join("preview.db.corrupt")).expect("moved away");
    assert!(Store::open(&folder, 100).is_ok());
}

#[test]
fn a_damaged_store_goes_back_to_its_last_good_copy() {
    let rules = rules(TEMPLATES[1]);
    let held = Held::new();
    held.transact(attach(0, 0, 0, 3_456), context(&rules, 1)).expect("admitted");
    for _ in 0..2 {
        held.runtime.block_on(held.store.keep_copy()).expect("copied");
    }
    let copied = held.all();
    held.transact(attach(1, 0, 0, 3_457), context(&rules, 2)).expect("admitted");
    let scratch = held.close();
    let folder = state(&scratch);
    fs::write(folder.join("preview.db"), "no database").expect("written");
    let (store, keeper) = Store::open(&folder, 100).expect("the copy is good");
    assert_eq!(store.live().all().len(), copied.len());
    assert_eq!(fs::read(folder.join("preview.db.corrupt")).expect("kept"), b"no database");
    keeper.finish();
    assert!(Store::open(&folder, 100).is_ok());
}

#[test]
fn a_file_that_is_no_database_or_was_cut_short_is_damaged() {
    for cut in [1, 100, 5_000] {
        let rules = rules(TEMPLATES[1]);
        let held = Held::new();
        for n in 0..4 {
            held.transact(attach(n, 0, 0, 3_000 + u16::from(n)), context(&rules, n.into()))
                .expect("admitted");
        }
        let scratch = held.close();
        let folder = state(&scratch);
        let path = folder.join("preview.db");
        let bytes = fs::read(&path).expect("there");
        fs::write(&path, &bytes[..cut]).expect("written");
        let refused = Store::open(&folder, 100).map(|_| ()).expect_err("damaged");
        assert_eq!(refused.code(), Code::StoreCorrupt, "cut to {cut}: {refused}");
    }
}

#[test]
fn a_later_verdict_is_there_after_a_restart() {
    let mut held = Held::new();
    let rules = rules(TEMPLATES[1]);
    held.transact(attach(0, 0, 0, 3_000), context(&rules, 1)).expect("admitted");
    let it = held.all().into_values().next().expect("one");
    let verdict = Verdict {
        state: ServerState::Live,
        status: Some(200),
        framing: vec!["X-Frame-Options: DENY".into()],
        server: Some("vite".into()),
        ..Verdict::pending(HostPolicy::Preserve, PolicyReason::AcceptsPublicHost)
    };
    let owner = Owner { inode: 99, ..it.owner.clone() };
    let settled = Settled { owner: owner.clone(), verdict: verdict.clone() };
    held.transact(Command::Settle(it.id, Box::new(settled)), context(&rules, 2)).expect("settled");
    held.reopen();
    let kept = held.store.live().get(it.id).expect("there");
    assert_eq!((&kept.owner, &kept.verdict), (&owner, &verdict));
}
