//! The program is killed outright somewhere between lock and installed: one that is started again ends what was
//! begun, so that one certificate is issued and no record stays.
//!
//! Each point is met once in the suite, and ten times in `cargo xtask soak`.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use xtask::count::count;
use xtask::real::front::{Act, Resource, Run, When};
use xtask::real::{Scratch, dig, free_address, pebble, poll_for, tree};

use super::edges::Shipped;
use super::hook;
use super::world::{CHALLENGE, PATIENCE, Special, World};
use crate::client::SOON;

/// Microseconds that a write rests: several looks of a poll.
const REST: u32 = 60_000;

#[test]
fn before_the_authority_hears_of_a_request() {
    const POINTS: [(Resource, usize); 8] = [
        (Resource::Directory, 1),
        (Resource::NewAccount, 1),
        (Resource::NewOrder, 1),
        (Resource::Authorization, 1),
        (Resource::Challenge, 1),
        (Resource::Order, 1),
        (Resource::Finalize, 1),
        (Resource::Certificate, 1),
    ];
    let world = World::new();
    for (resource, number) in POINTS {
        at_the_front(&world, &json!({}), resource, number, Act::Cut);
    }
}

#[test]
fn after_the_authoritys_answer_that_is_not_heard_any_more() {
    const POINTS: [(Resource, usize); 8] = [
        (Resource::NewAccount, 1),
        (Resource::NewOrder, 1),
        (Resource::Authorization, 1),
        (Resource::Challenge, 1),
        (Resource::Order, 1),
        (Resource::Order, 2),
        (Resource::Finalize, 1),
        (Resource::Certificate, 1),
    ];
    let world = World::new();
    for (resource, number) in POINTS {
        at_the_front(&world, &json!({}), resource, number, Act::After);
    }
}

#[test]
fn with_the_built_in_server_whose_values_die_with_it() {
    let own = free_address().expect("an address");
    let settings = pebble::Settings { dns: Some((own, 53).into()), nonce_reject: 0, ..Default::default() };
    let world = World::with(Special { pebble: settings, ..Special::default() });
    let dns = json!({ "listen": [own], "mode": "zone", "a": [own], "rate": 1000 });
    let acme = json!({ "solver": "builtin", "resolvers": [own], "dns": dns });
    for resource in [Resource::NewOrder, Resource::Authorization] {
        at_the_front(&world, &acme, resource, 1, Act::After);
    }
    for resource in [Resource::Challenge, Resource::Finalize, Resource::Certificate] {
        at_the_front(&world, &acme, resource, 1, Act::Cut);
    }
}

#[test]
fn around_the_change_of_a_record() {
    let world = World::new();
    for (verb, is_before) in [("present", true), ("present", false), ("cleanup", true), ("cleanup", false)] {
        for _ in 0..rounds() {
            // It goes off once: the edge that is started again must not be hit.
            let armed = world.scratch.write("armed", "").expect("written");
            let kill = format!(
                "if [ $1 = {verb} ] && rm {} 2>/dev/null; then kill -9 $PPID; exit 0; fi",
                armed.display()
            );
            let (before, after) = if is_before { (kill.as_str(), "") } else { ("", kill.as_str()) };
            let hook = hook::updating(&world, before, after);
            let case = Case::begin(&world, hook, &[]);
            case.was_killed_and_ends_well(&format!("{verb}, {}", if is_before { "before" } else { "after" }));
        }
    }
}

#[test]
fn with_an_order_that_the_authority_forgets_before_the_next_start_its_record_is_removed_all_the_same() {
    let mut world = World::new();
    for _ in 0..rounds() {
        let armed = world.scratch.write("armed", "").expect("written");
        let kill = format!("[ $1 = present ] && rm {} 2>/dev/null && kill -9 $PPID", armed.display());
        let hook = hook::updating(&world, "", &format!("{kill}\nexit 0"));
        let Case { dns, folder, mut edge, .. } = Case::begin(&world, hook, &[]);
        edge.process.wait(PATIENCE).expect("it is killed");
        poll_for("its record", SOON, || (!world.left().is_empty()).then_some(())).expect("it stands there");
        world.pebble.restart().expect("it starts again");
        Case { world: &world, issued: 0, dns, folder, edge }.ends_well("the authority restarted");
    }
}

#[test]
fn after_each_durable_write() {
    // Each write rests a while before the program goes on, and meets its end in that rest.
    const CALLS: &str = "rename,renameat,renameat2,unlink,unlinkat";
    let (trace, inject) = (format!("trace={CALLS}"), format!("inject={CALLS}:delay_exit={REST}"));
    let under = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let world = World::new();
    for _ in 0..rounds() {
        let mut number = 1;
        while Case::begin(&world, json!({}), &under).killed_after(number) {
            number += 1;
        }
        assert!(number > 12, "only {number} durable writes were seen");
    }
}

fn at_the_front(world: &World, acme: &Value, resource: Resource, number: usize, act: fn(Run) -> Act) {
    for _ in 0..rounds() {
        let pid = Arc::new(AtomicU32::new(0));
        let victim = Arc::clone(&pid);
        let kill = move || {
            let pid =
                poll_for("the program", SOON, || Some(victim.load(Ordering::Relaxed)).filter(|it| *it > 0));
            tree::kill(pid.expect("it runs"));
        };
        world.front.on(resource, When::Nth(number), act(Box::new(kill)));
        let case = Case::begin(world, acme.clone(), &[]);
        pid.store(case.edge.process.pid(), Ordering::Relaxed);
        case.was_killed_and_ends_well(&format!("{resource:?} {number}"));
        world.front.clear();
    }
}

/// A certificate from nothing.
struct Case<'w> {
    world: &'w World,
    issued: usize,
    /// The name server where the records stand.
    dns: Ipv4Addr,
    folder: Scratch,
    edge: Shipped,
}

impl<'w> Case<'w> {
    /// Has a program order a certificate, which begins with an empty folder.
    fn begin(world: &'w World, acme: Value, under: &[&str]) -> Self {
        let folder = Scratch::new().expect("a folder");
        let own = acme.pointer("/dns/listen/0").and_then(Value::as_str);
        let dns = own.map_or(world.named.address, |own| own.parse().expect("an address"));
        let mut config = world.config_with(acme);
        config["edge"]["state_dir"] = json!(folder.join("edge"));
        let edge = Shipped::start(folder.path(), &config, under);
        Self { world, issued: world.pebble.issued(), dns, folder, edge }
    }

    /// Waits for its death, and for what a second one makes of what is left.
    fn was_killed_and_ends_well(mut self, point: &str) {
        self.edge.process.wait(PATIENCE).unwrap_or_else(|error| panic!("{point}: not killed: {error}"));
        self.ends_well(point);
    }

    /// Whether there were so many changes of what is kept; then it was killed after the last, and all ended well.
    fn killed_after(mut self, changes: u32) -> bool {
        let (mut before, mut seen) = (self.kept(), 0);
        let came_so_far = poll_for("the change, or the attempt's end", PATIENCE, || {
            let now = self.kept();
            seen += u32::from(now != before);
            before = now;
            if seen == changes {
                self.edge.process.kill();
                return Some(true);
            }
            // Nothing is written any more once the certificate is shown and the attempt is over.
            self.is_over().then_some(false)
        });
        let was_killed = came_so_far.expect("one of both");
        self.ends_well(&format!("after write {changes}"));
        was_killed
    }

    /// The files of the state, by path and number: a write gives a file another number.
    fn kept(&self) -> BTreeSet<(PathBuf, u64)> {
        const NAMES: [&str; 7] = [
            "account.key",
            "account.json",
            "attempt.json",
            "bundle.pem",
            "prev.pem",
            "state.json",
            "txt-graveyard.json",
        ];
        let all = NAMES.iter().flat_map(|name| files(self.folder.path(), name));
        // One that is gone by now counts at the next look.
        all.filter_map(|path| Some((path.clone(), path.metadata().ok()?.ino()))).collect()
    }

    fn ends_well(mut self, point: &str) {
        self.edge.restart();
        self.edge.doors.certificate(&self.world.issuing_root());
        poll_for("the end of the attempt", PATIENCE, || self.is_over().then_some(()))
            .unwrap_or_else(|error| panic!("{point}: {error}"));
        assert_eq!(self.world.pebble.issued() - self.issued, 1, "{point}: certificates issued");
        let left = dig::txt(self.dns, CHALLENGE).expect("it answers");
        assert_eq!(left, [""; 0], "{point}: records left");
        for file in files(self.folder.path(), "txt-graveyard.json") {
            let text = std::fs::read_to_string(&file).expect("readable");
            assert!(!text.contains(CHALLENGE), "{point}: {text}");
        }
    }

    /// Whether a certificate is installed and no attempt under way.
    fn is_over(&self) -> bool {
        let has = |name| !files(self.folder.path(), name).is_empty();
        has("bundle.pem") && !has("attempt.json")
    }
}

fn rounds() -> u32 {
    count("PREVIEW_ACME_KILLS", 1, 10)
}

/// The files of this name below `folder`.
pub(super) fn files(folder: &Path, name: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(&path, name));
        } else if path.file_name().is_some_and(|it| it == name) {
            found.push(path);
        }
    }
    found
}
