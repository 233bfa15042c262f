//! The version floors of `deny.toml`, held against `Cargo.lock` in a second.
//!
//! Crates that are banned in every version are cargo-deny's business alone: the lock file also names optional
//! dependencies that nobody turns on.

use semver::{Version, VersionReq};
use toml::{Table, Value};

use super::{File, Finding, Tree};

const RULE: &str = "versions";

/// No locked package is older than `deny.toml` allows.
pub(super) fn floors(tree: &Tree) -> Vec<Finding> {
    let (Some(deny), Some(lock)) = (tree.file("deny.toml"), tree.file("Cargo.lock")) else {
        return Vec::new();
    };
    match banned(deny) {
        Ok(bans) => bans.iter().flat_map(|ban| ban.found_in(lock)).collect(),
        Err(entry) => vec![Finding::new(&deny.path, 1, RULE, format!("cannot read the ban {entry}"))],
    }
}

/// Versions of a crate that are not to be used.
struct Ban {
    name: String,
    versions: VersionReq,
    reason: String,
}

impl Ban {
    fn found_in(&self, lock: &File) -> Vec<Finding> {
        let lines: Vec<&str> = lock.text.lines().collect();
        let pairs = lines.windows(2).enumerate();
        pairs
            .filter_map(|(at, pair)| {
                let name = quoted(pair[0], "name = ")?;
                let version = Version::parse(quoted(pair[1], "version = ")?).ok()?;
                let advice = format!("{name} {version} is banned by deny.toml: {}", self.reason);
                (name == self.name && self.versions.matches(&version))
                    .then(|| Finding::new(&lock.path, at + 1, RULE, advice))
            })
            .collect()
    }
}

/// The ranges of the `[bans] deny` list, or the entry that is not `{ crate = "name" or "name:range", reason }`.
fn banned(deny: &File) -> Result<Vec<Ban>, String> {
    let table = deny.text.parse::<Table>().map_err(|error| error.to_string())?;
    let entries = table.get("bans").and_then(|bans| bans.get("deny")).and_then(Value::as_array);
    let bans = entries.into_iter().flatten().map(|entry| ban(entry).ok_or_else(|| entry.to_string()));
    bans.filter(|ban| !ban.as_ref().is_ok_and(|ban| ban.versions == VersionReq::STAR)).collect()
}

fn ban(entry: &Value) -> Option<Ban> {
    let spec = entry.get("crate")?.as_str()?;
    let (name, range) = spec.split_once(':').unwrap_or((spec, "*"));
    let reason = entry.get("reason")?.as_str()?.to_owned();
    Some(Ban { name: name.to_owned(), versions: VersionReq::parse(range).ok()?, reason })
}

fn quoted<'a>(line: &'a str, before: &str) -> Option<&'a str> {
    line.strip_prefix(before)?.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    const DENY: &str = "[bans]\ndeny = [\n{ crate = \"h2:<0.4.16\", reason = \"floods\" },\n\
                        { crate = \"openssl\", reason = \"one stack\" },\n]\n";

    #[test]
    fn an_old_version_is_found_and_others_are_not() {
        let lock = "[[package]]\nname = \"h2\"\nversion = \"0.4.15\"\n\n[[package]]\nname = \"h2\"\n\
                    version = \"0.4.16\"\n\n[[package]]\nname = \"openssl\"\nversion = \"0.10.0\"\n";
        let tree = Tree::of(&[("deny.toml", DENY), ("Cargo.lock", lock)]);
        assert_eq!(places(&floors(&tree)), ["Cargo.lock:2"]);
    }

    #[test]
    fn a_ban_that_cannot_be_read_is_not_passed_over() {
        let tree = Tree::of(&[("deny.toml", "[bans]\ndeny = [\"h2\"]\n"), ("Cargo.lock", "")]);
        assert_eq!(places(&floors(&tree)), ["deny.toml:1"]);
    }
}
