//! The calendar, as core wants it.

use std::time::{SystemTime, UNIX_EPOCH};

use preview_core::clock::Wall;

/// Now.
pub(crate) fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
