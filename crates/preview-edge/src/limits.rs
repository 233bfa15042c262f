//! How many connections clients may have.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

/// The connections that are open, counted for all threads.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    most_per_client: usize,
    trusted: Vec<IpNet>,
    all: AtomicUsize,
    clients: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place among those that one client, and all clients, may have; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    of: Arc<Connections>,
    client: Option<IpAddr>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The whole edge is full.
    All,
    /// This client has as many connections as it may have.
    Client,
}

impl Connections {
    /// Nobody yet. Those of `trusted` proxies speak for many, and count only against `most`.
    pub(crate) fn new(most: usize, most_per_client: usize, trusted: Vec<IpNet>) -> Arc<Self> {
        let clients = Mutex::default();
        Arc::new(Self { most, most_per_client, trusted, all: AtomicUsize::new(0), clients })
    }

    /// A place for a connection from `peer`.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Permit, Full> {
        if self.all.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.all.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::All);
        }
        let peer = peer.to_canonical();
        let mut permit = Permit { of: Arc::clone(self), client: None };
        if self.trusted.iter().any(|net| net.contains(&peer)) {
            return Ok(permit);
        }
        let client = client_of(peer);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let count = clients.entry(client).or_default();
        if *count >= self.most_per_client {
            return Err(Full::Client);
        }
        *count += 1;
        permit.client = Some(client);
        Ok(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.of.all.fetch_sub(1, Ordering::Relaxed);
        let Some(client) = self.client else { return };
        let mut clients = self.of.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = clients.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&client);
            }
        }
    }
}

/// Whom an address stands for: one host by IPv4, one network of 64 bits by IPv6, of which a host has all.
pub(crate) fn client_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(ip) if !ip.is_loopback() => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_its_share_and_the_place_back_that_it_left() {
        let all = Connections::new(10, 2, vec![]);
        let first = all.admit(ip("192.0.2.1")).expect("free");
        let _second = all.admit(ip("::ffff:192.0.2.1")).expect("free");
        assert_eq!(all.admit(ip("192.0.2.1")).expect_err("two"), Full::Client);
        assert!(all.admit(ip("192.0.2.2")).is_ok());
        drop(first);
        assert!(all.admit(ip("192.0.2.1")).is_ok());
    }

    #[test]
    fn nobody_gets_in_when_all_places_are_taken() {
        let all = Connections::new(1, 5, vec![]);
        let only = all.admit(ip("192.0.2.1")).expect("free");
        assert_eq!(all.admit(ip("192.0.2.2")).expect_err("full"), Full::All);
        drop(only);
        assert!(all.admit(ip("192.0.2.2")).is_ok());
        assert!(all.clients.lock().expect("sound").is_empty());
    }

    #[test]
    fn a_trusted_proxy_is_no_client_and_an_ipv6_network_is_one() {
        let all = Connections::new(10, 1, vec!["10.0.0.0/8".parse().expect("a network")]);
        let _proxied = [all.admit(ip("10.1.1.1")).expect("free"), all.admit(ip("10.1.1.1")).expect("free")];
        let _one = all.admit(ip("2001:db8::1")).expect("free");
        assert_eq!(all.admit(ip("2001:db8::ffff:1")).expect_err("the same network"), Full::Client);
        assert!(all.admit(ip("2001:db8:0:1::1")).is_ok());
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }
}
