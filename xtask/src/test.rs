//! `cargo xtask test`: the one command that says whether the tree is sound. CI runs this and nothing else.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::steps::Steps;
use crate::{install, shell, supply_chain, tidy};

/// Every build and lint covers the same packages and features, and dev-dependencies too: cargo joins features
/// over what it builds, so a narrower choice would compile the dependencies again.
pub const SCOPE: [&str; 3] = ["--workspace", "--all-features", "--locked"];

/// What to test.
#[derive(clap::Args, Debug, Default)]
pub struct Args {
    /// Run only tests whose name contains this, and no lints.
    name: Option<String>,
}

/// Runs the whole sequence, or with a name just the tests that bear it.
///
/// # Errors
/// The first step that fails.
pub fn run(args: &Args) -> Result<()> {
    let mut steps = Steps::begin();
    steps.step("install", install::everything)?;
    if let Some(name) = &args.name {
        steps.step("build", build)?;
        steps.step("tests", || shell::run(nextest()?.arg(name)))?;
        steps.close(&format!("Tests named `{name}` passed; nothing else was checked"));
        return Ok(());
    }
    steps.step("format", || shell::run(&mut shell::cargo(&["fmt", "--all", "--check"])))?;
    steps.step("tidy", tidy::run)?;
    steps
        .step("clippy", || shell::run(scoped("clippy", &["--all-targets"]).args(["--", "-D", "warnings"])))?;
    steps.step("rustdoc", || {
        // Naming examples brings in dev-dependencies, without which the features would be others.
        let mut doc = scoped("doc", &["--no-deps", "--lib", "--examples"]);
        shell::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    steps.step("supply chain", supply_chain::run)?;
    steps.step("build", build)?;
    steps.step("tests", || shell::run(&mut nextest()?))?;
    steps.step("doc tests", || shell::run(&mut with_binaries(scoped("test", &["--doc"]))?))?;
    steps.close("All is well: every check and every test passed");
    Ok(())
}

/// Builds the programs that tests run, and the tests.
///
/// # Errors
/// When something does not compile.
pub fn build() -> Result<()> {
    shell::run(&mut scoped("build", &["--bins", "--tests", "--examples"]))
}

/// Builds our programs alone.
///
/// # Errors
/// When something does not compile.
pub fn binaries() -> Result<()> {
    shell::run(&mut scoped("build", &["--bins"]))
}

/// `cargo nextest run` over everything, with our programs at hand.
///
/// # Errors
/// When cargo cannot say where it builds.
pub fn nextest() -> Result<Command> {
    with_binaries(scoped("nextest", &[]))
}

fn scoped(command: &str, args: &[&str]) -> Command {
    let verb: &[&str] = if command == "nextest" { &["nextest", "run"] } else { &[command] };
    shell::cargo(&[verb, &SCOPE[..], args].concat())
}

/// Tells the tests where our programs lie, by the variable that their helpers read.
fn with_binaries(mut command: Command) -> Result<Command> {
    let dir = shell::target_dir()?.join("debug");
    ensure!(dir.join("preview").is_file(), "{}: no `preview` there; build first", dir.display());
    command.env("PREVIEW_BIN_DIR", dir);
    Ok(command)
}
