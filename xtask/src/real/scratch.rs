//! A folder that is gone when the test is over, and with it whoever still works in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::tree;

/// A temporary folder with a short path: Unix sockets within it stay below the 108 bytes they may have.
///
/// On drop, processes whose working folder lies within are killed first. So a task that outlived a daemon
/// that was killed outright ends with the test, provided it was started in the scratch folder.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
}

impl Scratch {
    pub fn new() -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("pv-").tempdir().context("cannot create a scratch folder")?;
        Ok(Self { folder })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        tree::kill_all(|| tree::working_within(self.path()));
    }
}
