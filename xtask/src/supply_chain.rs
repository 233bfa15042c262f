//! `cargo xtask supply-chain`: licences, sources and banned versions, offline, by `deny.toml`.

use anyhow::Result;

use crate::{install, shell};

/// Checks all dependencies.
///
/// # Errors
/// When one of them breaks a rule of `deny.toml`, or cargo-deny cannot be installed.
pub fn run() -> Result<()> {
    install::tool("cargo-deny", "0.20.2", &["deny", "--version"])?;
    shell::run(&mut shell::cargo(&[
        "deny",
        "--workspace",
        "--all-features",
        "--locked",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))
}
