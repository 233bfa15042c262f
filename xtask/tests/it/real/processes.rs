use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use xtask::real::{Process, Scratch, Signal, free_port, free_port_outside, poll_for, tree};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_dropped_process_takes_its_whole_tree_along() {
    let mut shell = sh("setsid sleep 1000 & sleep 1000 & echo up; wait");
    shell.wait_for_line("up", SOON).unwrap();
    poll_for("two children", SOON, || (shell.tree().len() == 3).then_some(())).unwrap();
    let all = shell.tree();
    drop(shell);
    assert_eq!(all.into_iter().filter(|pid| tree::is_alive(*pid)).count(), 0);
}

#[test]
fn children_of_a_leader_that_ended_end_with_the_guard() {
    let mut shell = sh("sleep 1000 & echo child $!");
    let line = shell.wait_for_line("child", SOON).unwrap();
    let child = line.trim_start_matches("child ").parse().unwrap();
    assert!(shell.wait(SOON).unwrap().success());
    assert!(tree::is_alive(child));
    drop(shell);
    assert!(!tree::is_alive(child));
}

#[test]
fn waiting_ends_early_and_quotes_the_output_when_the_program_has_ended() {
    let mut shell = sh("echo no luck >&2; exit 3");
    let error = shell.wait_for_line("ready", Duration::from_mins(1)).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("no luck") && text.contains("exit status: 3"), "{text}");
}

#[test]
fn a_signal_to_the_group_reaches_every_member() {
    let mut shell = sh("trap 'echo caught; exit 0' INT; echo up; sleep 1000");
    shell.wait_for_line("up", SOON).unwrap();
    // A child that is still the shell's copy would take the signal by the shell's trap, and sleep on.
    poll_for("the sleeper", SOON, || shell.tree().into_iter().find(|pid| name(*pid) == "sleep\n")).unwrap();
    shell.signal_group(Signal::INT).unwrap();
    shell.wait_for_line("caught", SOON).unwrap();
    assert!(shell.wait(SOON).unwrap().success());
    assert_eq!(shell.tree(), [0; 0]);
}

#[test]
fn a_scratch_folder_ends_who_works_in_it() {
    let scratch = Scratch::new().unwrap();
    let mut sleeper = Command::new("sleep").arg("1000").current_dir(scratch.path()).spawn().unwrap();
    let path = scratch.path().to_owned();
    drop(scratch);
    assert!(!sleeper.wait().unwrap().success());
    assert!(!path.exists());
}

#[test]
fn ports_are_free_distinct_and_on_their_side_of_the_fence() {
    let inside: Vec<u16> = (0..20).map(|_| free_port().unwrap()).collect();
    let listeners: Vec<_> =
        inside.iter().map(|port| TcpListener::bind(("127.0.0.1", *port)).unwrap()).collect();
    assert_eq!(listeners.len(), 20);
    assert!(inside.iter().all(|port| (3000..=9999).contains(port)));
    assert!(free_port_outside().unwrap() > 9999);
}

fn name(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()
}

fn sh(script: &str) -> Process {
    Process::spawn(Command::new("sh").args(["-c", script])).expect("sh starts")
}
