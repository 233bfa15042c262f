//! How much an attachment, and a stranger, may ask of us.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::limits::client_of;
use crate::route::Live;

/// What one attachment has used of its share.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    /// When its requests so far would be over at its rate, nanoseconds of [`crate::activity::uptime`].
    busy_until: AtomicU64,
    connections: AtomicU32,
    websockets: AtomicU32,
}

/// What an attachment has only so many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Connections to its dev server.
    Connection,
    WebSocket,
}

/// One of them; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    live: Arc<Live>,
    kind: Kind,
}

impl Quota {
    /// Counts one request, if there may be one more at `now`: `rate` a second, `burst` at once.
    pub(crate) fn admit(&self, now: Duration, rate: u32, burst: u32) -> bool {
        let now = nanos(now);
        let share = 1_000_000_000 / u64::from(rate.max(1));
        let ahead = share * u64::from(burst.max(1));
        let admit = |busy: u64| {
            let start = busy.max(now);
            (start - now + share <= ahead).then_some(start + share)
        };
        self.busy_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, admit).is_ok()
    }

    fn count(&self, kind: Kind) -> &AtomicU32 {
        match kind {
            Kind::Connection => &self.connections,
            Kind::WebSocket => &self.websockets,
        }
    }
}

impl Place {
    /// One more of `kind`, unless there are `most` already.
    pub(crate) fn take(live: &Arc<Live>, kind: Kind, most: usize) -> Option<Self> {
        let place = Self { live: Arc::clone(live), kind };
        let before = live.quota.count(kind).fetch_add(1, Ordering::Relaxed);
        ((before as usize) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.live.quota.count(self.kind).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Requests that were not let in, by client. Asked only after such a request.
#[derive(Debug)]
pub(crate) struct Misses {
    most: u32,
    shards: [Mutex<HashMap<IpAddr, Window>>; 16],
}

/// The misses of one client within a minute.
#[derive(Clone, Copy, Debug)]
struct Window {
    since: Duration,
    count: u32,
}

const WINDOW: Duration = Duration::from_mins(1);

/// Clients that a shard remembers; with more, the oldest windows are forgotten.
const REMEMBERED: usize = 4_096;

impl Misses {
    pub(crate) fn new(most: u32) -> Self {
        Self { most, shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Counts a miss of `client` at `now`; if it had too many, how long it must wait.
    pub(crate) fn count(&self, client: IpAddr, now: Duration) -> Option<Duration> {
        let client = client_of(client);
        let shard = match client {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(ip) => ip.octets()[7],
        };
        let mut shard = self.shards[usize::from(shard) % 16].lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= REMEMBERED && !shard.contains_key(&client) {
            shard.retain(|_, window| now.saturating_sub(window.since) < WINDOW);
            if shard.len() >= REMEMBERED {
                shard.clear();
            }
        }
        let window = shard.entry(client).or_insert(Window { since: now, count: 0 });
        if now.saturating_sub(window.since) >= WINDOW {
            *window = Window { since: now, count: 0 };
        }
        window.count = window.count.saturating_add(1);
        (window.count > self.most).then(|| (window.since + WINDOW).saturating_sub(now))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let quota = Quota::default();
        let admitted = |now, tries| (0..tries).filter(|_| quota.admit(now, 10, 50)).count();
        assert_eq!(admitted(SECOND, 60), 50);
        assert_eq!(admitted(SECOND + Duration::from_millis(500), 60), 5);
        assert_eq!(admitted(SECOND * 60, 60), 50);
    }

    #[test]
    fn a_place_is_there_again_when_it_was_left() {
        let live = Arc::<Live>::default();
        let first = Place::take(&live, Kind::WebSocket, 1).expect("free");
        assert!(Place::take(&live, Kind::WebSocket, 1).is_none());
        assert!(Place::take(&live, Kind::Connection, 1).is_some(), "another kind");
        drop(first);
        assert!(Place::take(&live, Kind::WebSocket, 1).is_some());
    }

    #[test]
    fn the_hundred_and_first_miss_within_a_minute_is_one_too_many() {
        let misses = Misses::new(100);
        let client = "192.0.2.1".parse().expect("address");
        assert!((0..100).all(|_| misses.count(client, SECOND).is_none()));
        assert_eq!(misses.count(client, SECOND * 31), Some(SECOND * 30));
        assert_eq!(misses.count("192.0.2.2".parse().expect("address"), SECOND * 31), None);
        assert_eq!(misses.count(client, SECOND * 61), None, "a new minute");
    }

    #[test]
    fn many_clients_do_not_fill_memory() {
        let misses = Misses::new(100);
        for client in 0..100_000_u32 {
            misses.count(IpAddr::from((0x0a00_0000 + client * 16).to_be_bytes()), SECOND);
        }
        let held = |shard: &Mutex<HashMap<IpAddr, Window>>| shard.lock().expect("sound").len();
        assert!(misses.shards.iter().all(|shard| held(shard) <= REMEMBERED));
    }
}
