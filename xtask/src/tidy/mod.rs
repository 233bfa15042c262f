//! `cargo xtask tidy`: the house rules that no linter knows. CONTRIBUTING.md gives their reasons.
//!
//! A rule is one function from the [`Tree`] to its findings; each has a test that shows it object.

pub mod tokens;
mod tree;

mod ci;
mod debian;
mod dependencies;
mod length;
mod links;
mod lints;
mod machine;
mod marks;
mod order;
mod purity;
mod versions;

use std::fmt;

use anyhow::{Result, bail};

use crate::shell;
use crate::steps::say;

pub use tree::{File, Tree};

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    path: String,
    line: usize,
    rule: &'static str,
    advice: String,
}

/// All rules, in the order in which they were found worth having.
const RULES: [fn(&Tree) -> Vec<Finding>; 14] = [
    length::sources,
    length::programs,
    purity::core,
    dependencies::core,
    dependencies::directions,
    versions::floors,
    lints::everywhere,
    lints::bans,
    order::core,
    marks::unfinished,
    links::markdown,
    machine::traces,
    debian::one_list,
    ci::entry,
];

/// Checks the workspace and prints every finding.
///
/// # Errors
/// When there is one.
pub fn run() -> Result<()> {
    let findings = check(&Tree::read(shell::root())?);
    for finding in &findings {
        say(&finding.to_string());
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("1 house rule is broken, see above"),
        n => bail!("house rules are broken in {n} places, see above"),
    }
}

/// All findings, by file and line.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(tree)).collect();
    findings.sort();
    findings.dedup();
    findings
}

impl Finding {
    fn new(path: &str, line: usize, rule: &'static str, advice: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, advice: advice.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}

/// `path:line` of each finding: what the rules' tests compare.
#[cfg(test)]
fn places(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_place_rule_and_what_to_do() {
        let finding = Finding::new("crates/a/src/b.rs", 7, "length", "split it");
        assert_eq!(finding.to_string(), "crates/a/src/b.rs:7: length: split it");
    }
}
