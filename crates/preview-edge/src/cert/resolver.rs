//! Which certificate a client is shown.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Shown;

/// The certificates in force, if there are any. A client that names a host which none of them covers gets a TLS alert,
/// as do all while there is none; one that names none, as for an address, gets the first.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    shown: ArcSwap<Vec<Arc<Shown>>>,
}

impl Resolver {
    pub(super) fn put(&self, shown: Shown) {
        self.put_all(vec![shown]);
    }

    /// Several, the one for previews first.
    pub(super) fn put_all(&self, shown: Vec<Shown>) {
        self.shown.store(Arc::new(shown.into_iter().map(Arc::new).collect()));
    }

    /// What clients are shown who name no host; `None` while there is no certificate at all.
    pub(crate) fn shown(&self) -> Option<Arc<Shown>> {
        self.pick(None)
    }

    /// What a client is shown who names this host.
    pub(crate) fn pick(&self, host: Option<&str>) -> Option<Arc<Shown>> {
        let shown = self.shown.load();
        let Some(host) = host else { return shown.first().cloned() };
        let host = host.to_ascii_lowercase();
        shown.iter().find(|it| it.names.covers(&host)).cloned()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.pick(hello.server_name()).map(|shown| Arc::clone(&shown.key))
    }
}
