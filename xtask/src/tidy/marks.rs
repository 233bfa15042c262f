//! Nothing in the tree is unfinished or switched off.

use super::{File, Finding, Tree};

const RULE: &str = "unfinished";

/// A mark, the extensions of the files in which it means something (all if empty), and what to do.
type Mark = (&'static str, &'static [&'static str], &'static str);

// Spliced, so that this file does not find itself.
const MARKS: [Mark; 12] = [
    (concat!("todo", "!("), &["rs"], FINISH),
    (concat!("unimplemented", "!("), &["rs"], FINISH),
    (concat!("#[ig", "nore"), &["rs"], RUN),
    (concat!("TO", "DO"), &[], FINISH),
    (concat!("FIX", "ME"), &[], FINISH),
    (concat!("XX", "X"), &["rs"], FINISH),
    (concat!(".sk", "ip("), SCRIPTS, RUN),
    (concat!(".on", "ly("), SCRIPTS, "run the others too"),
    (concat!("x", "it("), SCRIPTS, RUN),
    (concat!("mark.sk", "ip"), &["py"], RUN),
    (concat!("unittest.sk", "ip"), &["py"], RUN),
    (concat!("pytest.sk", "ip"), &["py"], RUN),
];
const SCRIPTS: &[&str] = &["js", "mjs", "ts", "tsx", "jsx"];
const FINISH: &str = "finish it, or leave it out";
const RUN: &str = "make the test run, or remove it";

/// No placeholder, no note to come back, no test that does not run.
pub(super) fn unfinished(tree: &Tree) -> Vec<Finding> {
    tree.files().filter(|file| !is_lock(file)).flat_map(marks).collect()
}

fn marks(file: &File) -> Vec<Finding> {
    let known: Vec<&Mark> = MARKS
        .iter()
        .filter(|(_, kinds, _)| kinds.is_empty() || kinds.iter().any(|kind| file.is(kind)))
        .collect();
    let found = file.lines().flat_map(|(at, line)| {
        let hits = known.iter().filter(move |(mark, ..)| stands_alone(line, mark));
        hits.map(move |(mark, _, advice)| Finding::new(&file.path, at, RULE, format!("`{mark}`: {advice}")))
    });
    found.collect()
}

/// Whether the mark is there and is no part of a longer word: `exit(` is not `xit(`.
fn stands_alone(line: &str, mark: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(mark).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(word) && mark.starts_with(word);
        let after = line[at + mark.len()..].chars().next().is_some_and(word) && mark.ends_with(word);
        !before && !after
    })
}

/// Lock files hold checksums and other people's words.
fn is_lock(file: &File) -> bool {
    file.is("lock") || file.path.ends_with("-lock.json")
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn every_mark_is_found_where_it_means_something() {
        for (mark, kinds, _) in MARKS {
            let path = format!("a.{}", kinds.first().unwrap_or(&"md"));
            let tree = Tree::of(&[(path.as_str(), &format!("\n  {mark}\n"))]);
            assert_eq!(places(&unfinished(&tree)), [format!("{path}:2")], "{mark}");
        }
    }

    #[test]
    fn iterators_words_and_lock_files_are_left_alone() {
        let skip = concat!("rows.sk", "ip(1)");
        let tree = Tree::of(&[
            ("a.rs", skip),
            ("a.js", "process.exit(1)"),
            ("b.md", concat!("TO", "DOs and FIX", "MEs")),
            ("package-lock.json", concat!("TO", "DO")),
        ]);
        assert_eq!(unfinished(&tree), []);
    }
}
