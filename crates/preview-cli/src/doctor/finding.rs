//! What a check found, and the report of all.

use preview_core::refusal::Code;
use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{BAD, GOOD, Output, WARN};

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    level: Level,
    check: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    pub(crate) fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { level: Level::Ok, check, code: None, detail: detail.into(), fix: None }
    }

    pub(crate) fn warn(check: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { level: Level::Warn, check, code: None, detail: detail.into(), fix: Some(fix.into()) }
    }

    pub(crate) fn fail(check: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { level: Level::Fail, check, code: None, detail: detail.into(), fix: Some(fix.into()) }
    }

    /// The same with the code that it is known by.
    pub(crate) fn with_code(self, code: Option<Code>) -> Self {
        Self { code: code.map(Code::as_str), ..self }
    }
}

/// All findings, told as they come.
#[derive(Debug)]
pub(crate) struct Report {
    output: Output,
    findings: Vec<Finding>,
}

impl Report {
    pub(crate) const fn new(output: Output) -> Self {
        Self { output, findings: Vec::new() }
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        if !self.output.is_json() {
            tell(self.output, &finding);
        }
        self.findings.push(finding);
    }

    /// Sums up; an error if anything failed.
    pub(crate) fn close(self) -> Result<(), Failure> {
        let count = |level| self.findings.iter().filter(|finding| finding.level == level).count();
        let (failures, warnings, ok) = (count(Level::Fail), count(Level::Warn), count(Level::Ok));
        if self.output.is_json() {
            let checks = &self.findings;
            self.output
                .json(&json!({ "failures": failures, "warnings": warnings, "ok": ok, "checks": checks }));
        } else {
            self.output.line(format_args!(
                "Summary: {}, {}, {ok} ok",
                counted(failures, "failure"),
                counted(warnings, "warning")
            ));
        }
        if failures > 0 { Err(Failure::ChecksFailed) } else { Ok(()) }
    }
}

fn tell(output: Output, finding: &Finding) {
    let (style, word) = match finding.level {
        Level::Ok => (GOOD, "ok"),
        Level::Warn => (WARN, "warn"),
        Level::Fail => (BAD, "fail"),
    };
    // The same columns with and without a terminal: people grep this.
    output.line(format_args!("{style}{word:<4}{style:#}  {:<15} {}", finding.check, finding.detail));
    if let Some(code) = finding.code {
        output.line(format_args!("      code: {code}"));
    }
    if let Some(fix) = &finding.fix {
        output.line(format_args!("      fix: {fix}"));
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
