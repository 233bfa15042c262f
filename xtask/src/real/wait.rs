//! Waiting for a thing, never for a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long a poll rests between two looks.
pub const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `look` finds something.
///
/// # Errors
/// When `within` has passed; the message names `what`.
pub fn poll_for<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    poll(what, within, || Ok(look()))
}

/// As [`poll_for`], for a look that can find out that waiting is in vain.
///
/// # Errors
/// The first error of `look`, or the time-out.
pub fn poll<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + within;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= end {
            bail!("waited {within:?} in vain for {what}");
        }
        std::thread::sleep(PAUSE);
    }
}
