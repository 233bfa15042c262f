//! Which certificate a client is shown.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{Names, Shown};

/// The certificate in force. A client that names a host which it does not cover gets a TLS alert; one that names
/// none, as for an address, gets the certificate.
#[derive(Debug)]
pub(crate) struct Resolver {
    shown: ArcSwap<Shown>,
}

impl Resolver {
    pub(super) fn new(shown: Shown) -> Self {
        Self { shown: ArcSwap::from_pointee(shown) }
    }

    pub(super) fn put(&self, shown: Shown) {
        self.shown.store(Arc::new(shown));
    }

    /// The names that a client which named `host` was shown.
    pub(crate) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.shown.load().names)
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown.load();
        let is_ours = hello.server_name().is_none_or(|name| shown.names.covers(&name.to_ascii_lowercase()));
        is_ours.then(|| Arc::clone(&shown.key))
    }
}
