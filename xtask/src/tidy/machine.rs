//! The tree speaks of the project alone: it carries no traces of the machine that it was written on.

use super::{File, Finding, Tree};

const RULE: &str = "machine";

// Spliced, so that this file does not find itself.
const PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
/// Nobody's: what tests and examples may use as `$HOME`.
const SAMPLE_HOME: &str = concat!("/ho", "me/u");
/// Where packages come from is each machine's own business; lock files fix what they are, by checksum.
const REGISTRIES: [&str; 8] = [
    concat!("registry.npm", "js.org"),
    concat!("registry.yarn", "pkg.com"),
    concat!("py", "pi.org"),
    concat!("files.python", "hosted.org"),
    concat!("index.cra", "tes.io"),
    concat!("static.cra", "tes.io"),
    concat!("deb.deb", "ian.org"),
    concat!("--index", "-url"),
];

/// No absolute path of a machine, no host name of a registry.
pub(super) fn traces(tree: &Tree) -> Vec<Finding> {
    let hosts = tree.files().flat_map(|file| {
        let advice = "name the package and leave the registry to the machine";
        find(file, &REGISTRIES, advice).chain(resolved(file))
    });
    let advice = format!("use a path relative to the root, `~`, or in samples `{SAMPLE_HOME}`");
    let paths = tree.files().flat_map(|file| find(file, &PATHS, &advice));
    hosts.chain(paths).collect()
}

fn find<'a>(file: &'a File, marks: &'a [&'a str], advice: &'a str) -> impl Iterator<Item = Finding> + 'a {
    file.lines().filter_map(move |(at, line)| {
        let line = line.replace(&format!("{SAMPLE_HOME}/"), "~/").replace(&format!("{SAMPLE_HOME}\""), "~\"");
        let mark = marks.iter().find(|mark| stands_alone(&line, mark))?;
        Some(Finding::new(&file.path, at, RULE, format!("`{mark}`: {advice}")))
    })
}

/// npm writes where each package came from unless it is told not to.
fn resolved(file: &File) -> impl Iterator<Item = Finding> + '_ {
    let lock = file.path.ends_with("package-lock.json");
    let lines =
        file.lines().filter(move |(_, line)| lock && line.trim_start().starts_with("\"resolved\": \"http"));
    let advice = "set `omit-lockfile-registry-resolved=true` in .npmrc and lock again";
    lines.map(move |(at, _)| Finding::new(&file.path, at, RULE, advice))
}

/// Whether the mark begins a path or a name, and is no folder within another.
fn stands_alone(line: &str, mark: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | '~' | '*');
    line.match_indices(mark).any(|(at, _)| !line[..at].chars().next_back().is_some_and(word))
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn paths_of_a_machine_and_registries_are_found() {
        let text = format!("see {}ada/x\n\npip install {}=x\n", PATHS[1], REGISTRIES[7]);
        assert_eq!(places(&traces(&Tree::of(&[("a.sh", &text)]))), ["a.sh:3", "a.sh:1"]);
    }

    #[test]
    fn a_lock_file_that_names_its_registry_is_found_once() {
        let tree =
            Tree::of(&[("web/package-lock.json", "{\n  \"resolved\": \"https://example.com/a.tgz\"\n}")]);
        assert_eq!(places(&traces(&tree)), ["web/package-lock.json:2"]);
    }

    #[test]
    fn the_sample_home_may_be_used() {
        assert_eq!(
            traces(&Tree::of(&[("a.rs", &format!("\"{SAMPLE_HOME}/.config\", \"{SAMPLE_HOME}\""))])),
            []
        );
    }

    #[test]
    fn folders_within_a_folder_are_no_machine_paths() {
        assert_eq!(
            traces(&Tree::of(&[("a.md", concat!("src/wo", "rk/, ./ho", "me/, {dir}/ho", "me/"))])),
            []
        );
    }
}
