//! What is written, and how: answers to standard output, everything else to standard error.
//!
//! On a terminal there are colours, ticks and columns; elsewhere tab-separated rows. `--json` writes one object,
//! or one a line where there are many.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::failure::Failure;

/// What is well.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What wants attention.
pub const WARN: Style = AnsiColor::Yellow.on_default().bold();
/// What is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What is looked for.
pub const STRONG: Style = Style::new().bold();
/// What may be passed over.
pub const FAINT: Style = Style::new().dimmed();

/// How this call writes.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    voice: Voice,
    terminal: bool,
    terminal_for_errors: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    Human,
    Quiet,
    Json,
}

impl Output {
    /// Looks where the two outputs lead.
    #[must_use]
    pub fn new(json: bool, quiet: bool) -> Self {
        let (terminal, terminal_for_errors) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let voice = match (json, quiet) {
            (true, _) => Voice::Json,
            (false, true) => Voice::Quiet,
            (false, false) => Voice::Human,
        };
        Self { voice, terminal, terminal_for_errors }
    }

    /// Whether `--json` was given.
    #[must_use]
    pub const fn is_json(self) -> bool {
        matches!(self.voice, Voice::Json)
    }

    /// Whether a person reads standard output as it comes.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        self.terminal && !self.is_json()
    }

    /// Whether colours reach the reader of standard output.
    #[must_use]
    pub fn has_colour(self) -> bool {
        self.is_terminal() && anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
    }

    /// One object, on a line of its own.
    pub fn json<T: Serialize>(self, value: &T) {
        if let Ok(line) = serde_json::to_string(value) {
            self.line(line);
        }
    }

    /// A line of the answer.
    pub fn line(self, text: impl Display) {
        // Nobody is left to be told that standard output is closed.
        let mut out = anstream::stdout();
        let _ = writeln!(out, "{text}");
        let _ = out.flush();
    }

    /// Bytes of the answer as they are; false when nobody reads them any more.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> bool {
        let mut out = io::stdout();
        out.write_all(bytes).and_then(|()| out.flush()).is_ok()
    }

    /// The values of one row: tab-separated, without what a tab or a line end in them would break.
    pub fn row(self, cells: &[&str]) {
        let clean: Vec<String> = cells.iter().map(|cell| cell.replace(['\t', '\n', '\r'], " ")).collect();
        self.line(clean.join("\t"));
    }

    /// Rows: in columns under a head on a terminal, else tab-separated without head.
    pub fn table(self, head: &[&str], rows: &[Vec<String>]) {
        if !self.is_terminal() {
            for row in rows {
                self.row(&row.iter().map(String::as_str).collect::<Vec<_>>());
            }
            return;
        }
        if !rows.is_empty() {
            self.line(columns(head, rows));
        }
    }

    /// Something to know beside the answer.
    pub fn note(self, text: impl Display) {
        if self.voice == Voice::Human {
            complain(&format!("  {FAINT}{text}{FAINT:#}"));
        }
    }

    /// Something that wants attention although it worked.
    pub fn warn(self, text: impl Display) {
        if !self.is_json() {
            complain(&format!("{WARN}warning{WARN:#} {text}"));
        }
    }

    /// What went wrong.
    pub fn failure(self, failure: &Failure) {
        let Some(problem) = failure.problem() else { return };
        if self.is_json() {
            if let Ok(line) = serde_json::to_string(&problem) {
                complain(&line);
            }
            return;
        }
        complain(&format!("{BAD}{}{BAD:#} × {}", problem.code, problem.detail));
        if let Failure::Config { snippet: Some(snippet), .. } = failure {
            complain(snippet);
        }
        if !problem.hint.is_empty() {
            complain(&format!("  {STRONG}help:{STRONG:#} {}", problem.hint));
        }
    }

    /// A sign of life while something is waited for; without a terminal, nothing.
    #[must_use]
    pub fn progress(self, what: impl Into<String>) -> Progress {
        let bar = ProgressBar::new_spinner();
        if !self.terminal_for_errors || self.voice != Voice::Human {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template("  {msg} … {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what.into());
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress(bar)
    }
}

/// A sign of life; gone when dropped.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Says that something else is waited for now.
    pub fn now(&self, what: impl Into<String>) {
        self.0.set_message(what.into());
    }

    /// Writes something else meanwhile.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Columns as wide as their widest cell; the last one runs on.
fn columns(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

fn complain(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}
