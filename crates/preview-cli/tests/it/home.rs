//! A home folder of a test's own, and `preview` in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use xtask::real::{Process, Scratch, bin, free_port_outside};

/// How long anything may take that does not depend on a person.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// A home with a configuration, a state folder, and a public port that nobody else uses.
pub(crate) struct Home {
    scratch: Scratch,
    /// The port of its edge.
    pub(crate) port: u16,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With further lines of configuration below `web_preview`.
    pub(crate) fn with(lines: &str) -> Self {
        Self::at(free_port_outside().expect("a port"), lines)
    }

    /// With a public port whose next one nobody else uses either.
    pub(crate) fn beside_a_free_port() -> Self {
        let mut port = free_port_outside().expect("a port");
        loop {
            let next = free_port_outside().expect("a port");
            if next == port + 1 {
                return Self::at(port, "");
            }
            port = next;
        }
    }

    fn at(port: u16, lines: &str) -> Self {
        let scratch = Scratch::new().expect("a folder");
        let config = format!(
            "web_preview:\n  public_url_template: \"http://preview-{{port}}.localhost:{port}\"\n  \
             edge: {{ http: \"localhost:{port}\" }}\n{lines}"
        );
        scratch.write(".config/preview/config.yaml", config).expect("written");
        Self { scratch, port }
    }

    /// With these lines alone below `web_preview`.
    pub(crate) fn bare(lines: &str) -> Self {
        let (scratch, port) = (Scratch::new().expect("a folder"), free_port_outside().expect("a port"));
        let config =
            if lines.is_empty() { "web_preview: {}\n".to_owned() } else { format!("web_preview:\n{lines}") };
        scratch.write(".config/preview/config.yaml", config).expect("written");
        Self { scratch, port }
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// A folder in it, made if need be.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.scratch.join(name);
        std::fs::create_dir_all(&folder).expect("made");
        folder
    }

    /// A file in it.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        self.scratch.write(name, content).expect("written")
    }

    /// Runs `preview` to its end, in its home folder.
    pub(crate) fn preview(&self, words: &[&str]) -> Output {
        self.command(words, self.path()).output().expect("preview starts")
    }

    /// As [`Self::preview`]; it must succeed, and its standard output is what counts.
    pub(crate) fn told(&self, words: &[&str]) -> String {
        let output = self.preview(words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "preview {words:?}: {}\n{text}{}",
            output.status,
            complaint(&output)
        );
        text
    }

    /// As [`Self::told`], the one object that `--json` writes.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let text = self.told(&[words, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"))
    }

    /// As [`Self::preview`]; it must end with this code, and its standard error is what counts.
    pub(crate) fn refused(&self, words: &[&str], code: i32) -> String {
        let output = self.preview(words);
        assert_eq!(output.status.code(), Some(code), "preview {words:?}: {}", complaint(&output));
        complaint(&output)
    }

    /// Starts `preview` in a folder of this home.
    pub(crate) fn start(&self, words: &[&str], folder: &Path) -> Process {
        Process::spawn(&self.command(words, folder)).expect("preview starts")
    }

    /// Starts `preview up`, and waits until it serves.
    pub(crate) fn up(&self) -> Process {
        let mut up = self.start(&["up"], self.path());
        up.wait_for_line("state\t", SOON).expect("it serves");
        up
    }

    fn command(&self, words: &[&str], folder: &Path) -> Command {
        let mut command = Command::new(bin("preview").expect("built"));
        command.args(words).current_dir(folder).env("HOME", self.path());
        for name in ["PREVIEW_CONFIG", "PREVIEW_KEY", "NO_COLOR", "CLICOLOR_FORCE", "BROWSER"] {
            command.env_remove(name);
        }
        command
    }
}

/// What went to standard error.
pub(crate) fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
