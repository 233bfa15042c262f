//! How TLS is spoken: 1.2 and 1.3, HTTP/2 or HTTP/1.1 by ALPN, sessions resumed by tickets, no early data.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::version::{TLS12, TLS13};
use tokio_rustls::TlsAcceptor;

use crate::cert::{Resolver, provider};

/// The ALPN name of HTTP/2.
pub(crate) const H2: &[u8] = b"h2";

/// Speaks TLS with the certificates of `resolver`.
pub(crate) fn acceptor(resolver: Arc<Resolver>) -> Result<TlsAcceptor, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    // A request sent early can be sent again by whoever saw it.
    config.max_early_data_size = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
