//! The text files of the workspace, as rules see them.

use std::path::Path;

use anyhow::{Context, Result};
use ignore::WalkBuilder;

/// All files that git would keep, by path.
#[derive(Debug, Default)]
pub struct Tree {
    files: Vec<File>, // Invariant: sorted by path.
}

/// One file.
#[derive(Debug)]
pub struct File {
    /// Relative to the root, with `/` between its parts.
    pub path: String,
    /// Empty if the file is not UTF-8.
    pub text: String,
}

impl Tree {
    /// Reads a folder, without what its `.gitignore` files leave out.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn read(root: &Path) -> Result<Self> {
        let mut walk = WalkBuilder::new(root);
        walk.hidden(false).ignore(false).git_global(false).require_git(false);
        walk.filter_entry(|entry| entry.file_name() != ".git");
        let mut files = Vec::new();
        for entry in walk.build() {
            let entry = entry?;
            if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                continue;
            }
            let path = entry.path().strip_prefix(root)?.to_str().context("a file name that is not UTF-8")?;
            let bytes = std::fs::read(entry.path()).with_context(|| path.to_owned())?;
            files.push(File { path: path.to_owned(), text: String::from_utf8(bytes).unwrap_or_default() });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// A tree of samples, for tests.
    #[must_use]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| File { path: path.to_owned(), text: text.to_owned() };
        let mut files: Vec<File> = files.iter().map(file).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }

    /// All of them.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The Rust sources.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| file.is("rs"))
    }

    /// The file at exactly this path.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&File> {
        let at = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        Some(&self.files[at])
    }

    /// Whether a file or a folder stands there.
    #[must_use]
    pub fn holds(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty() || self.file(path).is_some() || self.files.iter().any(|f| f.path.starts_with(&folder))
    }
}

impl File {
    /// Whether the name ends in `.extension`.
    #[must_use]
    pub fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|it| it == extension)
    }

    /// Lines with their numbers, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gitignore_leaves_out_is_not_seen_and_hidden_files_are() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("target")).unwrap();
        for (path, text) in [(".gitignore", "/target\n"), ("target/a.rs", "x"), (".ci", "run")] {
            std::fs::write(dir.path().join(path), text).unwrap();
        }
        let tree = Tree::read(dir.path()).unwrap();
        assert_eq!(tree.files().map(|file| file.path.as_str()).collect::<Vec<_>>(), [".ci", ".gitignore"]);
    }

    #[test]
    fn folders_are_held_by_their_files() {
        let tree = Tree::of(&[("docs/contract.md", "")]);
        assert!(tree.holds("docs") && tree.holds("docs/contract.md") && !tree.holds("doc"));
    }
}
