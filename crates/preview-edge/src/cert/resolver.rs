//! Which certificate a client is shown.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Shown;

/// The certificate in force, if there is one. A client that names a host which it does not cover gets a TLS alert, as
/// do all while there is none; one that names none, as for an address, gets the certificate.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    shown: ArcSwapOption<Shown>,
}

impl Resolver {
    pub(super) fn put(&self, shown: Shown) {
        self.shown.store(Some(Arc::new(shown)));
    }

    /// What clients are shown now.
    pub(crate) fn shown(&self) -> Option<Arc<Shown>> {
        self.shown.load_full()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown.load();
        let shown = shown.as_ref()?;
        let is_ours = hello.server_name().is_none_or(|name| shown.names.covers(&name.to_ascii_lowercase()));
        is_ours.then(|| Arc::clone(&shown.key))
    }
}
