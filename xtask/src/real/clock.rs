//! A wall clock that a test moves on.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::Scratch;
use super::fixture::missing;

/// The calendar of programs that are started with its `environment`: as late as the test says.
/// How long something took stays true. They look within a second after it was set.
#[derive(Debug)]
pub struct Clock {
    folder: Scratch,
}

impl Clock {
    /// A clock that is right.
    pub fn new() -> Result<Self> {
        let clock = Self { folder: Scratch::new()? };
        clock.set_ahead(Duration::ZERO)?;
        Ok(clock)
    }

    /// Sets it to so much later than it is, in whole seconds.
    pub fn set_ahead(&self, by: Duration) -> Result<()> {
        let fresh = self.folder.write("fresh", format!("+{}", by.as_secs()))?;
        // Put in place as a whole: somebody may be reading.
        fs::rename(fresh, self.file()).context("cannot set the clock")
    }

    /// What makes a program go by it.
    pub(super) fn environment(&self) -> Result<Vec<(&'static str, String)>> {
        Ok(vec![
            ("LD_PRELOAD", library()?.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_CACHE_DURATION", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("NO_FAKE_STAT", "1".into()),
        ])
    }

    fn file(&self) -> PathBuf {
        self.folder.join("ahead")
    }
}

/// Where Debian's package lays it, below a folder named after the machine.
fn library() -> Result<PathBuf> {
    let machines = fs::read_dir(Path::new("/usr/lib")).context("/usr/lib")?;
    machines
        .filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketimeMT.so.1")))
        .find(|library| library.exists())
        .with_context(|| missing("faketime"))
}
