//! `cargo xtask smoke`: the seed's local rehearsal as one command, or its deployment checks against a live one.

pub mod link;
pub mod rehearsal;

use std::process::Command;

use anyhow::{Result, ensure};

use crate::real::bin;
use crate::steps::say;
use crate::test;

/// What may follow `cargo xtask smoke`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The daemon's URL; with BASE, a live deployment is checked.
    #[arg(requires = "base")]
    daemon: Option<String>,
    /// The domain below which previews live, e.g. preview.example.com.
    base: Option<String>,
}

/// Rehearses, or checks a deployment.
///
/// # Errors
/// The first part of the rehearsal that failed, or that a check did.
pub fn run(args: &Args) -> Result<()> {
    test::binaries()?;
    if let (Some(daemon), Some(base)) = (&args.daemon, &args.base) {
        let checks = ["doctor", "--daemon", daemon, "--base", base];
        let status = Command::new(bin("preview")?).args(checks).status()?;
        ensure!(status.success(), "the deployment fails a check");
        return Ok(());
    }
    for part in rehearsal::PARTS {
        (part.play)().map_err(|error| {
            say(&format!("fail  {}", part.name));
            error.context(part.name)
        })?;
        say(&format!("ok    {}", part.name));
    }
    Ok(())
}
