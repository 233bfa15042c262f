//! Listeners of real processes, with squatters beside them.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use preview_core::id::{SessionId, TaskId, UserId};
use preview_core::listener::{Listener, Loopback, OwnerMismatch};
use preview_core::ports::Port;
use preview_core::refusal::Refusal;
use tempfile::TempDir;
use tokio::sync::mpsc;
use xtask::real::{Process, free_port, poll_for};

use super::*;
use crate::config::TasksConfig;
use crate::processes::Processes;
use crate::sockets::Sockets;
use crate::store::{Keeper, Store};
use crate::tasks::{NewTask, Task, TaskExit, Tasks};

const SOON: Duration = Duration::from_secs(20);
const NOW: Duration = Duration::ZERO;

#[tokio::test]
async fn a_server_is_found_on_the_loopback_that_it_has_whichever_was_asked_for() {
    let house = House::new().await;
    for host in ["127.0.0.1", "::1"] {
        let server = Http::on(host);
        for asked in ["127.0.0.1", "::1", "localhost"] {
            let found = house.wait(asked, server.port, None, NOW).await.expect("found");
            assert_eq!(found.listener.address.to_string(), host, "asked for {asked}");
            assert_eq!(found.owner.uid, rustix::process::geteuid().as_raw());
            assert!(found.owner.exe.as_deref().is_some_and(|exe| exe.contains("python")), "{found:?}");
            assert!(found.owner.task.is_none() && found.owner.cgroup.is_some() && found.owner.inode != 0);
            assert!(found.command.iter().any(|word| word == "http.server"), "{found:?}");
            let is_said = !found.notes.is_empty();
            assert_eq!(is_said, asked != "localhost" && asked != host, "{:?}", found.notes);
        }
    }
}

#[tokio::test]
async fn a_wildcard_server_is_found_and_reported() {
    let house = House::new().await;
    for (wildcard, loopback) in [("0.0.0.0", Loopback::V4), ("::", Loopback::V4)] {
        let server = Http::on(wildcard);
        let found = house.wait("127.0.0.1", server.port, None, NOW).await.expect("found");
        assert_eq!(found.listener.address, loopback);
        assert!(found.notes.iter().any(|note| note.contains(wildcard)), "{:?}", found.notes);
    }
}

#[tokio::test]
async fn the_wait_ends_as_soon_as_the_port_is_bound() {
    let house = House::new().await;
    let port = free_port().expect("a free port");
    let began = Instant::now();
    let task = house.start(&["sh", "-c", &format!("sleep 0.4; exec {}", serve("127.0.0.1", port))]).await;
    let found = house.wait("127.0.0.1", port, None, SOON).await.expect("found");
    assert!(began.elapsed() < SOON / 2, "{:?}", began.elapsed());
    assert_eq!(found.owner.task.map(|owning| owning.id), Some(task.id));
}

#[tokio::test]
async fn a_port_that_is_never_bound_is_refused_with_what_listens_in_the_session() {
    let house = House::new().await;
    let (silent, other) = (free_port().expect("free"), free_port().expect("free"));
    let task = house.start(&["sh", "-c", &format!("exec {}", serve("127.0.0.1", other))]).await;
    house.wait("localhost", other, None, SOON).await.expect("it listens elsewhere");
    let refusal = house.wait("127.0.0.1", silent, Some(&task.id), Duration::from_millis(250)).await;
    let waited = Duration::from_millis(250);
    let seen = vec![format!("127.0.0.1:{other}")];
    assert_eq!(refusal.expect_err("refused"), Refusal::NotListening { port: silent, waited, seen });
}

#[tokio::test]
async fn a_task_that_dies_ends_the_wait_with_its_exit_code_and_last_lines() {
    let house = House::new().await;
    let port = free_port().expect("free");
    let task = house.start(&["sh", "-c", "sleep 0.3; echo cannot find module; exit 3"]).await;
    let began = Instant::now();
    let refusal = house.wait("127.0.0.1", port, Some(&task.id), SOON).await.expect_err("refused");
    assert!(began.elapsed() < SOON / 2);
    let last_lines = vec!["cannot find module".to_owned()];
    assert_eq!(refusal, Refusal::TaskDead { task: task.id, exit_code: Some(3), last_lines });
}

#[tokio::test]
async fn a_tied_listener_may_belong_to_any_of_the_tree() {
    let house = House::new().await;
    let port = free_port().expect("free");
    let line = format!("sh -c '{} & wait' & wait", serve("::1", port));
    let task = house.start(&["sh", "-c", &line]).await;
    let found = house.wait("127.0.0.1", port, Some(&task.id), SOON).await.expect("found");
    assert_eq!(found.listener, Listener { address: Loopback::V6, port: port_of(port) });
    let owning = found.owner.task.expect("the task's");
    assert_eq!((owning.id, owning.session), (task.id, session("s")));
}

#[tokio::test]
async fn a_socket_that_parent_and_child_share_belongs_to_the_tree() {
    let house = House::new().await;
    let script = "
import os, socket, time
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()
pid = os.fork()
if pid: print(s.getsockname()[1], os.getpid(), flush=True)
time.sleep(300)
";
    let task = house.start(&["python3", "-c", script]).await;
    let line = house.first_line(&task).await;
    let (port, parent) = line.split_once(' ').expect("two numbers");
    let found = house.wait("127.0.0.1", port.parse().expect("a port"), Some(&task.id), SOON).await;
    let found = found.expect("found");
    assert_eq!(found.owner.task.as_ref().map(|owning| &owning.id), Some(&task.id));
    // Parent gone, its child holds the same socket: still the task's, by its session.
    Command::new("kill").args(["-9", parent]).status().expect("kill runs");
    let holds_nothing = || {
        let held = std::fs::read_dir(format!("/proc/{parent}/fd")).map_or(0, Iterator::count);
        (held == 0).then_some(())
    };
    poll_for("the parent's end", SOON, holds_nothing).expect("it is killed");
    let owner = house.probe.owner(found.listener).await.expect("the kernel answers").expect("listens");
    assert_eq!(owner, found.owner);
}

#[tokio::test]
async fn what_listens_outside_the_tied_task_does_not_count() {
    let house = House::new().await;
    let server = Http::on("127.0.0.1");
    let task = house.start(&["sleep", "300"]).await;
    let refusal = house.wait("127.0.0.1", server.port, Some(&task.id), Duration::from_millis(250)).await;
    assert_eq!(refusal.expect_err("refused"), Refusal::OwnerChanged(OwnerMismatch::NotTheTask));
}

#[tokio::test]
async fn another_session_s_server_is_named_as_such_for_the_rules_to_refuse() {
    let house = House::new().await;
    let port = free_port().expect("free");
    let mut new = new_task(&["sh", "-c", &format!("exec {}", serve("127.0.0.1", port))]);
    new.session = session("theirs");
    house.tasks.start(new).await.expect("started");
    let found = house.wait("127.0.0.1", port, None, Duration::from_secs(2)).await;
    match found {
        Ok(found) => assert_eq!(found.owner.task.expect("a task's").session, session("theirs")),
        // It took longer than that to bind.
        Err(refusal) => assert!(matches!(refusal, Refusal::NotListening { .. }), "{refusal:?}"),
    }
}

#[tokio::test]
async fn a_squatter_on_the_other_loopback_is_passed_over() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let house = House::new().await;
    for (victim, squatter) in [("::1", "127.0.0.1"), ("127.0.0.1", "::1"), ("::1", "0.0.0.0")] {
        let server = Http::on(victim);
        let _squatter = Http::squat(squatter, server.port);
        for asked in ["127.0.0.1", "::1", "localhost"] {
            let found = house.wait(asked, server.port, None, NOW).await.expect("found");
            let at = (found.listener.address.to_string(), found.owner.uid);
            assert_eq!(at, (victim.to_owned(), 0), "squatter on {squatter}, asked for {asked}");
            assert!(found.notes.iter().any(|note| note.contains("uid 65534")), "{:?}", found.notes);
        }
        let squatted: Loopback = if squatter == "::1" { Loopback::V6 } else { Loopback::V4 };
        let at = Listener { address: squatted, port: port_of(server.port) };
        let owner = house.probe.owner(at).await.expect("the kernel answers").expect("listens");
        assert_eq!(owner.uid, 65_534);
    }
}

/// `python3 -m http.server`, killed at the end.
struct Http {
    port: u16,
    _process: Process,
}

impl Http {
    fn on(host: &str) -> Self {
        let port = free_port().expect("a free port");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {}", serve(host, port))]);
        Self::started(&command, port)
    }

    /// As nobody, on a port that somebody else has on the other loopback.
    fn squat(host: &str, port: u16) -> Self {
        let mut command = Command::new("setpriv");
        // Not by way of a shim in somebody's home.
        let python = "/usr/bin/python3";
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", python, "-m", "http.server"]);
        command.args(["--bind", host, "--directory", "/", &port.to_string()]);
        Self::started(&command, port)
    }

    fn started(command: &Command, port: u16) -> Self {
        let mut process = Process::spawn(command).expect("python runs");
        process.wait_for_line("Serving HTTP", SOON).expect("it listens");
        Self { port, _process: process }
    }
}

fn serve(host: &str, port: u16) -> String {
    format!("python3 -u -m http.server --bind {host} {port}")
}

/// A probe over tasks; ends what it started.
struct House {
    probe: Probe,
    tasks: Tasks,
    _exits: mpsc::UnboundedReceiver<TaskExit>,
    _keeper: Keeper,
    _folder: TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, keeper) = Store::open(&folder.path().join("state"), 100).expect("a store");
        let (sender, exits) = mpsc::unbounded_channel();
        let user = rustix::process::geteuid().is_root().then(|| "root".to_owned());
        let env_pass = ["PATH", "HOME"].map(str::to_owned).to_vec();
        let config = TasksConfig { user, env_pass, remote: false };
        let sockets = Sockets::open().expect("the kernel answers");
        let logs = folder.path().join("logs");
        let tasks = Tasks::open(config, logs, store, sockets.clone(), sender).await.expect("opened");
        let probe = Probe::new(sockets, tasks.clone());
        Self { probe, tasks, _exits: exits, _keeper: keeper, _folder: folder }
    }

    async fn wait(
        &self,
        host: &str,
        port: u16,
        tied: Option<&TaskId>,
        wait: Duration,
    ) -> Result<Found, Refusal> {
        let host = host.parse().expect("a loopback");
        let wanted = Wanted { host, port: port_of(port), session: session("s"), tied: tied.cloned(), wait };
        self.probe.wait(&wanted).await.map_err(|failure| match failure {
            WaitFailure::Refused(refusal) => refusal,
            WaitFailure::Sockets(error) => panic!("{error}"),
        })
    }

    async fn start(&self, command: &[&str]) -> Task {
        self.tasks.start(new_task(command)).await.expect("started")
    }

    async fn first_line(&self, task: &Task) -> String {
        use futures_util::StreamExt as _;
        let mut output = self.tasks.logs(&task.id, true).expect("known");
        let piece = tokio::time::timeout(SOON, output.next()).await.expect("soon").expect("a line");
        String::from_utf8_lossy(&piece).lines().next().expect("a line").to_owned()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let processes = Processes::read().expect("readable");
        for member in self.tasks.leaders().into_iter().flat_map(|leader| processes.tree(leader.process)) {
            let _ = Command::new("kill").args(["-9", &member.pid.to_string()]).status();
        }
    }
}

fn new_task(command: &[&str]) -> NewTask {
    NewTask {
        by: "a test".into(),
        id: TaskId::from_entropy(crate::clock::random().expect("random")),
        session: session("s"),
        user: UserId::new("u").expect("valid"),
        name: None,
        command: command.iter().map(ToString::to_string).collect(),
        cwd: "/".into(),
        env: BTreeMap::new(),
    }
}

fn session(id: &str) -> SessionId {
    SessionId::new(id).expect("valid")
}

fn port_of(number: u16) -> Port {
    Port::new(number).expect("a port")
}
