//! From what nextest and the tests left behind to a page that people read.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::count::Entry;
use crate::steps::seconds;
use crate::tidy::{Tree, tokens};

/// How many cases a property test tries; proptest itself reads the variable.
pub(super) const PROPERTY_CASES: &str = "PROPTEST_CASES";

/// All that is known of one run.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) head: Vec<(String, String)>,
    pub(super) tests: Vec<Test>,
    pub(super) ledger: Vec<Entry>,
    pub(super) properties: Vec<Property>,
}

/// One test that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) binary: String,
    pub(super) name: String,
    pub(super) took: Duration,
    pub(super) passed: bool,
}

/// A property test found in the sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Property {
    package: String,
    name: String,
}

impl Record {
    /// The whole page.
    pub(super) fn markdown(&self) -> String {
        let mut page = String::from("# Soak\n\nWritten by `cargo xtask soak`; a later run replaces it.\n\n");
        page.push_str("| | |\n|---|---|\n");
        for (name, value) in &self.head {
            let _ = writeln!(page, "| {name} | {value} |");
        }

        let counted = |test: &Test| self.ledger.iter().any(|entry| entry.is_of(test));
        let property = |test: &Test| self.properties.iter().any(|property| property.is(test));

        page.push_str("\n## Laws with a count\n\n| law | tried | outcome | took |\n|---|---|---|---|\n");
        for test in self.tests.iter().filter(|test| counted(test)) {
            let counts: Vec<_> = self.ledger.iter().filter(|entry| entry.is_of(test)).collect();
            let counts = counts.iter().map(|entry| format!("{} × `{}`", entry.count, entry.name));
            let tried = counts.collect::<Vec<_>>().join(", ");
            let _ = writeln!(page, "| {} | {tried} | {} |", test.title(), test.fate());
        }

        let _ = writeln!(page, "\n## Properties, `{PROPERTY_CASES}` cases each\n");
        page.push_str("| law | outcome | took |\n|---|---|---|\n");
        for test in self.tests.iter().filter(|test| property(test) && !counted(test)) {
            let _ = writeln!(page, "| {} | {} |", test.title(), test.fate());
        }

        let rest: Vec<_> = self.tests.iter().filter(|test| !counted(test) && !property(test)).collect();
        let failed: Vec<_> = rest.iter().filter(|test| !test.passed).collect();
        let _ = writeln!(page, "\n## All other tests\n\n{} ran, {} failed.", rest.len(), failed.len());
        for test in failed {
            let _ = writeln!(page, "- {} **failed**", test.title());
        }
        page
    }
}

impl Test {
    /// `the sentence` (binary, module).
    fn title(&self) -> String {
        let (module, sentence) = self.name.rsplit_once("::").unwrap_or(("", &self.name));
        let place = if module.is_empty() { self.binary.clone() } else { format!("{} {module}", self.binary) };
        format!("{} ({place})", sentence.replace('_', " "))
    }

    fn fate(&self) -> String {
        format!("{} | {}", if self.passed { "held" } else { "**failed**" }, seconds(self.took))
    }
}

impl Property {
    fn is(&self, test: &Test) -> bool {
        let package = test.binary.split("::").next();
        package == Some(&self.package) && test.name.rsplit("::").next() == Some(&self.name)
    }
}

impl Entry {
    fn is_of(&self, test: &Test) -> bool {
        self.binary == test.binary && self.test == test.name
    }
}

/// The tests of nextest's JUnit report.
pub(super) fn tests(junit: &str) -> Result<Vec<Test>> {
    let document = roxmltree::Document::parse(junit).context("nextest's JUnit report")?;
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
    cases
        .map(|case| {
            let get = |name| case.attribute(name).with_context(|| format!("a test case without `{name}`"));
            Ok(Test {
                binary: get("classname")?.to_owned(),
                name: get("name")?.to_owned(),
                took: Duration::try_from_secs_f64(get("time")?.parse()?)?,
                passed: !case.children().any(|child| matches!(child.tag_name().name(), "failure" | "error")),
            })
        })
        .collect()
}

/// The counts that tests asked for, each once.
pub(super) fn ledger(text: &str) -> Vec<Entry> {
    let mut entries: Vec<_> = text.lines().filter_map(Entry::parse).collect();
    entries.sort_by(|a, b| (&a.binary, &a.test, &a.name).cmp(&(&b.binary, &b.test, &b.name)));
    entries.dedup();
    entries
}

/// The functions within `proptest! { … }` of every package under `crates/`.
pub(super) fn properties(tree: &Tree) -> Vec<Property> {
    let sources = tree.rust().filter_map(|file| {
        let package = file.path.strip_prefix("crates/")?.split('/').next()?;
        Some((package, tokens::functions_within("proptest", &file.text)))
    });
    sources
        .flat_map(|(package, names)| {
            names.into_iter().map(|name| Property { package: package.to_owned(), name })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUNIT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="soak" tests="3" failures="1" errors="0" time="9.5">
  <testsuite name="preview-daemon::it" tests="2" disabled="0" errors="0" failures="1">
    <testcase name="kill::nothing_is_lost" classname="preview-daemon::it" time="61.004"/>
    <testcase name="api::a_name_is_refused" classname="preview-daemon::it" time="0.1">
      <failure type="test failure">boom</failure>
    </testcase>
  </testsuite>
  <testsuite name="preview-core" tests="1" disabled="0" errors="0" failures="0">
    <testcase name="limits::tests::no_sequence_exceeds_a_limit" classname="preview-core" time="2.5"/>
  </testsuite>
</testsuites>"#;

    #[test]
    fn each_law_stands_with_its_count_its_outcome_and_its_time() {
        let page = record().markdown();
        let line =
            "| nothing is lost (preview-daemon::it kill) | 200 × `PREVIEW_KILLS` | held | 1 min 01 s |";
        assert!(page.contains(line), "{page}");
        let line = "| no sequence exceeds a limit (preview-core limits::tests) | held | 2.5 s |";
        assert!(page.contains(line), "{page}");
    }

    #[test]
    fn a_failed_test_is_named_even_without_a_count() {
        let page = record().markdown();
        assert!(page.contains("1 ran, 1 failed."), "{page}");
        assert!(page.contains("- a name is refused (preview-daemon::it api) **failed**"), "{page}");
    }

    #[test]
    fn a_count_asked_for_twice_stands_once() {
        let line = "preview-daemon::it\tkill::nothing_is_lost\tPREVIEW_KILLS\t200\n";
        assert_eq!(ledger(&line.repeat(2)).len(), 1);
    }

    fn record() -> Record {
        let source = "proptest! { #[test] fn no_sequence_exceeds_a_limit(x in 0..9) {} }";
        Record {
            head: vec![("Cores".into(), "2".into())],
            tests: tests(JUNIT).unwrap(),
            ledger: ledger("preview-daemon::it\tkill::nothing_is_lost\tPREVIEW_KILLS\t200\n"),
            properties: properties(&Tree::of(&[("crates/preview-core/src/limits.rs", source)])),
        }
    }
}
