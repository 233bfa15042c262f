//! How often each client may be wrong: guesses at tokens are counted and then refused, right ones never are.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use preview_core::clock::Tick;

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// An address; of IPv6, the /64 that one household or machine has.
    Ip(IpAddr),
    /// A local user.
    Uid(u32),
    /// All that there was no more room to count apart.
    Others,
}

/// Misses of every client in its current minute.
#[derive(Debug, Default)]
pub(crate) struct Misses(Mutex<HashMap<Client, Window>>);

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Tick,
    count: u32,
}

impl Misses {
    /// Misses a client has in each window, before further ones are refused.
    pub(crate) const MOST: u32 = 100;
    /// The window.
    pub(crate) const WINDOW: Duration = Duration::from_mins(1);
    /// Clients that are counted apart.
    const CLIENTS: usize = 16_384;

    /// Counts a miss.
    ///
    /// # Errors
    /// When to come again, if that was one too many.
    pub(crate) fn count(&self, client: Client, now: Tick) -> Result<(), Duration> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= Self::CLIENTS {
            windows.retain(|_, window| !window.is_over(now));
        }
        let is_full = windows.len() >= Self::CLIENTS && !windows.contains_key(&client);
        let client = if is_full { Client::Others } else { client };
        let window = windows.entry(client).or_insert(Window { since: now, count: 0 });
        if window.is_over(now) {
            *window = Window { since: now, count: 0 };
        }
        window.count = window.count.saturating_add(1);
        if window.count > Self::MOST {
            Err(Self::WINDOW.saturating_sub(now.since(window.since)))
        } else {
            Ok(())
        }
    }
}

impl Window {
    fn is_over(&self, now: Tick) -> bool {
        now.since(self.since) >= Misses::WINDOW
    }
}

impl Client {
    /// An address as it is counted.
    pub(crate) fn of_ip(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V6(v6) => {
                let network = u128::from(v6) >> 64 << 64;
                Self::Ip(IpAddr::V6(network.into()))
            }
            v4 @ IpAddr::V4(_) => Self::Ip(v4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hundred_and_first_miss_of_a_minute_is_refused_and_the_next_minute_begins_anew() {
        let misses = Misses::default();
        for _ in 0..100 {
            assert_eq!(misses.count(Client::Uid(1), at(10)), Ok(()));
        }
        assert_eq!(misses.count(Client::Uid(1), at(20)), Err(Duration::from_secs(50)));
        assert_eq!(misses.count(Client::Uid(2), at(20)), Ok(()));
        assert_eq!(misses.count(Client::Uid(1), at(70)), Ok(()));
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let client = |text: &str| Client::of_ip(text.parse().expect("an address"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
    }

    #[test]
    fn memory_is_bounded_however_many_come() {
        let misses = Misses::default();
        for number in 0..20_000 {
            let _ = misses.count(Client::Uid(number), at(0));
        }
        let count = misses.0.lock().expect("no panic").len();
        assert!(count <= Misses::CLIENTS + 1, "{count}");
    }

    fn at(second: u64) -> Tick {
        Tick::new(Duration::from_secs(second))
    }
}
