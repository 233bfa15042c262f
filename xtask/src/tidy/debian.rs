//! Debian packages are listed in one place, with reasons.

use super::{Finding, Tree};
use crate::install::PACKAGES;

const RULE: &str = "debian";

/// Each line of [`PACKAGES`] gives a reason, and no other file installs packages.
pub(super) fn one_list(tree: &Tree) -> Vec<Finding> {
    let elsewhere = tree.files().filter(|file| file.path != PACKAGES).flat_map(|file| {
        let lines = file.lines().filter(|(_, line)| installs(line));
        let advice = format!("list the package in {PACKAGES}; `cargo xtask test` installs it");
        lines.map(move |(at, _)| Finding::new(&file.path, at, RULE, advice.clone()))
    });
    let unexplained = tree.file(PACKAGES).into_iter().flat_map(|file| {
        let lines = file.lines().filter(|(_, line)| !line.trim().is_empty() && !line.contains('#'));
        lines.map(|(at, _)| Finding::new(&file.path, at, RULE, "say what needs it: `package  # why`"))
    });
    elsewhere.chain(unexplained).collect()
}

/// Whether a package is named behind the command. `apt-get install {package}` takes its name from elsewhere.
fn installs(line: &str) -> bool {
    let apt = |word: &str| matches!(word.trim_start_matches('`'), "apt" | "apt-get");
    let after = line.split_whitespace().skip_while(|word| !apt(word)).skip(1);
    let mut after = after.filter(|word| !word.starts_with('-'));
    after.next() == Some("install")
        && after.next().is_some_and(|word| word.starts_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn a_second_list_and_a_package_without_a_reason_are_found() {
        let command = ["sudo apt-get", "-y", "install", "nginx"].join(" ");
        let tree = Tree::of(&[
            ("a.sh", &format!("#!/bin/sh\n{command}\n")),
            (PACKAGES, "# ours\nchromium # a browser\nnginx\n"),
        ]);
        assert_eq!(places(&one_list(&tree)), ["a.sh:2".to_owned(), format!("{PACKAGES}:3")]);
    }

    #[test]
    fn a_hint_that_fills_in_the_name_is_no_list() {
        assert_eq!(one_list(&Tree::of(&[("a.rs", "\"run `apt-get install {package}`\"")])), []);
    }
}
