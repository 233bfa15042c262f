//! Installs what the suite needs and this machine lacks. Nothing asks a question.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::steps::say;
use crate::{real, shell};

/// The one list of Debian packages in this tree.
pub const PACKAGES: &str = "xtask/real/PACKAGES";

/// Everything the suite needs: Debian packages, Rust components, nextest, and from lock files what the real
/// dev servers need of npm and PyPI; and loopback addresses for name servers.
///
/// # Errors
/// When something is missing and cannot be installed. A missing thing is never a skipped test.
pub fn everything() -> Result<()> {
    let list = std::fs::read_to_string(shell::root().join(PACKAGES)).with_context(|| PACKAGES.to_owned())?;
    debian(&packages(&list))?;
    component("rustfmt", &["fmt", "--version"])?;
    component("clippy", &["clippy", "--version"])?;
    tool("cargo-nextest", "0.9.143", &["nextest", "--version"])?;
    real::give_pool()?;
    real::prepare()
}

/// Installs a program of cargo's in exactly this version if `probe` finds none. An older or newer one that is
/// there already is taken as it is.
///
/// It is built without optimisation: it waits for other programs, and this saves minutes.
///
/// # Errors
/// When it cannot be built.
pub fn tool(name: &str, version: &str, probe: &[&str]) -> Result<()> {
    if shell::succeeds(&mut shell::cargo(probe)) {
        return Ok(());
    }
    say(&format!("    installing {name} {version}"));
    let mut install = shell::cargo(&["install", "--locked", "--quiet", "--version", version, name]);
    install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env("CARGO_PROFILE_RELEASE_LTO", "false");
    install.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "64");
    shell::run(&mut install)
}

/// The package names in the text of [`PACKAGES`]: one a line, `#` begins the reason.
#[must_use]
pub fn packages(list: &str) -> Vec<&str> {
    let names = list.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    names.filter(|name| !name.is_empty()).collect()
}

fn debian(wanted: &[&str]) -> Result<()> {
    let missing: Vec<&str> = wanted.iter().copied().filter(|name| !has_package(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !shell::succeeds(&mut shell::command("apt-get", &["--version"])) {
        bail!("missing, and no apt-get here to install them with: {}", missing.join(" "));
    }
    say(&format!("    installing {}", missing.join(" ")));
    shell::run(&mut as_root(&["apt-get", "update", "-qq"]))?;
    let install = ["apt-get", "install", "--yes", "-qq", "-o=Dpkg::Use-Pty=0", "--no-install-recommends"];
    shell::run(&mut as_root(&[&install[..], &missing[..]].concat()))
        .with_context(|| format!("as root: apt-get install {}", missing.join(" ")))
}

fn has_package(name: &str) -> bool {
    let query = shell::read(&mut shell::command("dpkg-query", &["-W", "-f", "${db:Status-Status}", name]));
    query.is_ok_and(|status| status == "installed")
}

/// Root itself, or sudo that must not ask for a password.
fn as_root(words: &[&str]) -> Command {
    let quiet = ["env", "DEBIAN_FRONTEND=noninteractive"];
    let sudo: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["sudo", "-n"] };
    let all = [sudo, &quiet[..], words].concat();
    shell::command(all[0], &all[1..])
}

fn component(name: &str, probe: &[&str]) -> Result<()> {
    if shell::succeeds(&mut shell::cargo(probe)) {
        return Ok(());
    }
    say(&format!("    installing the Rust component {name}"));
    shell::run(&mut shell::command("rustup", &["component", "add", name]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_one_package_a_line_and_reasons_behind_a_hash() {
        assert_eq!(packages("# of tests\nchromium  # a browser\n\nnginx\n"), ["chromium", "nginx"]);
    }

    #[test]
    fn what_is_there_is_not_installed_again() {
        tool("no-such-tool", "0.0.0", &["--version"]).unwrap();
    }

    #[test]
    fn a_package_that_does_not_exist_is_missing() {
        assert!(!has_package("no-such-package-anywhere"));
    }
}
