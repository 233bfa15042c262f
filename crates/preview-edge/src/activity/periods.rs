//! Which requests come at a fixed period: of a page that polls, and that perhaps nobody looks at.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use preview_core::id::AttachmentId;

/// The last times at which the same was asked for, for as many kinds of request as there are places. Two kinds
/// that fall into one place make visits of each other's polls, and threads that write at once do no worse.
#[derive(Debug)]
pub(crate) struct Periods {
    hasher: RandomState,
    places: Box<[Place]>,
}

#[derive(Debug, Default)]
struct Place {
    kind: AtomicU64,
    /// The newest first, ticks of [`TICK`]; 0 means none.
    times: [AtomicU32; REMEMBERED],
}

const PLACES: usize = 8_192;
const REMEMBERED: usize = 5;
const TICK: Duration = Duration::from_millis(10);
/// Within which three of the same are looked for, ticks.
const WITHIN: u32 = 10 * 60 * 100;

impl Periods {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), places: (0..PLACES).map(|_| Place::default()).collect() }
    }

    /// Notes a request, and says whether it is at least the third of its kind at intervals that differ by at most
    /// 20 %. The kind is what is asked of which attachment by which client: a grant would be a new one every hour.
    pub(crate) fn is_periodic(
        &self,
        id: AttachmentId,
        client: IpAddr,
        method: &Method,
        path: &str,
        now: Duration,
    ) -> bool {
        let kind = self.hasher.hash_one((id, client, Plain(method), path));
        let now = u32::try_from(now.as_millis() / TICK.as_millis() % u128::from(u32::MAX)).unwrap_or(0) + 1;
        let place = &self.places[usize::try_from(kind % PLACES as u64).unwrap_or(0)];
        if place.kind.swap(kind, Ordering::Relaxed) != kind {
            for time in &place.times {
                time.store(0, Ordering::Relaxed);
            }
        }
        let mut times = [0; REMEMBERED];
        for (time, kept) in times.iter_mut().zip(&place.times) {
            *time = kept.load(Ordering::Relaxed);
        }
        for (time, kept) in std::iter::once(&now).chain(&times).zip(&place.times) {
            kept.store(*time, Ordering::Relaxed);
        }
        is_even(now, times[0], times[1])
            // Two pages that poll the same, by turns.
            || is_even(now, times[1], times[3]) && is_even(times[0], times[2], times[4])
    }
}

/// Whether three moments, the newest first, lie at even intervals.
fn is_even(last: u32, middle: u32, first: u32) -> bool {
    if first == 0 || middle == 0 || last < middle || middle < first || last - first > WITHIN {
        return false;
    }
    let (a, b) = (last - middle, middle - first);
    a.max(b) > 0 && a.abs_diff(b) * 5 <= a.max(b)
}

struct Plain<'a>(&'a Method);

impl Hash for Plain<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_of_a_poll_is_periodic_and_so_are_all_after_it() {
        assert_eq!(judged(&[10_000, 20_000, 30_100, 40_000, 49_000]), [false, false, true, true, true]);
    }

    #[test]
    fn two_tabs_that_poll_the_same_are_seen_through() {
        let times: Vec<u64> = (1..8).flat_map(|n| [n * 10_000, n * 10_000 + 2_000]).collect();
        let judged = judged(&times);
        assert!(judged[6..].iter().all(|periodic| *periodic), "{judged:?}");
    }

    #[test]
    fn what_somebody_does_is_not_periodic() {
        assert_eq!(judged(&[1_000, 3_000, 9_000, 10_000, 30_000]), [false; 5]);
        assert_eq!(judged(&[1_000, 400_000, 799_000]), [false; 3], "not three times in ten minutes");
    }

    #[test]
    fn another_path_method_or_client_is_another_kind() {
        let periods = Periods::new();
        let id = AttachmentId::from_entropy([1; 17]);
        let clients: [IpAddr; 2] = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        let ask = |client: usize, method, path, at| {
            periods.is_periodic(id, clients[client], &method, path, Duration::from_secs(at))
        };
        assert!(!ask(0, Method::GET, "/a", 10));
        assert!(!ask(0, Method::GET, "/a", 20));
        assert!(!ask(0, Method::GET, "/b", 30));
        assert!(!ask(0, Method::POST, "/a", 30));
        assert!(!ask(1, Method::GET, "/a", 30));
        assert!(ask(0, Method::GET, "/a", 30));
    }

    fn judged(times: &[u64]) -> Vec<bool> {
        let periods = Periods::new();
        let id = AttachmentId::from_entropy([1; 17]);
        let client = [192, 0, 2, 1].into();
        times
            .iter()
            .map(|at| periods.is_periodic(id, client, &Method::GET, "/api", Duration::from_millis(*at)))
            .collect()
    }
}
