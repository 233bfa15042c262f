//! What the real name servers are told to serve.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// A key that signs updates (RFC 8945).
#[derive(Clone, Debug)]
pub struct TsigKey {
    /// Its name, without a final dot.
    pub name: String,
    /// E.g. `hmac-sha256`.
    pub algorithm: String,
    /// Base64.
    pub secret: String,
}

impl TsigKey {
    /// A key of HMAC-SHA256; all of these have the same secret.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            algorithm: "hmac-sha256".to_owned(),
            secret: "cHJldmlldy10ZXN0LXNlY3JldC1vZi0zMi1ieXRlcyE=".to_owned(),
        }
    }
}

/// A zone of a server.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its name, without a final dot.
    pub name: String,
    /// How the server comes by it.
    pub role: Role,
    /// Further lines of its clause in the server's configuration.
    pub options: String,
}

/// How a server comes by a zone.
#[derive(Clone, Debug)]
pub enum Role {
    /// From records of its own.
    Primary {
        /// Lines of a zone file.
        records: String,
        /// Who may change the TXT records of which name: pairs of key and name, without final dots.
        grants: Vec<(String, String)>,
    },
    /// From this server, at the start and when that one notifies it.
    Secondary(Ipv4Addr),
    /// It has none, and asks this server on behalf of others.
    Stub(Ipv4Addr),
}

impl Zone {
    /// A zone of records of its own, whose servers are `ns1`, `ns2`, … below it, at these addresses.
    #[must_use]
    pub fn primary(name: &str, servers: &[Ipv4Addr]) -> Self {
        let mut records = format!("$ORIGIN {name}.\n$TTL 1\n@ SOA ns1 hostmaster 1 3600 600 86400 1\n");
        for (index, address) in servers.iter().enumerate() {
            let ns = index + 1;
            let _ = writeln!(records, "@ NS ns{ns}\nns{ns} A {address}");
        }
        Self::of(name, Role::Primary { records, grants: Vec::new() })
    }

    /// A copy of what `primary` serves.
    #[must_use]
    pub fn secondary(name: &str, primary: Ipv4Addr) -> Self {
        Self::of(name, Role::Secondary(primary))
    }

    /// A zone that is asked for at `server`: what a resolver knows of it.
    #[must_use]
    pub fn stub(name: &str, server: Ipv4Addr) -> Self {
        Self::of(name, Role::Stub(server))
    }

    /// With one more line in its zone file, e.g. `www CNAME example.com.`; a primary's only.
    #[must_use]
    pub fn record(mut self, line: &str) -> Self {
        if let Role::Primary { records, .. } = &mut self.role {
            let _ = writeln!(records, "{line}");
        }
        self
    }

    /// With TXT records at `name` that `key` may change; a primary's only.
    #[must_use]
    pub fn grant(mut self, key: &TsigKey, name: &str) -> Self {
        if let Role::Primary { grants, .. } = &mut self.role {
            grants.push((key.name.clone(), name.to_owned()));
        }
        self
    }

    /// With one more line in its clause of the server's configuration.
    #[must_use]
    pub fn option(mut self, line: &str) -> Self {
        let _ = writeln!(self.options, "{line}");
        self
    }

    fn of(name: &str, role: Role) -> Self {
        Self { name: name.to_owned(), role, options: String::new() }
    }
}
