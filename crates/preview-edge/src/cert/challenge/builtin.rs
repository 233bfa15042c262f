//! The edge's own DNS server as solver: records are there as soon as they are put.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::{Record, Solver};
use crate::cert::Failure;
use crate::dns::Records;

/// Puts values where the built-in server takes them from. Whether the world sees them, the parent's delegation and
/// the servers themselves say.
#[derive(Debug)]
pub(crate) struct Builtin {
    records: Arc<Records>,
}

impl Builtin {
    /// Into the records of a server.
    pub(crate) fn new(records: Arc<Records>) -> Self {
        Self { records }
    }
}

impl Solver for Builtin {
    fn name(&self) -> &'static str {
        "builtin"
    }

    fn present<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        ready(self.records.put(&record.fqdn, &record.value)).boxed()
    }

    fn remove<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        self.records.remove(&record.fqdn, &record.value);
        ready(Ok(())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use preview_core::clock::Wall;
    use xtask::real::named::{Named, Setup};
    use xtask::real::{Zone, free_address};

    use super::*;
    use crate::cert::lookup::Lookup;
    use crate::config::{Check, Dns, DnsMode, Propagation};
    use crate::dns;

    const FQDN: &str = "_acme-challenge.preview.example.test";
    const SECOND: Duration = Duration::from_secs(1);

    /// The operator's records of challenge mode, in a real parent zone, asked for through a real resolver.
    #[tokio::test]
    async fn what_is_present_is_seen_at_the_delegated_server_and_what_is_removed_is_not() {
        let [own, parent, resolver] = [(); 3].map(|()| free_address().expect("a free address"));
        let settings = Dns {
            listen: vec![SocketAddr::new(own.into(), 53)],
            ns: vec!["acme-ns.example.test".to_owned()],
            mode: DnsMode::Challenge,
            base: "preview.example.test".to_owned(),
            addresses: Vec::new(),
            rate: 1_000,
        };
        let names = ["*.preview.example.test".to_owned()];
        let server = dns::start(&settings, &names, None, Wall::from_millis(0)).expect("starts");
        let zone = Zone::primary("example.test", &[parent])
            .record("_acme-challenge.preview NS acme-ns")
            .record(&format!("acme-ns A {own}"));
        let _parent = Named::start(parent, Setup { zones: vec![zone], ..Setup::default() }).expect("starts");
        let zones = vec![Zone::stub("example.test", parent)];
        let resolver = Named::start(resolver, Setup { zones, recursion: true, ..Setup::default() });
        let resolver = resolver.expect("starts");

        let lookup = Lookup::new(&[resolver.place()], 10 * SECOND).expect("a resolver");
        let builtin = Builtin::new(server.records());
        let seen = |record: Record| {
            let lookup = lookup.clone();
            let propagation = Propagation { timeout: SECOND, check: Check::All };
            async move { lookup.seen(&record, propagation, SECOND / 10).await }
        };
        lookup.delegated(FQDN, &settings.ns).await.expect("the parent says so");
        let [one, two] = ["one", "two"].map(record);
        let missing = seen(one.clone()).await.expect_err("it is not there yet");
        assert!(matches!(&missing, Failure::TxtNotSeen { ns, .. } if ns.contains("acme-ns")), "{missing}");
        for record in [&one, &two, &one] {
            builtin.present(record).await.expect("is served");
        }
        seen(one.clone()).await.expect("it is seen");
        seen(two.clone()).await.expect("beside the other");
        builtin.remove(&one).await.expect("is gone");
        seen(one).await.expect_err("it is gone");
        seen(two).await.expect("the other stays");
        for server in lookup.zone(FQDN).await.expect("a zone").servers {
            lookup.answers(&server, FQDN).await.expect("by UDP and TCP, in the question's spelling");
        }
    }

    #[tokio::test]
    async fn a_record_elsewhere_is_refused_before_anybody_is_asked() {
        let records = Arc::new(Records::new([FQDN.to_owned()], "acme-ns.example.test"));
        let elsewhere = Record { fqdn: "challenges.example.org".to_owned(), ..record("one") };
        let failure = Builtin::new(records).present(&elsewhere).await.expect_err("not ours");
        assert!(matches!(&failure, Failure::DelegationMissing { zone, .. } if *zone == elsewhere.fqdn));
        assert!(failure.to_string().contains("edge.acme.alias"), "{failure}");
    }

    fn record(value: &str) -> Record {
        Record {
            fqdn: FQDN.to_owned(),
            value: value.to_owned(),
            domain: "preview.example.test".to_owned(),
            token: String::new(),
            key_authorization: String::new(),
        }
    }
}
