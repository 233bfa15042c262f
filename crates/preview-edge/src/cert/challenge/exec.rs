//! A program that writes the records, called as lego calls it: `PROG present|cleanup FQDN VALUE`, or in raw mode
//! `PROG present|cleanup -- DOMAIN TOKEN KEY_AUTHORIZATION` (<https://go-acme.github.io/lego/dns/exec/>).

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Record, Solver, Tail};
use crate::cert::Failure;
use crate::config::{Exec, HookMode};

/// How long the output of a hook that has ended is waited for: a process it left behind may hold the pipe.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Variables of ours that a hook does not get: `PREVIEW_KEY` is a secret.
const OURS: &str = "PREVIEW_";

/// Runs the program.
#[derive(Debug)]
pub(crate) struct Hook {
    program: PathBuf,
    mode: HookMode,
    timeout: Duration,
    /// One at a time, as with lego: hooks rewrite files.
    turn: Mutex<()>,
}

impl Hook {
    pub(crate) fn new(exec: &Exec) -> Result<Self, Failure> {
        // Hooks run in `/`.
        let program = std::path::absolute(&exec.program)?;
        Ok(Self { program, mode: exec.mode, timeout: exec.timeout, turn: Mutex::default() })
    }

    async fn run(&self, action: &str, record: &Record) -> Result<(), Failure> {
        let fqdn = format!("{}.", record.fqdn);
        let args = match self.mode {
            HookMode::Default => vec![action, &fqdn, &record.value],
            HookMode::Raw => vec![action, "--", &record.domain, &record.token, &record.key_authorization],
        };
        let _turn = self.turn.lock().await;
        let failed = |reason| {
            let hook = format!("{} {}", self.program.display(), args.join(" "));
            Failure::HookFailed { hook, reason }
        };
        let (mut run, mut output) =
            self.start(&args).map_err(|error| failed(format!("it cannot be started ({error})")))?;
        let mut said = Tail::default();
        let ended = timeout(self.timeout, run.end(&mut output, &mut said)).await;
        let reason = match ended {
            Ok(Ok(status)) if status.success() => {
                tracing::debug!(program = %self.program.display(), action, %said, "a hook has run");
                return Ok(());
            }
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => format!("it cannot be waited for ({error})"),
            Err(_) => {
                run.kill().await;
                let _ = timeout(LAST_WORDS, said.read(&mut output)).await;
                format!("not done within {} s, killed with all it started", self.timeout.as_secs_f32())
            }
        };
        Err(failed(said.after(&reason)))
    }

    fn start(&self, args: &[&str]) -> io::Result<(Run, Receiver)> {
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&self.program);
        command.args(args).current_dir("/").process_group(0).stdin(Stdio::null());
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with(OURS)) {
            command.env_remove(name);
        }
        command.stdout(writer.try_clone()?).stderr(writer);
        let child = command.spawn()?;
        Ok((Run { child }, Receiver::from_owned_fd(reader.into())?))
    }
}

impl Solver for Hook {
    fn name(&self) -> &'static str {
        "exec"
    }

    fn present<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        self.run("present", record).boxed()
    }

    fn remove<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        self.run("cleanup", record).boxed()
    }
}

/// A hook that runs, the leader of a process group; the whole group ends when this is dropped before its end.
struct Run {
    child: Child,
}

impl Run {
    async fn end(&mut self, output: &mut Receiver, said: &mut Tail) -> io::Result<ExitStatus> {
        tokio::select! {
            status = self.child.wait() => {
                let status = status?;
                let _ = timeout(LAST_WORDS, said.read(output)).await;
                return Ok(status);
            }
            () = said.read(output) => {}
        }
        self.child.wait().await
    }

    async fn kill(&mut self) {
        self.kill_group();
        let _ = timeout(LAST_WORDS, self.child.wait()).await;
    }

    fn kill_group(&self) {
        // Until its leader has been waited for, nobody else can have the group's number.
        let leader = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(leader) = leader
            && let Err(error) = kill_process_group(leader, Signal::KILL)
        {
            tracing::warn!(%error, "a hook that took too long cannot be killed");
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.kill_group();
    }
}

impl Tail {
    /// Reads to the end, and keeps the last of it.
    async fn read(&mut self, from: &mut Receiver) {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            self.push(&buffer[..read]);
        }
    }
}
