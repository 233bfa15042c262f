//! A file's `mod` order is its reading order.

use super::{Finding, Tree, tokens};

const RULE: &str = "order";

/// Core's rooms as ARCHITECTURE.md walks through them: words, rules, the registry, what an edge needs.
const CORE: [&str; 23] = [
    "id",
    "clock",
    "template",
    "ports",
    "limits",
    "idle",
    "token",
    "share",
    "grant",
    "cookie",
    "listener",
    "verdict",
    "attachment",
    "block",
    "command",
    "registry",
    "event",
    "refusal",
    "route",
    "access",
    "audit",
    "wire",
    "settings",
];

/// Core's modules stand in the order of [`CORE`], and all are named there.
pub(super) fn core(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file("crates/preview-core/src/lib.rs") else { return Vec::new() };
    let words = tokens::paths(&file.text);
    let modules = words.windows(2).filter(|pair| pair[0].path == "mod").map(|pair| &pair[1]);
    let mut findings = Vec::new();
    let mut reached = 0;
    for module in modules.filter(|module| module.path != "tests") {
        let advice = match CORE.iter().position(|room| *room == module.path) {
            None => format!("`{}` has no place in xtask/src/tidy/order.rs; give it one", module.path),
            Some(place) if place < reached => format!("`{}` comes before `{}`", module.path, CORE[reached]),
            Some(place) => {
                reached = place;
                continue;
            }
        };
        findings.push(Finding::new(&file.path, module.line, RULE, advice));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn a_room_out_of_order_and_an_unknown_one_are_found() {
        let text = "pub mod id;\npub mod limits;\npub mod clock;\nmod cellar;\npub mod idle;\n";
        let found = places(&core(&Tree::of(&[("crates/preview-core/src/lib.rs", text)])));
        assert_eq!(found, ["crates/preview-core/src/lib.rs:3", "crates/preview-core/src/lib.rs:4"]);
    }

    #[test]
    fn a_room_that_is_not_built_yet_leaves_no_gap() {
        let text = "pub mod id;\n#[cfg(feature = \"wire\")]\npub mod wire;\n";
        assert_eq!(core(&Tree::of(&[("crates/preview-core/src/lib.rs", text)])), []);
    }
}
