//! What attachments are visited, to be reported to the daemon.
//!
//! A visit is somebody who asks for something; presence is a tab that nobody touches: heartbeats of its sockets
//! and requests at a fixed period. Each thread writes marks of its own, and the control thread folds them.

mod periods;
mod refused;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use preview_core::access::Denial;
use preview_core::wire::watch::ActivityEntry;

pub(crate) use periods::Periods;
use refused::Refused;

use crate::shared::Shared;

/// Bytes a minute, in one direction, up to which an open socket only beats (DEVSERVERS: at most half of it).
const HEARTBEAT: u64 = 1_024;

/// Time over which these bytes are counted.
const BEAT: Duration = Duration::from_mins(1);

/// Threads that write without meeting in one cache line; more share.
const SLOTS: usize = 4;

/// The marks of one attachment. Moments are milliseconds of [`uptime`], 0 meaning never.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    slots: [Slot; SLOTS],
    /// Open tunnels and streams.
    open: AtomicU32,
    refused: Refused,
    reported_visit: AtomicU64,
    reported_presence: AtomicU64,
    reported_open: AtomicU32,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Slot {
    visit: AtomicU64,
    presence: AtomicU64,
    requests: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the viewer.
    In,
    /// To the viewer.
    Out,
}

/// Tells data from heartbeats in one direction of an open socket or stream.
#[derive(Debug)]
pub(crate) struct Pulse {
    since: Instant,
    bytes: u64,
}

/// The time since this process began to serve; monotonic.
pub(crate) fn uptime() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// Takes what happened since the last call.
pub(crate) fn drain(shared: &Shared) -> Vec<ActivityEntry> {
    let table = shared.table.load();
    let now = millis(uptime());
    let entry = |entry: &crate::route::Entry| {
        let mut seen = entry.computed.live.traffic.take(now)?;
        seen.id = entry.route.id.to_string();
        Some(seen)
    };
    table.routes.iter().filter_map(|it| entry(it)).collect()
}

impl Traffic {
    /// Counts a request, a visit unless it only shows presence.
    pub(crate) fn request(&self, slot: usize, now: Duration, is_visit: bool) {
        let slot = self.slot(slot);
        slot.requests.fetch_add(1, Ordering::Relaxed);
        let mark = if is_visit { &slot.visit } else { &slot.presence };
        mark.store(millis(now), Ordering::Relaxed);
    }

    /// Counts bytes of a body or tunnel.
    pub(crate) fn bytes(&self, slot: usize, way: Way, count: usize) {
        let slot = self.slot(slot);
        let sum = match way {
            Way::In => &slot.bytes_in,
            Way::Out => &slot.bytes_out,
        };
        sum.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Counts bytes of something that stays open, which is a visit if they are more than a heartbeat.
    pub(crate) fn beat(&self, slot: usize, way: Way, count: usize, pulse: &mut Pulse) {
        self.bytes(slot, way, count);
        if pulse.is_more_than_alive(count) {
            self.slot(slot).visit.store(millis(uptime()), Ordering::Relaxed);
        }
    }

    /// Counts a request that was kept out.
    pub(crate) fn refuse(&self, denial: Denial) {
        self.refused.count(denial);
    }

    /// A tunnel or stream is open from now on.
    pub(crate) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// And no more.
    pub(crate) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn slot(&self, slot: usize) -> &Slot {
        &self.slots[slot % SLOTS]
    }

    /// What happened since the last call; `None` if nothing did.
    fn take(&self, now: u64) -> Option<ActivityEntry> {
        let latest = |mark: fn(&Slot) -> &AtomicU64| {
            self.slots.iter().map(|slot| mark(slot).load(Ordering::Relaxed)).max().unwrap_or(0)
        };
        let sum = |count: fn(&Slot) -> &AtomicU64| {
            self.slots.iter().map(|slot| count(slot).swap(0, Ordering::Relaxed)).sum::<u64>()
        };
        let open = self.open.load(Ordering::Relaxed);
        let visit = latest(|slot| &slot.visit);
        // Whatever is open shows presence by being open.
        let presence = if open > 0 { now } else { latest(|slot| &slot.presence) };
        let news = |moment: u64, reported: &AtomicU64| {
            (reported.swap(moment, Ordering::Relaxed) < moment).then(|| now.saturating_sub(moment))
        };
        let entry = ActivityEntry {
            id: String::new(),
            visit_ago_ms: news(visit, &self.reported_visit),
            presence_ago_ms: news(presence, &self.reported_presence),
            open,
            requests: sum(|slot| &slot.requests),
            bytes_in: sum(|slot| &slot.bytes_in),
            bytes_out: sum(|slot| &slot.bytes_out),
            refused: self.refused.take(),
        };
        let has_closed = self.reported_open.swap(open, Ordering::Relaxed) > open;
        (has_closed || entry != ActivityEntry::default()).then_some(entry)
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self { since: Instant::now(), bytes: 0 }
    }
}

impl Pulse {
    /// Whether with `count` more bytes this is more than a heartbeat.
    fn is_more_than_alive(&mut self, count: usize) -> bool {
        self.bytes += count as u64;
        if self.bytes <= HEARTBEAT && self.since.elapsed() < BEAT {
            return false;
        }
        let is_more = self.bytes > HEARTBEAT && self.since.elapsed() < BEAT || count as u64 > HEARTBEAT;
        *self = Self { since: Instant::now(), bytes: if is_more { 0 } else { count as u64 } };
        is_more
    }
}

/// Milliseconds from 1 on.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_all_threads_are_folded_and_taken_once() {
        let traffic = Traffic::default();
        traffic.request(0, Duration::from_millis(100), true);
        traffic.request(1, Duration::from_millis(300), true);
        traffic.request(5, Duration::from_millis(200), false);
        traffic.bytes(0, Way::In, 10);
        traffic.bytes(1, Way::Out, 20);
        let seen = traffic.take(501).expect("something happened");
        assert_eq!((seen.visit_ago_ms, seen.presence_ago_ms), (Some(200), Some(300)));
        assert_eq!((seen.requests, seen.bytes_in, seen.bytes_out), (3, 10, 20));
        assert_eq!(traffic.take(600), None);
    }

    #[test]
    fn what_is_open_is_present_at_every_report() {
        let traffic = Traffic::default();
        traffic.opened();
        assert_eq!(traffic.take(10).map(|it| (it.open, it.presence_ago_ms)), Some((1, Some(0))));
        assert_eq!(traffic.take(20).map(|it| (it.open, it.presence_ago_ms)), Some((1, Some(0))));
        traffic.closed();
        assert_eq!(traffic.take(30).map(|it| (it.open, it.presence_ago_ms)), Some((0, None)));
        assert_eq!(traffic.take(40), None);
    }

    #[test]
    fn heartbeats_are_no_visit_and_data_is() {
        let mut pulse = Pulse::default();
        assert!((0..60).all(|_| !pulse.is_more_than_alive(8)), "webpack: 8 bytes a second");
        assert!(pulse.is_more_than_alive(600), "an update");
        assert!(!pulse.is_more_than_alive(8));
        assert!(pulse.is_more_than_alive(2_000));
    }

    #[test]
    fn bytes_of_former_minutes_are_forgotten() {
        let earlier = Instant::now().checked_sub(BEAT).expect("the machine runs longer");
        let mut pulse = Pulse { since: earlier, bytes: 1_000 };
        assert!(!pulse.is_more_than_alive(500));
        assert_eq!(pulse.bytes, 500);
    }
}
