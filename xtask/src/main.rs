//! `cargo xtask`: what contributors type. Each command lives in the library's file of its name.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::steps::say;
use xtask::{smoke, soak, supply_chain, test, tidy};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tests and tends the Preview workspace.")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing, lint everything, build everything, run every test.
    Test(test::Args),
    /// Rehearse the whole way on this machine, or check a live deployment.
    Smoke(smoke::Args),
    /// Check the house rules that no linter knows.
    Tidy,
    /// Run the tests at their long counts and record the outcome in docs/soak.md.
    Soak(soak::Args),
    /// Check licences, sources and banned versions of all dependencies with cargo-deny.
    SupplyChain,
}

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("\nerror: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Test(args) => test::run(&args),
        Command::Smoke(args) => smoke::run(&args),
        Command::Tidy => tidy::run(),
        Command::Soak(args) => soak::run(&args),
        Command::SupplyChain => supply_chain::run(),
    }
}
