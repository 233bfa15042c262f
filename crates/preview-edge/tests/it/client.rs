//! Clients: the plainest one, and one that keeps a TLS connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use xtask::real::poll_for;

/// How long anything may take that takes no time.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Status and whole text of `GET /` for a host.
pub(crate) fn get(edge: SocketAddr, host: &str) -> io::Result<(u16, String)> {
    let mut stream = connect(edge)?;
    write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(|| io::Error::other(format!("no status in {text:?}")))?, text))
}

/// Waits until the answer for a host has this status.
pub(crate) fn wait_for(edge: SocketAddr, host: &str, status: u16, within: Duration) -> String {
    let what = format!("{status} for {host}");
    poll_for(&what, within, || get(edge, host).ok().filter(|(it, _)| *it == status)).expect("in time").1
}

pub(crate) fn connect(edge: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&edge, SOON)?;
    stream.set_read_timeout(Some(SOON))?;
    Ok(stream)
}

/// A connection by TLS that trusts what `roots` (PEM) holds.
pub(crate) struct Secure {
    sender: SendRequest<Empty<Bytes>>,
    /// The certificate that was shown.
    pub(crate) shown: Vec<u8>,
}

impl Secure {
    pub(crate) async fn connect(edge: SocketAddr, host: &str, roots: &[u8]) -> io::Result<Self> {
        let mut store = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(roots) {
            store.add(root.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(store)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let stream = tokio::net::TcpStream::connect(edge).await?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let shown =
            stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|it| it.to_vec());
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self { sender, shown: shown.unwrap_or_default() })
    }

    /// The status of `GET /` on this very connection.
    pub(crate) async fn get(&mut self, host: &str) -> io::Result<StatusCode> {
        let request = Request::get("/").header("host", host).body(Empty::new()).map_err(io::Error::other)?;
        let answer = self.sender.send_request(request).await.map_err(io::Error::other)?;
        let status = answer.status();
        answer.into_body().collect().await.map_err(io::Error::other)?;
        Ok(status)
    }
}
