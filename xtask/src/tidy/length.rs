//! Files that can be read in one sitting.

use super::{File, Finding, Tree};

const RULE: &str = "length";
const MOST: usize = 400;
const MOST_IN_CORE: usize = 300;
const MOST_IN_MAIN: usize = 60;
const SOURCES: [&str; 8] = ["rs", "js", "mjs", "ts", "tsx", "jsx", "py", "sh"];

/// No source file is longer than [`MOST`] lines before its unit tests, in core [`MOST_IN_CORE`].
pub(super) fn sources(tree: &Tree) -> Vec<Finding> {
    let tests: Vec<String> = tree.rust().flat_map(test_modules).collect();
    let sources = tree.files().filter(|file| SOURCES.iter().any(|extension| file.is(extension)));
    sources
        .filter_map(|file| {
            let core = file.path.starts_with("crates/preview-core/src/") && !tests.contains(&file.path);
            over(file, if core { MOST_IN_CORE } else { MOST }, "split it by what its parts are about")
        })
        .collect()
}

/// A `main.rs` parses flags and calls the library.
pub(super) fn programs(tree: &Tree) -> Vec<Finding> {
    let mains = tree.rust().filter(|file| file.path.ends_with("src/main.rs"));
    mains.filter_map(|file| over(file, MOST_IN_MAIN, "move what it does into the library")).collect()
}

fn over(file: &File, most: usize, advice: &str) -> Option<Finding> {
    let length = before_tests(file);
    let advice = format!("{length} lines without tests, {most} at most: {advice}");
    (length > most).then(|| Finding::new(&file.path, most + 1, RULE, advice))
}

/// The files of the modules that this one declares as `#[cfg(test)] mod tests;`.
fn test_modules(file: &File) -> Vec<String> {
    let lines: Vec<&str> = file.text.lines().collect();
    let folder = file.path.trim_end_matches("/mod.rs").trim_end_matches("/lib.rs").trim_end_matches(".rs");
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    let names = declared.filter_map(|pair| pair[1].strip_prefix("mod ")?.strip_suffix(';'));
    names.map(|name| format!("{folder}/{name}.rs")).collect()
}

/// Lines until a test module begins that is written out here; `mod tests;` is one line like others.
fn before_tests(file: &File) -> usize {
    let lines: Vec<&str> = file.text.lines().collect();
    let begins =
        |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{');
    lines.windows(2).position(begins).unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn a_line_too_many_is_found_and_core_is_held_shorter() {
        let tree = Tree::of(&[
            ("crates/preview-core/src/a.rs", &"\n".repeat(301)),
            ("crates/preview-edge/src/a.rs", &"\n".repeat(400)),
            ("crates/preview-edge/src/b.rs", &"\n".repeat(401)),
        ]);
        assert_eq!(
            places(&sources(&tree)),
            ["crates/preview-core/src/a.rs:301", "crates/preview-edge/src/b.rs:401"]
        );
    }

    #[test]
    fn unit_tests_do_not_count() {
        let text = format!("{}#[cfg(test)]\nmod tests {{\n{}", "\n".repeat(400), "\n".repeat(400));
        assert_eq!(sources(&Tree::of(&[("xtask/src/a.rs", &text)])), []);
    }

    #[test]
    fn a_file_of_tests_in_core_may_be_as_long_as_any_other() {
        let laws = "\n".repeat(350);
        let parent = ("crates/preview-core/src/registry.rs", "#[cfg(test)]\nmod laws;\n");
        let tree = |parent| Tree::of(&[parent, ("crates/preview-core/src/registry/laws.rs", &laws)]);
        assert_eq!(sources(&tree(parent)), []);
        assert_eq!(sources(&tree((parent.0, "mod laws;\n"))).len(), 1);
    }

    #[test]
    fn a_test_module_elsewhere_does_not_end_the_count() {
        let text = format!("#[cfg(test)]\nmod tests;\n{}", "\n".repeat(400));
        assert_eq!(sources(&Tree::of(&[("xtask/src/a.rs", &text)])).len(), 1);
    }

    #[test]
    fn a_main_that_does_the_work_itself_is_found() {
        let tree = Tree::of(&[("crates/preview-cli/src/main.rs", &"\n".repeat(61))]);
        assert_eq!(places(&programs(&tree)), ["crates/preview-cli/src/main.rs:61"]);
    }
}
