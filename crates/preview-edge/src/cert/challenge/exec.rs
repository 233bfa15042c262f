//! A program that writes the records, called as lego calls it: `PROG present|cleanup FQDN VALUE`, or in raw mode
//! `PROG present|cleanup -- DOMAIN TOKEN KEY_AUTHORIZATION` (<https://go-acme.github.io/lego/dns/exec/>).

use std::env;
use std::ffi::OsString;
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
        keep_ours(&mut command, env::vars_os().map(|(name, _)| name));
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

/// Of the variables with these names, which a hook would get, takes ours away.
fn keep_ours(command: &mut Command, names: impl Iterator<Item = OsString>) {
    for name in names.filter(|name| name.to_string_lossy().starts_with(OURS)) {
        command.env_remove(name);
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_hook_written_for_lego_adds_and_removes_its_line_unchanged() {
        // As in lego's documentation: FQDN has a final dot, and two values may stand at one name.
        let script = Script::new(
            "case \"$1\" in\n\
             present) printf '%s TXT %s\\n' \"$2\" \"$3\" >>FOLDER/zone;;\n\
             cleanup) grep -vxF \"$2 TXT $3\" FOLDER/zone >FOLDER/new; mv FOLDER/new FOLDER/zone;;\n\
             *) exit 64;;\n\
             esac",
        );
        let hook = script.hook(HookMode::Default, LONG);
        let (one, two) = (record("one"), record("two"));
        hook.present(&one).await.expect("done");
        hook.present(&two).await.expect("done");
        let line = |value| format!("_acme-challenge.preview.example.com. TXT {value}\n");
        assert_eq!(script.read("zone"), line("one") + &line("two"));
        hook.remove(&one).await.expect("done");
        assert_eq!(script.read("zone"), line("two"));
        hook.remove(&one).await.expect("gone already, which counts as removed");
    }

    #[tokio::test]
    async fn in_raw_mode_it_is_given_domain_token_and_key_authorization() {
        let script = Script::new("printf '%s|' \"$@\" >FOLDER/args; pwd >>FOLDER/args");
        script.hook(HookMode::Raw, LONG).present(&record("v")).await.expect("done");
        assert_eq!(script.read("args"), "present|--|preview.example.com|token|token.thumb|/\n");
    }

    #[test]
    fn a_hook_gets_the_environment_without_what_is_ours() {
        let mut command = Command::new("true");
        keep_ours(&mut command, ["PATH", "PREVIEW_KEY", "AWS_PROFILE"].map(OsString::from).into_iter());
        let changed: Vec<_> = command.as_std().get_envs().collect();
        assert_eq!(changed, [("PREVIEW_KEY".as_ref(), None)]);
    }

    #[tokio::test]
    async fn a_hook_that_fails_is_quoted_with_its_status_and_the_end_of_what_it_said() {
        let script = Script::new("head -c 5000 /dev/zero | tr '\\0' x; echo 'no such zone' >&2; exit 3");
        let failed = script.hook(HookMode::Default, LONG).present(&record("v")).await.expect_err("3");
        let Failure::HookFailed { hook, reason } = &failed else { panic!("{failed:?}") };
        assert!(hook.ends_with("hook present _acme-challenge.preview.example.com. v"), "{hook}");
        assert!(reason.starts_with("exit status: 3; it said: x"), "{reason}");
        assert!(reason.ends_with("no such zone") && reason.len() < 1100, "{reason}");
    }

    #[tokio::test]
    async fn a_hook_that_hangs_is_killed_with_the_children_it_forked() {
        let script = Script::new("sleep 600 & echo $! >FOLDER/child; echo waiting; wait");
        let before = Instant::now();
        let hook = script.hook(HookMode::Default, Duration::from_millis(500));
        let failed = hook.present(&record("v")).await.expect_err("too slow").to_string();
        assert!(failed.contains("not done within 0.5 s, killed") && failed.ends_with("waiting"), "{failed}");
        assert!(before.elapsed() < LONG, "it was waited for");
        script.until_dead("child").await;
    }

    #[tokio::test]
    async fn a_hook_whose_attempt_is_given_up_is_killed_too() {
        let script = Script::new("sleep 600 & echo $! >FOLDER/child; wait");
        let (hook, record) = (script.hook(HookMode::Default, LONG), record("v"));
        let given_up = tokio::select! {
            ended = hook.present(&record) => Err(ended),
            () = script.until_there("child") => Ok(()),
        };
        given_up.expect("it runs until it is dropped");
        script.until_dead("child").await;
    }

    #[tokio::test]
    async fn what_a_hook_leaves_running_does_not_hold_it_up() {
        let script = Script::new("sleep 600 & echo $! >FOLDER/child");
        script.hook(HookMode::Default, LONG).present(&record("v")).await.expect("done");
        let child = script.read("child").trim().parse().expect("a number");
        let child = Pid::from_raw(child).expect("a process");
        rustix::process::kill_process(child, Signal::KILL).expect("it is left alone");
    }

    #[tokio::test]
    async fn a_hook_that_is_missing_or_no_program_says_so() {
        let script = Script::new("true");
        fs::set_permissions(script.path("hook"), PermissionsExt::from_mode(0o600)).expect("mine");
        let hook = script.hook(HookMode::Default, LONG);
        let failed = hook.present(&record("v")).await.expect_err("no program").to_string();
        assert!(failed.contains("it cannot be started (Permission denied"), "{failed}");
        fs::remove_file(script.path("hook")).expect("mine");
        let failed = hook.present(&record("v")).await.expect_err("missing").to_string();
        assert!(failed.contains("it cannot be started (No such file"), "{failed}");
    }

    /// Far longer than a shell needs.
    const LONG: Duration = Duration::from_secs(30);

    fn record(value: &str) -> Record {
        Record {
            fqdn: "_acme-challenge.preview.example.com".to_owned(),
            value: value.to_owned(),
            domain: "preview.example.com".to_owned(),
            token: "token".to_owned(),
            key_authorization: "token.thumb".to_owned(),
        }
    }

    struct Script(tempfile::TempDir);

    impl Script {
        /// A shell script, in which `FOLDER` is where it lies.
        fn new(text: &str) -> Self {
            let script = Self(tempfile::tempdir().expect("a folder"));
            let text = text.replace("FOLDER", &script.0.path().display().to_string());
            // Written by a process of its own: one that another test forks meanwhile would hold the file open for
            // writing, and such a file cannot be run.
            let mut install = std::process::Command::new("install");
            install.args(["-m", "700", "/dev/stdin"]).arg(script.path("hook")).stdin(Stdio::piped());
            let mut install = install.spawn().expect("install is there");
            let mut into = install.stdin.take().expect("piped");
            into.write_all(format!("#!/bin/sh\n{text}\n").as_bytes()).expect("written");
            drop(into);
            assert!(install.wait().expect("waited for").success());
            script
        }

        fn hook(&self, mode: HookMode, timeout: Duration) -> Hook {
            Hook::new(&Exec { program: self.path("hook"), mode, timeout }).expect("a path")
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.path(name)).unwrap_or_default()
        }

        async fn until_there(&self, name: &str) {
            until(|| !self.read(name).is_empty()).await;
        }

        /// Waits until the process whose number stands in a file has ended; a zombie has.
        async fn until_dead(&self, name: &str) {
            let stat = Path::new("/proc").join(self.read(name).trim()).join("stat");
            until(|| fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))).await;
        }
    }

    async fn until(mut is_so: impl FnMut() -> bool) {
        let waited = timeout(LONG, async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.expect("in time");
    }
}
