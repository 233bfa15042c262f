//! A script in Node.js that drives the browser: JSON lines in, JSON lines out.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::NamedTempFile;

use super::super::fixture::missing;
use super::super::{Scratch, tree};
use super::FIXTURE;

/// The longest silence between two lines; the scripts' own patience ends well before.
const SILENCE: Duration = Duration::from_secs(150);

/// A running script; dropped, it ends with its browser.
#[derive(Debug)]
pub struct Script {
    child: Child,
    input: ChildStdin,
    output: Receiver<String>,
    complaints: NamedTempFile,
    _folder: Scratch,
}

impl Script {
    pub(super) fn start(name: &str, task: &Value) -> Result<Self> {
        ensure!(Path::new("/usr/bin/chromium").exists(), missing("chromium"));
        let folder = Scratch::new()?;
        let dir = folder.join(FIXTURE.name);
        FIXTURE.checkout(&dir)?;
        let complaints = NamedTempFile::new()?;
        let mut child = Command::new("node")
            .arg(name)
            .current_dir(dir)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints.reopen()?)
            .spawn()
            .with_context(|| missing("node"))?;
        let input = child.stdin.take().context("standard input is a pipe")?;
        let lines = BufReader::new(child.stdout.take().context("standard output is a pipe")?).lines();
        let (sender, output) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut script = Self { child, input, output, complaints, _folder: folder };
        script.say(task)?;
        Ok(script)
    }

    /// Sends the script a line.
    pub fn say(&mut self, words: &Value) -> Result<()> {
        writeln!(self.input, "{words}").context("the script does not listen")
    }

    /// The script's next line that is not its last word.
    pub fn hear(&mut self) -> Result<Value> {
        let words = self.next()?;
        ensure!(words.get("result").is_none(), "the script ended early with {words}");
        Ok(words)
    }

    /// Waits for the script's result.
    pub fn finish<T: DeserializeOwned>(mut self) -> Result<T> {
        let mut words = self.next()?;
        let result = words.get_mut("result").map(Value::take);
        let result = result.with_context(|| format!("the script said {words} instead of a result"))?;
        serde_json::from_value(result.clone())
            .with_context(|| format!("the result has another form: {result:#}"))
    }

    fn next(&mut self) -> Result<Value> {
        let Ok(line) = self.output.recv_timeout(SILENCE) else {
            let complaints = std::fs::read_to_string(self.complaints.path()).unwrap_or_default();
            bail!("the script ended, or was silent for {SILENCE:?}: {complaints}");
        };
        let words: Value =
            serde_json::from_str(&line).with_context(|| format!("the script said {line:?}"))?;
        if let Some(error) = words.get("error").and_then(Value::as_str) {
            bail!("in the browser: {error}\nseen until then: {:#}", words["record"]);
        }
        Ok(words)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let root = self.child.id();
        tree::kill_all(|| tree::members(root).into_iter().collect());
        let _ = self.child.wait();
    }
}
