//! Who may depend on whom.

use toml::Table;

use super::{File, Finding, Tree};

const RULE: &str = "dependencies";

/// What core may depend on: no IO, no runtime, nothing that draws randomness. `jiff` writes and reads times (its
/// clock is banned by the rule of purity), `strsim` finds the key that somebody meant.
const CORE: [&str; 9] =
    ["data-encoding", "hmac", "jiff", "serde", "serde-saphyr", "sha2", "strsim", "subtle", "thiserror"];

/// What never meets in one `Cargo.toml`: (package, a crate it must not link or the beginning of such, why).
const APART: [(&str, &str, &str); 7] = [
    ("crates/preview-core", "preview-", "core is the rule book and knows nobody"),
    ("crates/preview-daemon", "preview-cli", "dependencies point from the command line to core"),
    ("crates/preview-daemon", "preview-edge", "what they say to each other is `core::wire`"),
    ("crates/preview-edge", "preview-cli", "dependencies point from the command line to core"),
    ("crates/preview-edge", "preview-daemon", "what they say to each other is `core::wire`"),
    ("crates/preview-sockets", "preview-", "it asks the kernel, and knows nobody"),
    ("xtask", "preview-", "xtask runs our programs, it never links them"),
];

/// Core depends on the crates of [`CORE`] only.
pub(super) fn core(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file("crates/preview-core/Cargo.toml") else { return Vec::new() };
    let named = dependencies(file, &["dependencies", "build-dependencies"]);
    let strange = named.into_iter().filter(|name| !CORE.contains(&name.as_str()));
    let advice =
        "is not on core's list; do without, or argue for it and add it in xtask/src/tidy/dependencies.rs";
    strange.map(|name| at(file, &name, format!("`{name}` {advice}"))).collect()
}

/// No package links one that it must not know, not even for its tests.
pub(super) fn directions(tree: &Tree) -> Vec<Finding> {
    let files = APART.iter().filter_map(|pair| Some((pair, tree.file(&format!("{}/Cargo.toml", pair.0))?)));
    files
        .filter_map(|((_, other, why), file)| {
            let all = dependencies(file, &["dependencies", "build-dependencies", "dev-dependencies"]);
            let name = all.iter().find(|name| name.starts_with(other))?;
            Some(at(file, name, format!("`{name}`: {why}")))
        })
        .collect()
}

/// The packages that a manifest names in these tables, for all platforms.
fn dependencies(file: &File, tables: &[&str]) -> Vec<String> {
    let Ok(manifest) = file.text.parse::<Table>() else { return Vec::new() };
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let platforms = targets.into_iter().flat_map(Table::values).filter_map(toml::Value::as_table);
    std::iter::once(&manifest)
        .chain(platforms)
        .flat_map(|manifest| tables.iter().filter_map(|table| manifest.get(*table)?.as_table()))
        .flat_map(|table| table.iter().map(|(name, spec)| package(name, spec)))
        .collect()
}

/// A dependency's real name, which `package = "…"` may hide.
fn package(name: &str, spec: &toml::Value) -> String {
    spec.get("package").and_then(toml::Value::as_str).unwrap_or(name).to_owned()
}

fn at(file: &File, name: &str, advice: String) -> Finding {
    let line = file.lines().find(|(_, line)| line.trim_start().starts_with(name)).map_or(1, |(at, _)| at);
    Finding::new(&file.path, line, RULE, advice)
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn a_new_dependency_of_core_is_found_wherever_it_hides() {
        let text = "[dependencies]\nsha2 = \"1\"\nnow = { package = \"chrono\", version = \"1\" }\n\
                    [target.'cfg(unix)'.dependencies]\nrustix = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n";
        let findings = core(&Tree::of(&[("crates/preview-core/Cargo.toml", text)]));
        assert_eq!(findings.len(), 2);
        assert!(findings[0].advice.contains("`chrono`") && findings[1].line == 5, "{findings:?}");
    }

    #[test]
    fn edge_and_daemon_are_kept_apart_even_in_tests() {
        let text = "[dev-dependencies]\npreview-daemon.workspace = true\n";
        let tree = Tree::of(&[("crates/preview-edge/Cargo.toml", text)]);
        assert_eq!(places(&directions(&tree)), ["crates/preview-edge/Cargo.toml:2"]);
    }

    #[test]
    fn xtask_links_nothing_of_the_product() {
        let text = "[dependencies]\npreview-core = { path = \"../crates/preview-core\" }\n";
        assert_eq!(places(&directions(&Tree::of(&[("xtask/Cargo.toml", text)]))), ["xtask/Cargo.toml:2"]);
    }
}
