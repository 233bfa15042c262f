//! Where to listen, as configuration writes it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

/// Where to listen: `localhost:8080`, `:443`, `192.0.2.1:80` or `[2001:db8::1]:443`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// On which addresses.
    pub host: ListenHost,
    /// On which port; 0 takes a free one.
    pub port: u16,
}

/// On which addresses to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenHost {
    /// On both loopbacks.
    Localhost,
    /// On all addresses of both families.
    All,
    /// On this one.
    Address(IpAddr),
}

/// A text that names no place to listen.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no place to listen: give localhost:PORT, :PORT or ADDRESS:PORT")]
pub struct InvalidListen(pub String);

impl Listen {
    /// The addresses to bind; those of a family that this host lacks are to be left out.
    #[must_use]
    pub fn addresses(self) -> Vec<SocketAddr> {
        let ips: &[IpAddr] = match self.host {
            ListenHost::Localhost => &[IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
            ListenHost::All => &[IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
            ListenHost::Address(ip) => &[ip],
        };
        ips.iter().map(|ip| SocketAddr::new(*ip, self.port)).collect()
    }
}

impl FromStr for Listen {
    type Err = InvalidListen;
    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        let invalid = || InvalidListen(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let port =
            port.parse().ok().filter(|_| port.bytes().all(|b| b.is_ascii_digit())).ok_or_else(invalid)?;
        let host = match host {
            "localhost" => ListenHost::Localhost,
            "" | "*" => ListenHost::All,
            _ => ListenHost::Address(text.parse::<SocketAddr>().map_err(|_| invalid())?.ip()),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            ListenHost::Localhost => write!(f, "localhost:{}", self.port),
            ListenHost::All => write!(f, ":{}", self.port),
            ListenHost::Address(ip) => SocketAddr::new(ip, self.port).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_both_loopbacks_and_a_bare_port_all_addresses() {
        assert_eq!(addresses("localhost:8080"), ["127.0.0.1:8080", "[::1]:8080"]);
        assert_eq!(addresses(":80"), ["0.0.0.0:80", "[::]:80"]);
        assert_eq!(addresses("[2001:db8::1]:443"), ["[2001:db8::1]:443"]);
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in ["", "8080", "localhost", "localhost:+80", "localhost:65536", "example.com:80", "::1:80"]
        {
            assert!(text.parse::<Listen>().is_err(), "{text:?}");
        }
    }

    fn addresses(text: &str) -> Vec<String> {
        text.parse::<Listen>().expect("valid").addresses().iter().map(ToString::to_string).collect()
    }
}
