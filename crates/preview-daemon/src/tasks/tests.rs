//! Tasks as real processes.

use std::process::Command;

use futures_util::StreamExt as _;
use preview_core::listener::Loopback;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::store::Keeper;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_task_leads_a_session_of_its_own_and_tells_its_exit_code_and_last_lines() {
    let mut house = House::new().await;
    let task =
        house.start(&["sh", "-c", "ps -o sid= -p $$; echo $PREVIEW_TEST; echo oops >&2; exit 7"]).await;
    assert!(task.running && task.exit_code.is_none());
    let exit = house.next_exit().await;
    assert_eq!(
        (exit.task.id.clone(), exit.task.running, exit.task.exit_code),
        (task.id.clone(), false, Some(7))
    );
    assert_eq!(exit.last_lines[0].trim(), task.leader.pid.to_string());
    assert_eq!(exit.last_lines[1..], ["given", "oops"]);
    assert_eq!(house.tasks.get(&task.id), Some(exit.task));
}

#[tokio::test]
async fn an_exit_that_comes_at_once_is_not_missed() {
    let mut house = House::new().await;
    for _ in 0..20 {
        let task = house.start(&["true"]).await;
        let exit = house.next_exit().await;
        assert_eq!((exit.task.id, exit.task.exit_code), (task.id, Some(0)));
    }
}

#[tokio::test]
async fn a_killed_leader_has_the_code_that_shells_give() {
    let mut house = House::new().await;
    house.start(&["sh", "-c", "kill -9 $$"]).await;
    assert_eq!(house.next_exit().await.task.exit_code, Some(137));
}

#[tokio::test]
async fn a_task_runs_until_the_last_of_its_session_has_ended() {
    let mut house = House::new().await;
    let task = house.start(&["sh", "-c", "sleep 300 & echo $!; exit 3"]).await;
    let child = house.first_line(&task).await;
    house.until(&task, |task| task.exit_code == Some(3)).await;
    assert!(house.tasks.get(&task.id).expect("known").running);
    kill(&child);
    assert_eq!(house.next_exit().await.task.exit_code, Some(3));
}

#[tokio::test]
async fn ending_a_task_ends_children_and_double_forks_and_what_ignores_term() {
    let house = House::new().await;
    let script = r"
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def child(body):
    if os.fork() == 0:
        body()
def sleep():
    print(os.getpid(), flush=True)
    time.sleep(300)
def orphan():
    if os.fork() == 0: sleep()
    os._exit(0)
def daemon():
    os.setsid()
    if os.fork() == 0: sleep()
    os._exit(0)
child(sleep); child(orphan); child(daemon); sleep()
";
    let task = house.start(&["python3", "-c", script]).await;
    let pids = house.lines(&task, 4).await;
    let grace = tree::GRACE;
    let begun = tokio::time::Instant::now();
    let ended = house.tasks.end(&task.id).await.expect("known");
    assert!(!ended.running);
    assert!(begun.elapsed() >= grace, "TERM is ignored, so the grace is used");
    for pid in pids {
        assert_eq!(ProcessId::of(pid.parse().expect("a pid")), None, "{pid} is gone");
    }
}

#[tokio::test]
async fn ending_a_task_that_listens_to_term_takes_no_grace_and_is_no_event() {
    let mut house = House::new().await;
    let task = house.start(&["sh", "-c", "sleep 300 & echo up; while :; do wait; done"]).await;
    house.first_line(&task).await;
    let ended = house.tasks.end(&task.id).await.expect("known");
    assert_eq!((ended.running, ended.exit_code), (false, Some(143)));
    assert!(house.exits.try_recv().is_err());
    assert_eq!(house.tasks.end(&task.id).await, Some(ended), "once more changes nothing");
}

#[tokio::test]
async fn what_a_task_left_in_the_background_is_named_and_ended_with_it() {
    let mut house = House::new().await;
    let script = "setsid sh -c 'echo $$; exec sleep 300' & wait $!; sleep 0.2";
    let task = house.start(&["sh", "-c", &format!("({script}) & exit 0")]).await;
    let background = house.first_line(&task).await;
    // The shell that waits for it is of the session; without it nothing strict is left.
    let waiting = tree::strict(task.leader).await;
    let pid: u32 = background.parse().expect("a pid");
    for member in waiting.iter().filter(|member| member.pid != pid) {
        kill(&member.pid.to_string());
    }
    let exit = house.next_exit().await;
    assert!(exit.task.hint.expect("a hint").contains("background"));
    assert!(ProcessId::of(pid).is_some());
    house.tasks.end(&task.id).await;
    assert_eq!(ProcessId::of(pid), None);
}

#[tokio::test]
async fn a_running_task_is_found_again_by_the_next_daemon() {
    let house = House::new().await;
    let task = house.start(&["sh", "-c", "echo up; exec sleep 300"]).await;
    house.first_line(&task).await;
    let mut house = house.again().await;
    let found = house.tasks.get(&task.id).expect("found again");
    assert_eq!((found.leader, found.running, found.exit_code), (task.leader, true, None));
    assert!(found.hint.expect("a hint").contains("exit code"));
    assert_eq!(house.first_line(&task).await, "up", "its output too");
    kill(&task.leader.pid.to_string());
    let exit = house.next_exit().await;
    assert_eq!((exit.task.running, exit.task.exit_code), (false, None));
}

#[tokio::test]
async fn a_task_whose_pid_was_not_stored_any_more_is_found_by_its_cookie() {
    let house = House::new().await;
    let task = house.start(&["sh", "-c", "echo up; exec sleep 300"]).await;
    house.first_line(&task).await;
    let mut record = house.store.tasks().await.expect("readable").remove(0);
    (record.pid, record.start_time) = (0, 0);
    house.store.put_task(record, None).await.expect("stored");
    let house = house.again().await;
    let found = house.tasks.get(&task.id).expect("found again");
    assert_eq!((found.leader, found.running), (task.leader, true));
    house.tasks.end(&task.id).await;
    assert_eq!(ProcessId::of(task.leader.pid), None);
}

#[tokio::test]
async fn a_pid_that_now_belongs_to_another_process_is_never_touched() {
    let house = House::new().await;
    let task = house.start(&["true"]).await;
    house.until(&task, |task| !task.running).await;
    let mut bystander = Command::new("sleep").arg("300").spawn().expect("sleep runs");
    let mut record = house.store.tasks().await.expect("readable").remove(0);
    let real = ProcessId::of(bystander.id()).expect("lives");
    (record.pid, record.start_time, record.ended) = (real.pid, real.start_time - 1, None);
    house.store.put_task(record, None).await.expect("stored");
    let mut house = house.again().await;
    assert!(!house.next_exit().await.task.running);
    house.tasks.end(&task.id).await;
    assert_eq!(ProcessId::of(real.pid), Some(real), "the bystander lives");
    bystander.kill().expect("killed");
    bystander.wait().expect("waited for");
}

#[tokio::test]
async fn a_task_of_an_earlier_boot_has_ended() {
    let house = House::new().await;
    let task = house.start(&["sh", "-c", "echo up; exec sleep 300"]).await;
    house.first_line(&task).await;
    let mut record = house.store.tasks().await.expect("readable").remove(0);
    record.boot = "another".into();
    house.store.put_task(record, None).await.expect("stored");
    let mut house = house.again().await;
    assert!(!house.next_exit().await.task.running);
    kill(&task.leader.pid.to_string());
}

#[tokio::test]
async fn the_listeners_of_a_whole_tree_are_found_once_each() {
    let house = House::new().await;
    let script = r#"
import os, socket, time
def listen(family, host):
    s = socket.socket(family); s.bind((host, 0)); s.listen(); return s
a = listen(socket.AF_INET, "127.0.0.1")
print(a.getsockname()[1], flush=True)
if os.fork() == 0:
    b = listen(socket.AF_INET6, "::1")
    print(b.getsockname()[1], flush=True)
time.sleep(300)
"#;
    let task = house.start(&["python3", "-c", script]).await;
    let ports = house.lines(&task, 2).await;
    let listeners = house.tasks.listeners(&task.id).await;
    let seen: Vec<_> = listeners.iter().map(|it| (it.address, it.port.to_string())).collect();
    assert_eq!(seen.len(), 2, "the shared socket counts once: {seen:?}");
    assert!(
        seen.contains(&(Loopback::V4, ports[0].clone())) && seen.contains(&(Loopback::V6, ports[1].clone()))
    );
    house.tasks.end(&task.id).await;
    assert_eq!(house.tasks.listeners(&task.id).await, []);
}

#[tokio::test]
async fn what_cannot_be_started_is_refused_with_the_field_and_leaves_nothing() {
    let house = House::new().await;
    let refused = async |change: fn(&mut NewTask)| {
        let mut new = new_task(&["true"]);
        change(&mut new);
        match house.tasks.start(new).await {
            Err(TaskFailure::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(|new| new.command = vec![]).await, "command");
    assert_eq!(refused(|new| new.command = vec!["no-such-program".into()]).await, "command");
    assert_eq!(refused(|new| new.command = vec!["./no-such-program".into()]).await, "command");
    assert_eq!(refused(|new| new.command.push("a\0b".into())).await, "command");
    assert_eq!(refused(|new| new.cwd = "relative".into()).await, "cwd");
    assert_eq!(refused(|new| new.cwd = "/no/such/folder".into()).await, "cwd");
    assert_eq!(refused(|new| _ = new.env.insert("A=B".into(), String::new())).await, "env");
    assert_eq!(house.tasks.of_session(&session()), []);
    assert_eq!(house.store.tasks().await.expect("readable"), []);
    assert_eq!(std::fs::read_dir(house.folder.path().join("logs")).expect("there").count(), 0);
}

#[tokio::test]
async fn a_session_s_end_ends_its_tasks_and_forgets_them() {
    let house = House::new().await;
    let done = house.start(&["true"]).await;
    house.until(&done, |task| !task.running).await;
    let running = house.start(&["sleep", "300"]).await;
    assert_eq!(house.tasks.of_session(&session()).len(), 2);
    assert_eq!(house.tasks.end_session(&session()).await, [running.id]);
    assert_eq!(house.tasks.of_session(&session()), []);
    assert_eq!(house.store.tasks().await.expect("readable"), []);
    assert_eq!(std::fs::read_dir(house.folder.path().join("logs")).expect("there").count(), 0);
}

#[tokio::test]
async fn only_the_environment_that_was_meant_for_it_reaches_a_task() {
    let mut house = House::new().await;
    house.start(&["sh", "-c", "env | cut -d= -f1 | sort | tr '\\n' ' '"]).await;
    let exit = house.next_exit().await;
    let names: Vec<&str> = exit.last_lines[0].split(' ').collect();
    for wanted in ["PATH", "PREVIEW_TASK", "PREVIEW_TEST"] {
        assert!(names.contains(&wanted), "{wanted} in {names:?}");
    }
    assert!(!names.iter().any(|name| name.starts_with("CARGO")), "{names:?}");
}

mod as_another_user;

/// A state folder with a store and the tasks over it; ends what it started.
struct House {
    tasks: Tasks,
    trees: Trees,
    exits: mpsc::UnboundedReceiver<TaskExit>,
    store: Store,
    _keeper: Keeper,
    user: Option<String>,
    folder: TempDir,
}

impl House {
    /// Tasks run as who runs the tests.
    async fn new() -> Self {
        let root = rustix::process::geteuid().is_root();
        Self::with(root.then_some("root")).await
    }

    async fn with(user: Option<&str>) -> Self {
        Self::in_folder(tempfile::tempdir().expect("a folder"), user.map(str::to_owned)).await
    }

    async fn in_folder(folder: TempDir, user: Option<String>) -> Self {
        let (store, keeper) = Store::open(&folder.path().join("state"), 100).expect("a store");
        let (sender, exits) = mpsc::unbounded_channel();
        let config = TasksConfig { user: user.clone(), env_pass: vec!["PATH".into()], remote: false };
        let sockets = Sockets::open().expect("the kernel answers");
        let logs = folder.path().join("logs");
        let tasks = Tasks::open(config, logs, store.clone(), sockets, sender).await.expect("opened");
        Self { trees: Trees(Some(tasks.clone())), tasks, exits, store, _keeper: keeper, user, folder }
    }

    /// The next daemon on the same state, as after `kill -9`.
    async fn again(self) -> Self {
        let Self { tasks, mut trees, exits, store, _keeper: keeper, user, folder } = self;
        tasks.let_go();
        trees.0 = None;
        drop((tasks, exits, store));
        tokio::task::spawn_blocking(|| keeper.finish()).await.expect("finished");
        Self::in_folder(folder, user).await
    }

    async fn start(&self, command: &[&str]) -> Task {
        self.tasks.start(new_task(command)).await.expect("started")
    }

    async fn next_exit(&mut self) -> TaskExit {
        timeout(SOON, self.exits.recv()).await.expect("a task ends soon").expect("told")
    }

    async fn first_line(&self, task: &Task) -> String {
        self.lines(task, 1).await.remove(0)
    }

    async fn lines(&self, task: &Task, count: usize) -> Vec<String> {
        let mut output = self.tasks.logs(&task.id, true).expect("known");
        let mut text = String::new();
        while text.matches('\n').count() < count {
            let more = timeout(SOON, output.next()).await.expect("lines come soon").expect("more lines");
            text.push_str(&String::from_utf8_lossy(&more));
        }
        text.lines().map(str::to_owned).collect()
    }

    async fn until(&self, task: &Task, is: impl Fn(&Task) -> bool) {
        let mut watched = self.tasks.shared.known()[&task.id].task.subscribe();
        timeout(SOON, watched.wait_for(is)).await.expect("soon").expect("known");
    }
}

/// Dropped, what still runs of these tasks is killed.
struct Trees(Option<Tasks>);

impl Drop for Trees {
    fn drop(&mut self) {
        let Some(tasks) = &self.0 else { return };
        let processes = crate::processes::Processes::read().expect("readable");
        let trees = tasks.leaders().into_iter().flat_map(|leader| processes.tree(leader.process));
        trees.for_each(|member| kill(&member.pid.to_string()));
    }
}

fn kill(pid: &str) {
    let killed = Command::new("kill").args(["-9", pid]).status().expect("kill runs");
    assert!(killed.success(), "killed {pid}");
}

fn new_task(command: &[&str]) -> NewTask {
    NewTask {
        by: "a test".into(),
        id: TaskId::from_entropy(crate::clock::random().expect("random")),
        session: session(),
        user: UserId::new("u").expect("valid"),
        name: None,
        command: command.iter().map(ToString::to_string).collect(),
        cwd: "/".into(),
        env: BTreeMap::from([("PREVIEW_TEST".into(), "given".into())]),
    }
}

fn session() -> SessionId {
    SessionId::new("s").expect("valid")
}
