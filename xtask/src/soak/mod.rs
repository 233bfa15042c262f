//! `cargo xtask soak`: the suite's laws at long counts, and the record of how they fared.

mod report;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::count::{LEDGER, SOAK};
use crate::steps::{Steps, say};
use crate::tidy::Tree;
use crate::{install, shell, test};

/// Where the record is kept.
const RECORD: &str = "docs/soak.md";

/// The counts that have a variable of their own, at their long values. The environment may raise them further;
/// counts that are not listed know their long value themselves (`xtask::count`).
const COUNTS: [(&str, u32); 3] =
    [("PREVIEW_KILLS", 200), ("PREVIEW_FUZZ", 5_000), (report::PROPERTY_CASES, 10_000)];

/// What to soak.
#[derive(clap::Args, Debug, Default)]
pub struct Args {
    /// Soak only tests whose name contains this; the outcome is printed, not recorded.
    name: Option<String>,
}

/// Runs the tests, then writes down what happened, whether they passed or not.
///
/// # Errors
/// When a law does not hold, or something cannot be built or written.
pub fn run(args: &Args) -> Result<()> {
    let mut steps = Steps::begin();
    steps.step("install", install::everything)?;
    steps.step("build", test::build)?;

    let target = shell::target_dir()?;
    let ledger = target.join("soak-ledger.tsv");
    let junit = target.join("nextest/soak/junit.xml");
    forget(&ledger)?;
    forget(&junit)?;

    let counts = COUNTS.map(|(name, long)| {
        (name, std::env::var(name).ok().filter(|set| !set.is_empty()).unwrap_or_else(|| long.to_string()))
    });
    let mut nextest = test::nextest()?;
    nextest.args(["--profile", "soak"]).args(&args.name);
    nextest.env(SOAK, "1").env(LEDGER, &ledger).envs(counts.iter().map(|(name, count)| (name, count)));
    let outcome = steps.step("soak", || shell::run(&mut nextest));

    let record = report::Record {
        head: head(&counts)?,
        tests: report::tests(&read(&junit)?)?,
        ledger: report::ledger(&fs::read_to_string(&ledger).unwrap_or_default()),
        properties: report::properties(&Tree::read(shell::root())?),
    };
    let text = record.markdown();
    if args.name.is_some() {
        say(&text);
    } else {
        fs::create_dir_all(shell::root().join("docs"))?;
        fs::write(shell::root().join(RECORD), text).context(RECORD)?;
    }
    outcome?;
    ensure!(!record.tests.is_empty(), "no test ran");
    steps.close("Every law held");
    Ok(())
}

fn forget(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| file.display().to_string())
        }
        _ => Ok(()),
    }
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("nextest left no {}", file.display()))
}

/// When, of what, where and how far: the facts of this run, one a line.
fn head(counts: &[(&str, String)]) -> Result<Vec<(String, String)>> {
    let line = |program, args: &[&str]| -> Result<String> {
        Ok(shell::read(&mut shell::command(program, args))?.trim().to_owned())
    };
    let changed = !line("git", &["status", "--porcelain", "--", ".", &format!(":!{RECORD}")])?.is_empty();
    let commit = line("git", &["rev-parse", "--short=12", "HEAD"])?;
    let cores = std::thread::available_parallelism()?;
    let mut head = vec![
        ("Date (UTC)".to_owned(), line("date", &["-u", "+%Y-%m-%d %H:%M"])?),
        ("Commit".to_owned(), if changed { format!("{commit}, with local changes") } else { commit }),
        ("Cores".to_owned(), cores.to_string()),
    ];
    head.extend(counts.iter().map(|(name, count)| (format!("`{name}`"), count.clone())));
    Ok(head)
}
