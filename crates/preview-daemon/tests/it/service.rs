//! The daemon as a program of its own, so that it can be killed.

use std::process::Command;
use std::time::Duration;

use xtask::real::{Process, Scratch, Signal, bin, poll_for};

use crate::client::Client;

/// `preview-daemon` with a state folder of its own.
pub(crate) struct Service {
    process: Process,
    pub(crate) scratch: Scratch,
}

impl Service {
    /// Starts it and waits until it answers; `yaml` are further keys, one a line.
    pub(crate) fn start(yaml: &str) -> Self {
        let scratch = Scratch::new().expect("a folder");
        let yaml = yaml.replace('\n', "\n  ");
        let text = format!("web_preview:\n  state_dir: {}\n  {yaml}\n", scratch.join("state").display());
        scratch.write("config.yaml", text).expect("written");
        let process = launch(&scratch);
        let service = Self { process, scratch };
        service.wait_until_up();
        service
    }

    /// Kills it as a loss of power would, but for what the kernel has buffered.
    pub(crate) fn kill(&mut self) {
        self.process.signal(Signal::KILL).expect("it runs");
        self.process.wait(Duration::from_secs(10)).expect("it ends");
    }

    /// Starts it again on the same state.
    pub(crate) fn restart(&mut self) {
        self.process = launch(&self.scratch);
        self.wait_until_up();
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.scratch.join("state/run/api.sock"))
    }

    fn wait_until_up(&self) {
        let client = self.client();
        let is_up = || client.call("GET", "/health", None).ok().filter(|answer| answer.status == 200);
        poll_for("the daemon", Duration::from_secs(30), is_up).expect("it starts");
    }
}

fn launch(scratch: &Scratch) -> Process {
    let program = bin("preview-daemon").expect("built");
    let mut command = Command::new(program);
    command.arg("--config").arg(scratch.join("config.yaml"));
    Process::spawn(&command).expect("spawns")
}
