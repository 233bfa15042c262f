//! The two clocks and the source of randomness, read once for each command and nowhere else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use preview_core::clock::{Now, Tick, Wall};
use preview_core::command::Entropy;
use rustix::time::{ClockId, clock_gettime};

/// Now, by both clocks.
pub(crate) fn now() -> Now {
    Now { wall: wall(), tick: tick() }
}

/// Now, by the calendar.
pub(crate) fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Now, since boot. It counts while the machine sleeps: an attachment sleeps no longer than its users do.
pub(crate) fn tick() -> Tick {
    let since = clock_gettime(ClockId::Boottime);
    let (secs, nanos) = (u64::try_from(since.tv_sec), u32::try_from(since.tv_nsec));
    Tick::new(Duration::new(secs.unwrap_or_default(), nanos.unwrap_or_default()))
}

/// Randomness for one command.
///
/// # Errors
/// The kernel gives none: nothing that hands out a secret may go on.
pub(crate) fn entropy() -> Result<Entropy, getrandom::Error> {
    Ok(Entropy { id: random()?, token: random()? })
}

/// So many random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
