//! The lints are the same everywhere, and exceptions give reasons.

use toml::{Table, Value};

use super::{File, Finding, Tree};

const RULE: &str = "lints";

/// Every package takes the workspace's lints, and no source silences one without a reason.
pub(super) fn everywhere(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.files().filter(|file| file.path.ends_with("/Cargo.toml"));
    let bare = manifests
        .filter(|file| !inherits(file))
        .map(|file| Finding::new(&file.path, 1, RULE, "add `[lints]` with `workspace = true`"));
    let silenced = tree.rust().flat_map(|file| {
        file.lines()
            .filter(|(_, line)| {
                ["#[allow(", "#![allow("].iter().any(|mark| line.trim_start().starts_with(mark))
            })
            .map(|(at, _)| Finding::new(&file.path, at, RULE, "write `#[expect(lint, reason = \"…\")]`"))
    });
    bare.chain(silenced).collect()
}

/// A crate's own `clippy.toml` replaces the root's, so core's repeats its keys, and adds the bans.
pub(super) fn bans(tree: &Tree) -> Vec<Finding> {
    let Some(root) = tree.file("clippy.toml").and_then(table) else { return Vec::new() };
    let path = "crates/preview-core/clippy.toml";
    let Some(core) = tree.file(path).and_then(table) else {
        return vec![Finding::new(
            path,
            1,
            RULE,
            "write it: it bans clocks, files, sockets and threads in core",
        )];
    };
    let repeated = root.iter().filter(|(key, value)| core.get(*key) != Some(value));
    let repeated = repeated.map(|(key, value)| format!("repeat the root's `{key} = {value}`"));
    let banned =
        ["disallowed-types", "disallowed-methods"].into_iter().filter(|key| !core.contains_key(*key));
    let banned = banned.map(|key| format!("add `{key}`: core has no clock, file, socket or thread"));
    repeated.chain(banned).map(|advice| Finding::new(path, 1, RULE, advice)).collect()
}

fn inherits(file: &File) -> bool {
    table(file).is_some_and(|manifest| {
        manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool) == Some(true)
    })
}

fn table(file: &File) -> Option<Table> {
    file.text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn a_package_without_the_lints_and_a_silenced_lint_are_found() {
        let tree = Tree::of(&[
            ("crates/a/Cargo.toml", "[package]\nname = \"a\"\n"),
            ("crates/a/src/lib.rs", "\n    #[allow(dead_code)]\nfn a() {}\n"),
            ("crates/b/Cargo.toml", "[lints]\nworkspace = true\n"),
        ]);
        assert_eq!(places(&everywhere(&tree)), ["crates/a/Cargo.toml:1", "crates/a/src/lib.rs:2"]);
    }

    #[test]
    fn core_must_repeat_the_roots_keys_and_ban_what_is_impure() {
        let root = ("clippy.toml", "allow-unwrap-in-tests = true\n");
        assert_eq!(bans(&Tree::of(&[root])).len(), 1);
        let core = ("crates/preview-core/clippy.toml", "disallowed-types = []\n");
        assert_eq!(bans(&Tree::of(&[root, core])).len(), 2);
    }
}
