//! What CI runs is what people run.

use super::{Finding, Tree};

const RULE: &str = "ci";
const PATH: &str = ".ci/run";

/// `.ci/run` changes to the root, calls `cargo xtask test`, and does nothing else.
pub(super) fn entry(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file(PATH) else {
        return vec![Finding::new(PATH, 1, RULE, "write it: `exec cargo xtask test`")];
    };
    let preamble = |line: &str| line.starts_with('#') || line.starts_with("set ") || line.starts_with("cd ");
    let work: Vec<_> = file.lines().filter(|(_, line)| !line.trim().is_empty() && !preamble(line)).collect();
    match work[..] {
        [(_, "exec cargo xtask test")] => Vec::new(),
        [] => vec![Finding::new(PATH, 1, RULE, "end it with `exec cargo xtask test`")],
        [(at, _), ..] => vec![Finding::new(PATH, at, RULE, "call `exec cargo xtask test` and nothing else")],
    }
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn a_step_that_only_ci_would_do_is_found() {
        let text = "#!/bin/bash\nset -e\nnpm ci\nexec cargo xtask test\n";
        assert_eq!(places(&entry(&Tree::of(&[(PATH, text)]))), [".ci/run:3"]);
        assert_eq!(places(&entry(&Tree::of(&[]))), [".ci/run:1"]);
    }

    #[test]
    fn the_one_call_is_enough() {
        assert_eq!(entry(&Tree::of(&[(PATH, "#!/bin/bash\ncd x\nexec cargo xtask test\n")])), []);
    }
}
