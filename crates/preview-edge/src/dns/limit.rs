//! How many answers by UDP a network gets: whoever forges a sender must not use us against it.
//!
//! A network is a /24 of IPv4 or a /56 of IPv6. The table has a fixed size and nothing is ever thrown out of it:
//! networks that fall on the same place by chance share its rate. Nobody can aim at a place, as the hash is keyed
//! anew in each process, and who is over the rate is still told to come by TCP, which cannot be forged.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Places of the table: 32 bytes each, half a MiB.
const PLACES: usize = 1 << 14;
/// One answer, in thousandths.
const ONE: u64 = 1_000;

/// Who has got how much.
#[derive(Debug)]
pub(super) struct Limiter {
    /// Answers a second, and as many at once.
    rate: u64,
    places: Mutex<Box<[Place]>>,
    hash: RandomState,
}

/// What a question gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its answer.
    Answer,
    /// The advice to come by TCP.
    Shorten,
    /// Nothing: every second one over the rate.
    Drop,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    /// When the credit was right.
    at: Instant,
    /// In thousandths of an answer.
    credit: u64,
    /// Whether the last one over the rate was told.
    told: bool,
}

impl Limiter {
    /// Lets `rate` answers a second through to each network.
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        let rate = u64::from(rate);
        let place = Place { at: now, credit: rate * ONE, told: false };
        Self { rate, places: Mutex::new(vec![place; PLACES].into()), hash: RandomState::new() }
    }

    /// Judges a question that claims to come from `client`.
    pub(super) fn judge(&self, client: IpAddr, now: Instant) -> Verdict {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = places.get_mut(self.place(client)) else { return Verdict::Answer };
        let passed = u64::try_from(now.saturating_duration_since(place.at).as_millis()).unwrap_or(u64::MAX);
        place.at = place.at.max(now);
        // A thousandth a millisecond for each answer a second.
        place.credit = place.credit.saturating_add(passed.saturating_mul(self.rate)).min(self.rate * ONE);
        if let Some(rest) = place.credit.checked_sub(ONE) {
            place.credit = rest;
            return Verdict::Answer;
        }
        place.told = !place.told;
        if place.told { Verdict::Shorten } else { Verdict::Drop }
    }

    fn place(&self, client: IpAddr) -> usize {
        let network = match client.to_canonical() {
            IpAddr::V4(ip) => (true, u64::from(u32::from(ip) >> 8)),
            IpAddr::V6(ip) => (false, u64::try_from(u128::from(ip) >> 72).unwrap_or_default()),
        };
        usize::try_from(self.hash.hash_one(network) % PLACES as u64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_network_gets_its_rate_and_then_every_second_one_is_told() {
        let (limiter, now) = limiter(20);
        let got: Vec<_> = (0..26).map(|host| limiter.judge(v4(host), now)).collect();
        assert!(got[..20].iter().all(|it| *it == Verdict::Answer), "{got:?}");
        assert_eq!(got[20..], [Verdict::Shorten, Verdict::Drop].repeat(3));
        assert_eq!(limiter.judge("2001:db8::1".parse().expect("an address"), now), Verdict::Answer);
    }

    #[test]
    fn the_rate_comes_back_by_and_by_and_is_not_saved_up() {
        let (limiter, now) = limiter(20);
        let answers = |at: Instant| (0..50).filter(|_| limiter.judge(v4(1), at) == Verdict::Answer).count();
        assert_eq!(answers(now), 20);
        assert_eq!(answers(now + Duration::from_millis(100)), 2);
        assert_eq!(answers(now + Duration::from_millis(100)), 0);
        assert_eq!(answers(now + Duration::from_hours(10)), 20);
    }

    #[test]
    fn an_attack_that_asks_once_a_millisecond_still_gets_no_more_than_the_rate() {
        let (limiter, now) = limiter(20);
        let at = |ms| now + Duration::from_millis(ms);
        let got = (0..10_000).filter(|ms| limiter.judge(v4(1), at(*ms)) == Verdict::Answer).count();
        assert!((219..=220).contains(&got), "20 at once and 200 in 10 s, not {got}");
    }

    #[test]
    fn a_flood_from_all_networks_takes_no_more_memory() {
        let (limiter, now) = limiter(20);
        let before = limiter.places.lock().expect("whole").len();
        for network in 0..200_000_u32 {
            limiter.judge(IpAddr::from((network << 8).to_be_bytes()), now);
        }
        let after = limiter.places.lock().expect("whole").len();
        assert_eq!((before, after), (PLACES, PLACES));
        assert!(size_of::<Place>() <= 32, "{}", size_of::<Place>());
    }

    #[test]
    fn neighbours_share_a_network_and_others_do_not() {
        let (limiter, _) = limiter(20);
        let place = |text: &str| limiter.place(text.parse().expect("an address"));
        assert_eq!(place("192.0.2.1"), place("::ffff:192.0.2.254"));
        assert_eq!(place("2001:db8:0:100::1"), place("2001:db8:0:1ff::9"));
        // One in 16,384 pairs would fall together; not all of these do.
        assert!((0..8).any(|third| place(&format!("192.0.{third}.1")) != place("198.51.100.1")));
        assert!((0..8).any(|it| place(&format!("2001:db8:0:{it}00::")) != place("2001:db8:0:900::")));
    }

    fn limiter(rate: u32) -> (Limiter, Instant) {
        let now = Instant::now();
        (Limiter::new(rate, now), now)
    }

    fn v4(host: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, host])
    }
}
