//! Core takes values and gives values.
//!
//! The crate's `clippy.toml` bans the same by type, which sees through renaming; this sees what clippy does
//! not: whole modules, and code that is compiled out.

use super::{Finding, Tree, tokens};

const RULE: &str = "purity";

/// What core may not name, and what it does instead.
const IMPURE: [(&str, &str); 15] = [
    ("std::fs", "take the text as an argument"),
    ("std::net", "addresses are in `core::net`; sockets belong to edge and daemon"),
    ("std::thread", "core runs where it is called"),
    ("std::env", "take the pairs as an argument"),
    ("std::process", "return a value that says what is to be done"),
    ("std::os", "core knows no platform"),
    ("std::time::Instant", "take a `Tick` as an argument"),
    ("std::time::SystemTime", "take a `Wall` as an argument"),
    ("jiff::Timestamp::now", "take a `Wall` as an argument"),
    ("jiff::Zoned", "core knows UTC only"),
    ("tokio", "core waits for nothing"),
    ("async", "core waits for nothing"),
    ("await", "core waits for nothing"),
    ("rand", "take the entropy as an argument"),
    ("getrandom", "take the entropy as an argument"),
];

/// No clock, file, socket, thread, environment, process, randomness or `async` in core.
pub(super) fn core(tree: &Tree) -> Vec<Finding> {
    let sources = tree.rust().filter(|file| file.path.starts_with("crates/preview-core/src/"));
    sources
        .flat_map(|file| {
            tokens::paths(&file.text).into_iter().filter_map(|named| {
                let (what, instead) = IMPURE.iter().find(|(what, _)| begins(&named.path, what))?;
                Some(Finding::new(&file.path, named.line, RULE, format!("`{what}`: {instead}")))
            })
        })
        .collect()
}

fn begins(path: &str, with: &str) -> bool {
    path.strip_prefix(with).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn a_clock_a_file_and_a_wait_are_found() {
        let text = "use std::time::{Duration, Instant};\nfn a() { let b = std::fs::read(\"x\"); }\n\nasync fn c() {}";
        let tree =
            Tree::of(&[("crates/preview-core/src/a.rs", text), ("crates/preview-edge/src/a.rs", text)]);
        let found = places(&core(&tree));
        assert_eq!(found, [1, 2, 4].map(|line| format!("crates/preview-core/src/a.rs:{line}")));
    }

    #[test]
    fn durations_addresses_and_words_in_comments_are_pure() {
        let text = "//! Never std::fs.\nuse core::net::IpAddr;\nuse std::time::Duration;\nfn random() {}";
        assert_eq!(core(&Tree::of(&[("crates/preview-core/src/a.rs", text)])), []);
    }
}
