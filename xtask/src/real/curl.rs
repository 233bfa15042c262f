//! `curl`, as a person would use it.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header lines, as they came.
    pub headers: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The first value of a header, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.body).with_context(|| format!("no JSON: {}", self.body))
    }
}

/// Runs `curl` with these arguments: no redirects followed, no proxy, certificates as the arguments say.
///
/// # Errors
/// curl's own words, when nothing came back.
pub fn curl<S: AsRef<str>>(args: &[S]) -> Result<Answer> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--include", "--noproxy", "*", "--max-time", "60"])
        .args(args.iter().map(AsRef::as_ref))
        .output()
        .context("cannot run curl; `cargo xtask test` installs it")?;
    let text = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
    let Some(status) = text.split(' ').nth(1).and_then(|word| word.get(..3)?.parse().ok()) else {
        bail!("curl: {}", String::from_utf8_lossy(&output.stderr).trim());
    };
    let (headers, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    Ok(Answer { status, headers: headers.to_owned(), body: body.to_owned() })
}
