//! A program that runs as long as its guard lives.

use std::fs::File;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process, kill_process_group};
use tempfile::NamedTempFile;

use super::{tree, wait};

/// How much of the output an error quotes, in bytes.
const QUOTED: usize = 4_000;

/// A running program: leader of a session of its own, standard output and error in one file, no input.
///
/// Dropped, it is killed with its whole tree; when the thread panics, its output is shown.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: NamedTempFile,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `command`'s program, arguments, environment and folder; its own redirections and
    /// `env_clear` are not looked at. `CI` is taken out: a developer's terminal has none, and dev servers
    /// behave differently under it.
    pub fn spawn(command: &Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = NamedTempFile::new().context("cannot create a file for output")?;
        let mut leader = Command::new("setsid");
        leader.arg(command.get_program()).args(command.get_args()).env_remove("CI");
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => leader.env(key, value),
                None => leader.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            leader.current_dir(folder);
        }
        leader.stdin(Stdio::null()).stdout(appending(&output)?).stderr(appending(&output)?);
        let child = leader.spawn().with_context(|| format!("cannot start setsid {name}"))?;
        Ok(Self { name, child, output, ended: None })
    }

    /// Starts a command line, one string a word, in `folder`.
    pub fn spawn_line<S: AsRef<str>>(words: &[S], folder: &Path) -> Result<Self> {
        let (program, rest) = words.split_first().context("an empty command")?;
        Self::spawn(Command::new(program.as_ref()).args(rest.iter().map(AsRef::as_ref)).current_dir(folder))
    }

    /// The process id, which is also the id of its process group and session.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The program and its living descendants.
    #[must_use]
    pub fn tree(&self) -> Vec<u32> {
        tree::members(self.pid()).into_iter().collect()
    }

    /// What it wrote so far.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read(self.output.path())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits for a line that contains `needle`, and returns that line.
    pub fn wait_for_line(&mut self, needle: &str, within: Duration) -> Result<String> {
        self.wait_for(&format!("a line with {needle:?}"), within, |output| {
            // The last line may still grow.
            let whole = output.rsplit_once('\n').map_or("", |(whole, _)| whole);
            whole.lines().find(|line| line.contains(needle)).map(str::to_owned)
        })
    }

    /// Waits until `look` finds something in the output.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut look: impl FnMut(&str) -> Option<T>,
    ) -> Result<T> {
        self.poll(what, within, |process| look(&process.output()))
    }

    /// Waits until the port accepts a connection on one of the loopbacks, and says on which.
    pub fn wait_for_port(&mut self, port: u16, within: Duration) -> Result<SocketAddr> {
        self.poll(&format!("port {port}"), within, |_| {
            let both = [
                SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
            ];
            both.into_iter().find(|at| TcpStream::connect_timeout(at, Duration::from_secs(1)).is_ok())
        })
    }

    /// Waits for its end.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let ended = wait::poll(&format!("the end of {}", self.name), within, || self.try_wait());
        ended.with_context(|| self.quote())
    }

    /// Its exit status once it has ended.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// Sends a signal to the program alone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.raw_pid()?, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Sends a signal to its process group, as a terminal does on Ctrl-C.
    pub fn signal_group(&self, signal: Signal) -> Result<()> {
        kill_process_group(self.raw_pid()?, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Kills it with its whole tree, and waits until all are gone.
    pub fn kill(&mut self) {
        let root = self.pid();
        if self.ended.is_none() {
            tree::kill_all(|| tree::members(root).into_iter().collect());
        } else {
            // Reaped, its number may go to somebody else, but not while somebody lives in its session.
            tree::kill_all(|| tree::session(root));
        }
        self.ended = self.ended.or_else(|| self.child.wait().ok());
    }

    fn poll<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T> {
        let what = format!("{what} from {}", self.name);
        let found = wait::poll(&what, within, || {
            let ended = self.try_wait()?;
            // Looked at after the end was seen, so that last words are not missed.
            match (look(self), ended) {
                (None, Some(status)) => bail!("it ended ({status}) before there was {what}"),
                (found, _) => Ok(found),
            }
        });
        found.with_context(|| self.quote())
    }

    fn raw_pid(&self) -> Result<Pid> {
        i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("no process id")
    }

    fn quote(&self) -> String {
        let output = self.output();
        let mut start = output.len().saturating_sub(QUOTED);
        while !output.is_char_boundary(start) {
            start += 1;
        }
        format!("output of {} (pid {}):\n{}", self.name, self.pid(), &output[start..])
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            show(&self.quote());
        }
    }
}

#[expect(clippy::print_stderr, reason = "the test runner captures what this macro prints, and nothing else")]
fn show(text: &str) {
    eprintln!("{text}");
}

fn appending(file: &NamedTempFile) -> Result<File> {
    Ok(File::options().append(true).open(file.path())?)
}
