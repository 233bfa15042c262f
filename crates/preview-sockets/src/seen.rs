//! A socket as the kernel describes it, and which of several would get a connection.

use std::net::{IpAddr, SocketAddr};

/// A TCP socket of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketSeen {
    /// What it is bound to; an unspecified address takes connections to every address of the host.
    pub bound: SocketAddr,
    /// Of a socket bound to `::`: that it does not take IPv4 connections as well.
    pub v6_only: bool,
    /// Whose process made it.
    pub uid: u32,
    /// Its inode: two sockets never have the same at one time. 0 for a connection that nobody has accepted yet.
    pub inode: u64,
    /// The cgroup (v2 id) of the process that made it, where the kernel says it.
    pub cgroup: Option<u64>,
}

impl SocketSeen {
    /// Whether it is bound to every address, and so can be reached past any proxy on the same host.
    #[must_use]
    pub const fn is_wildcard(&self) -> bool {
        self.bound.ip().is_unspecified()
    }

    /// How well it fits a connection to `to`, in the kernel's order: that very address, then its family's
    /// wildcard, then the other family's. `None` if it would never get it.
    fn fit(&self, to: SocketAddr) -> Option<u8> {
        if self.bound.port() != to.port() {
            return None;
        }
        match (self.bound.ip(), to.ip()) {
            (bound, to) if bound == to => Some(2),
            (IpAddr::V6(bound), to @ IpAddr::V4(_)) if bound.to_canonical() == to => Some(2),
            (IpAddr::V4(bound), IpAddr::V4(_)) if bound.is_unspecified() => Some(1),
            (IpAddr::V6(bound), IpAddr::V6(_)) if bound.is_unspecified() => Some(1),
            (IpAddr::V6(bound), IpAddr::V4(_)) if bound.is_unspecified() && !self.v6_only => Some(0),
            _ => None,
        }
    }
}

/// Those of `listening` that would get a connection to `to`: none, one, or several where processes of one user
/// share an address by `SO_REUSEPORT`.
#[must_use]
pub fn receiving(listening: &[SocketSeen], to: SocketAddr) -> Vec<SocketSeen> {
    let best = listening.iter().filter_map(|socket| socket.fit(to)).max();
    listening.iter().filter(|socket| best.is_some() && socket.fit(to) == best).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_very_address_comes_before_any_wildcard() {
        let all = [socket("0.0.0.0:80"), socket("127.0.0.1:80"), socket("[::]:80")];
        assert_eq!(receiving(&all, at("127.0.0.1:80")), [socket("127.0.0.1:80")]);
        assert_eq!(receiving(&all, at("127.0.0.2:80")), [socket("0.0.0.0:80")]);
        assert_eq!(receiving(&all, at("[::1]:80")), [socket("[::]:80")]);
        assert_eq!(receiving(&all, at("127.0.0.1:81")), []);
    }

    #[test]
    fn a_wildcard_of_ipv6_takes_ipv4_unless_it_says_otherwise() {
        let only = SocketSeen { v6_only: true, ..socket("[::]:80") };
        assert_eq!(receiving(&[socket("[::]:80")], at("127.0.0.1:80")), [socket("[::]:80")]);
        assert_eq!(receiving(&[only], at("127.0.0.1:80")), []);
        assert_eq!(receiving(&[only], at("[::1]:80")), [only]);
    }

    #[test]
    fn sockets_that_share_an_address_are_all_named() {
        let twin = SocketSeen { inode: 2, ..socket("127.0.0.1:80") };
        assert_eq!(receiving(&[socket("127.0.0.1:80"), twin], at("127.0.0.1:80")).len(), 2);
    }

    fn socket(bound: &str) -> SocketSeen {
        SocketSeen { bound: at(bound), v6_only: false, uid: 1_000, inode: 1, cgroup: None }
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }
}
