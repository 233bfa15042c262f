//! The system's resolvers.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::cert::Failure;

/// Where they are listed (resolv.conf(5)).
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The resolvers that `file` lists; the machine's own address if it lists none, as resolv.conf(5) has it.
pub(super) fn resolvers(file: &Path) -> Result<Vec<SocketAddr>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::DnsUnreachable {
        server: "the system's resolver".to_owned(),
        reason: format!("{} cannot be read ({error}); set edge.acme.resolvers", file.display()),
    })?;
    let found = parse(&text);
    Ok(if found.is_empty() { vec![SocketAddr::from(([127, 0, 0, 1], super::zone::PORT))] } else { found })
}

fn parse(text: &str) -> Vec<SocketAddr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = (words.next()? == "nameserver").then(|| words.next())??;
        address.parse().ok().map(|address: IpAddr| SocketAddr::new(address, super::zone::PORT))
    });
    servers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_name_servers_are_taken_and_others_passed_over() {
        let text = "# nameserver 192.0.2.9\nsearch a b\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # second\n\
                    nameserver fe80::1%eth0\nnameserver\noptions edns0\n";
        let found: Vec<String> = parse(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1:53", "[2001:db8::1]:53"]);
    }

    #[test]
    fn without_a_line_it_is_this_machine_and_without_a_file_a_failure_that_names_the_key() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("resolv.conf");
        let text = resolvers(&file).expect_err("missing").to_string();
        assert!(text.contains("edge.acme.resolvers"), "{text}");
        std::fs::write(&file, "search a\n").expect("written");
        assert_eq!(resolvers(&file).expect("readable")[0].to_string(), "127.0.0.1:53");
    }
}
