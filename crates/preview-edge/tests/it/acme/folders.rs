//! Where state is kept: two edges on one folder, a folder in memory, a full disk.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use xtask::real::front::{Act, Resource, When};
use xtask::real::{Scratch, free_port_outside, poll_for};

use super::edges::{Scaled, Shipped, cause};
use super::kills::files;
use super::world::{PATIENCE, World};
use crate::client::SOON;

#[test]
fn of_two_edges_on_one_folder_one_orders_and_the_other_is_refused() {
    let world = World::new();
    let config = world.config();
    let first = Shipped::start(world.scratch.path(), &config, &[]);
    first.doors.certificate(&world.issuing_root());
    let other = Scratch::new().expect("a folder");
    let mut moved = config.clone();
    for door in ["http", "https"] {
        moved["edge"][door] = json!(format!("127.0.0.1:{}", free_port_outside().expect("a port")));
    }
    moved["edge"]["metrics"]["listen"] = json!(format!("127.0.0.1:{}", free_port_outside().expect("a port")));
    let mut second = Shipped::start(other.path(), &moved, &[]);
    let status = second.process.wait(SOON).expect("it ends");
    assert!(!status.success(), "{status}");
    assert!(second.process.output().contains("state_in_use"), "{}", second.process.output());
    assert_eq!((world.pebble.orders(), world.pebble.issued()), (1, 1));
}

#[test]
fn a_folder_in_memory_gets_no_certificate_unless_that_is_allowed() {
    let world = World::new();
    let memory = Memory::mount(&world.scratch.join("memory"), "16m");
    let config = in_folder(&world, &memory.0, false);
    let edge = Scaled::start(&config);
    let cause = cause(&edge.doors, "cert_ephemeral_state");
    assert!(cause.message.contains("tmpfs") && cause.hint.contains("volume"), "{cause:?}");
    assert_eq!(world.pebble.orders(), 0);
    drop(edge);
    let edge = Scaled::start(&in_folder(&world, &memory.0, true));
    edge.doors.certificate(&world.issuing_root());
}

#[test]
fn a_disk_that_fills_up_before_the_certificate_is_kept_does_not_hinder_it_from_being_shown() {
    let world = World::new();
    let memory = Memory::mount(&world.scratch.join("memory"), "2m");
    let filler = memory.0.join("filler");
    let filling = filler.clone();
    world.front.on(Resource::Certificate, When::Nth(1), Act::Before(Box::new(move || fill(&filling))));
    let edge = Scaled::start(&in_folder(&world, &memory.0, true));
    let shown = edge.doors.certificate(&world.issuing_root());
    let cause = cause(&edge.doors, "cert_state_unwritable");
    assert!(cause.hint.contains("Free space"), "{cause:?}");
    assert!(files(&memory.0, "bundle.pem").is_empty());

    std::fs::remove_file(filler).expect("there was one");
    let kept = poll_for("the certificate on disk", PATIENCE, || files(&memory.0, "bundle.pem").pop());
    let kept = std::fs::read_to_string(kept.expect("it is tried again")).expect("readable");
    assert!(kept.contains("PRIVATE KEY") && kept.contains("CERTIFICATE"));
    assert_eq!(edge.doors.shown(&world.issuing_root()), Some(shown));
    assert_eq!(world.pebble.issued(), 1);
}

/// A file system in memory; dropped, it is gone.
struct Memory(PathBuf);

impl Memory {
    fn mount(at: &Path, size: &str) -> Self {
        std::fs::create_dir(at).expect("a folder");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "tmpfs"])
            .arg(at)
            .status()
            .expect("mount");
        assert!(status.success(), "a test of file systems must be run as root: mount: {status}");
        Self(at.to_owned())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // Lazily: an edge that fails its test may still have files open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn in_folder(world: &World, folder: &Path, is_allowed: bool) -> Value {
    let mut config = world.config_with(json!({ "allow_ephemeral_state": is_allowed }));
    config["edge"]["state_dir"] = json!(folder.join("edge"));
    config
}

/// Leaves no byte free.
fn fill(filler: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(filler).expect("a file");
    let block = [0; 4096];
    let mut size = block.len();
    while size > 0 {
        if file.write_all(&block[..size]).is_err() {
            size /= 2;
        }
    }
}
