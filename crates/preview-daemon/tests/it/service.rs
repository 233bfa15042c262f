//! The daemon as a program of its own, so that it can be killed.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use xtask::real::{Process, Scratch, Signal, bin, poll_for};

use crate::client::Client;

/// `preview-daemon` with a state folder of its own.
pub(crate) struct Service {
    process: Process,
    pub(crate) scratch: Scratch,
    /// Where the daemon's files are seen from here.
    root: PathBuf,
}

impl Service {
    /// Starts it and waits until it answers; `yaml` are further keys, one a line.
    pub(crate) fn start(yaml: &str) -> Self {
        let scratch = configured(yaml);
        let process = Process::spawn(&program(&scratch)).expect("spawns");
        Self { process, scratch, root: PathBuf::from("/") }.up()
    }

    /// Starts it in a mount namespace where its state lies on a disk of 1 MiB, half of which is taken already.
    pub(crate) fn start_on_small_disk() -> Self {
        let scratch = configured("public_url_template: \"http://{name}-{session_id}.localhost:8080\"");
        let script = "mkdir -m 700 \"$1\" && mount -t tmpfs -o size=1m,mode=700 small \"$1\" \
                      && head -c 500000 /dev/zero > \"$1/filler\" && shift && exec \"$@\"";
        let daemon = program(&scratch);
        let mut command = Command::new("unshare");
        // A user namespace of its own lets anybody mount.
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]);
        command.arg(scratch.join("state")).arg(daemon.get_program()).args(daemon.get_args());
        let process = Process::spawn(&command).expect("spawns");
        let root = PathBuf::from(format!("/proc/{}/root", process.pid()));
        Self { process, scratch, root }.up()
    }

    /// Frees the half of the small disk that was taken.
    pub(crate) fn make_room(&self) {
        std::fs::remove_file(self.seen("state/filler")).expect("it is there");
    }

    /// Kills it as a loss of power would, but for what the kernel has buffered.
    pub(crate) fn kill(&mut self) {
        self.process.signal(Signal::KILL).expect("it runs");
        self.process.wait(Duration::from_secs(10)).expect("it ends");
    }

    /// Starts it again on the same state.
    pub(crate) fn restart(&mut self) {
        self.process = Process::spawn(&program(&self.scratch)).expect("spawns");
        self.wait();
    }

    /// What it has logged so far.
    pub(crate) fn output(&self) -> String {
        self.process.output()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.seen("state/run/api.sock"))
    }

    fn up(self) -> Self {
        self.wait();
        self
    }

    fn wait(&self) {
        let client = self.client();
        let is_up = || client.call("GET", "/health", None).ok().filter(|answer| answer.status == 200);
        if let Err(error) = poll_for("the daemon", Duration::from_secs(30), is_up) {
            panic!("{error}\n{}", self.process.output());
        }
    }

    fn seen(&self, name: &str) -> PathBuf {
        let path = self.scratch.join(name);
        self.root.join(path.strip_prefix("/").unwrap_or(&path))
    }
}

fn configured(yaml: &str) -> Scratch {
    let scratch = Scratch::new().expect("a folder");
    let (yaml, state) = (yaml.replace('\n', "\n  "), scratch.join("state"));
    let text = format!("web_preview:\n  state_dir: {}\n  {yaml}\n", state.display());
    scratch.write("config.yaml", text).expect("written");
    scratch
}

fn program(scratch: &Scratch) -> Command {
    let mut command = Command::new(bin("preview-daemon").expect("built"));
    command.arg("--config").arg(scratch.join("config.yaml"));
    command
}
