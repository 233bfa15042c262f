//! By which way a request came: what dev servers are told of the client.

use std::net::{IpAddr, SocketAddr};

use http::HeaderValue;
use http::header::{FORWARDED, HeaderMap};
use ipnet::IpNet;

use super::hop::tokens;
use super::names::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PORT, FORWARDED_PROTO, REAL_IP};
use super::value;

/// Who asks, and under which name, scheme and port.
#[derive(Clone, Debug)]
pub(crate) struct Via {
    /// The client: whoever connected, or whom a trusted proxy names.
    pub(crate) client: IpAddr,
    /// The same, for headers.
    pub(crate) address: HeaderValue,
    /// Whether the client spoke TLS, to us or to a trusted proxy.
    pub(crate) https: bool,
    /// The host that a trusted proxy was asked for.
    pub(crate) host: Option<HeaderValue>,
    /// The port that a trusted proxy was asked at.
    pub(crate) port: Option<HeaderValue>,
    /// Whether a trusted proxy said any of this.
    pub(crate) proxied: bool,
}

/// The name under which a request came.
pub(crate) struct Asked<'a> {
    /// `Host` as the client sent it.
    pub(crate) authority: &'a HeaderValue,
    /// Its port, written or not.
    pub(crate) port: &'a HeaderValue,
    /// The whole way in the words of RFC 7239.
    pub(crate) forwarded: &'a HeaderValue,
}

impl Via {
    /// The way of a request that came over a connection of `peer`, whose address is `address` in headers.
    pub(crate) fn of(
        peer: SocketAddr,
        address: &HeaderValue,
        tls: bool,
        headers: &HeaderMap,
        trusted: &[IpNet],
    ) -> Self {
        let ip = peer.ip().to_canonical();
        let direct =
            Self { client: ip, address: address.clone(), https: tls, host: None, port: None, proxied: false };
        if !is_trusted(ip, trusted) {
            return direct;
        }
        let client = first_untrusted(headers, trusted).unwrap_or(ip);
        Self {
            client,
            address: value(client.to_string()),
            https: tokens(headers, &FORWARDED_PROTO)
                .last()
                .map_or(tls, |it| it.eq_ignore_ascii_case("https")),
            host: tokens(headers, &FORWARDED_HOST).last().and_then(|it| HeaderValue::from_str(it).ok()),
            port: tokens(headers, &FORWARDED_PORT)
                .last()
                .filter(|it| it.parse::<u16>().is_ok())
                .and_then(|it| HeaderValue::from_str(it).ok()),
            proxied: true,
        }
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// Tells who asks, and nothing of where: for those who must take themselves for `localhost`.
    pub(crate) fn tell_client(&self, headers: &mut HeaderMap) {
        headers.insert(FORWARDED_FOR, self.address.clone());
        headers.insert(REAL_IP, self.address.clone());
    }

    /// Tells all.
    pub(crate) fn tell(&self, asked: &Asked<'_>, headers: &mut HeaderMap) {
        self.tell_client(headers);
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(self.scheme()));
        headers.insert(FORWARDED_HOST, asked.authority.clone());
        headers.insert(FORWARDED_PORT, self.port.as_ref().unwrap_or(asked.port).clone());
        headers.insert(FORWARDED, asked.forwarded.clone());
    }

    /// The way to `authority` in the words of RFC 7239.
    pub(crate) fn in_words(&self, authority: &HeaderValue) -> HeaderValue {
        let by = match self.client {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("\"[{ip}]\""),
        };
        let host = authority.to_str().unwrap_or_default();
        value(format!("for={by};host=\"{host}\";proto={}", self.scheme()))
    }
}

fn is_trusted(ip: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&ip))
}

/// The last address on the way that is no trusted proxy: what stands before it, anybody may have written.
fn first_untrusted(headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let mut way: Vec<Option<IpAddr>> = tokens(headers, &FORWARDED_FOR).map(address).collect();
    if way.is_empty() {
        way = tokens(headers, &FORWARDED).filter_map(forwarded_for).map(address).collect();
    }
    if way.is_empty() {
        way = tokens(headers, &REAL_IP).map(address).collect();
    }
    let mut client = None;
    for hop in way.into_iter().rev() {
        // What is no address was written by nobody we trust.
        let Some(ip) = hop else { break };
        client = Some(ip);
        if !is_trusted(ip, trusted) {
            break;
        }
    }
    client
}

/// The value of `for` in one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    element
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))
        .map(|(_, value)| value.trim().trim_matches('"'))
}

/// An address, with or without port and brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let ip = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(IpAddr::to_canonical(&ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let headers =
            map(&[("x-forwarded-for", "9.9.9.9"), ("x-forwarded-proto", "https"), ("x-real-ip", "8.8.8.8")]);
        let stranger = via("7.7.7.7", &headers);
        assert_eq!((stranger.client, stranger.https), (ip("7.7.7.7"), false));
        let proxy = via("10.0.0.1", &headers);
        assert_eq!((proxy.client, proxy.https), (ip("9.9.9.9"), true));
    }

    #[test]
    fn the_client_is_the_first_from_the_right_whom_nobody_trusts() {
        for (way, client) in [
            ("9.9.9.9", "9.9.9.9"),
            ("1.1.1.1, 9.9.9.9, 10.0.0.2", "9.9.9.9"),
            ("1.1.1.1, 9.9.9.9:4711, 10.0.0.2", "9.9.9.9"),
            ("nonsense, 10.0.0.2", "10.0.0.2"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("unknown", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(via("10.0.0.1", &map(&[("x-forwarded-for", way)])).client, ip(client), "{way}");
        }
        let forwarded =
            map(&[("forwarded", "for=1.1.1.1, for=\"[2001:db8::2]:1\";proto=https, FOR=10.0.0.3")]);
        assert_eq!(via("10.0.0.1", &forwarded).client, ip("2001:db8::2"));
        assert_eq!(via("10.0.0.1", &map(&[("x-real-ip", "9.9.9.9")])).client, ip("9.9.9.9"));
    }

    #[test]
    fn all_is_told_once_and_client_alone_where_nothing_public_may_show() {
        let asked = Asked {
            authority: &HeaderValue::from_static("a.example:8443"),
            port: &HeaderValue::from_static("8443"),
            forwarded: &via("2001:db8::1", &HeaderMap::new())
                .in_words(&HeaderValue::from_static("a.example:8443")),
        };
        let mut headers = HeaderMap::new();
        via("2001:db8::1", &HeaderMap::new()).tell(&asked, &mut headers);
        let told = [
            "x-forwarded-for",
            "x-real-ip",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-forwarded-port",
            "forwarded",
        ]
        .map(|name| headers[name].to_str().expect("text").to_owned());
        let forwarded = "for=\"[2001:db8::1]\";host=\"a.example:8443\";proto=http";
        assert_eq!(told, ["2001:db8::1", "2001:db8::1", "http", "a.example:8443", "8443", forwarded]);
        let mut headers = HeaderMap::new();
        via("2001:db8::1", &HeaderMap::new()).tell_client(&mut headers);
        assert_eq!(headers.len(), 2);
    }

    fn via(peer: &str, headers: &HeaderMap) -> Via {
        let trusted = ["10.0.0.0/8".parse().expect("net")];
        Via::of(SocketAddr::new(ip(peer), 1), &value(peer), false, headers, &trusted)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(*name, HeaderValue::from_static(value));
            map
        })
    }
}
