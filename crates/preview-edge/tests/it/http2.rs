//! A client that speaks HTTP/2 over TLS, and opens WebSockets by extended CONNECT.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use xtask::real::wait::PAUSE;

use crate::edge::state_dir;
use crate::stage::Stage;

pub(crate) type AnyBody = BoxBody<Bytes, std::convert::Infallible>;

/// One connection.
#[derive(Clone)]
pub(crate) struct Client(SendRequest<AnyBody>);

impl Client {
    /// Connects to a stage's edge by the name of `host`, trusting its rehearsal certificate.
    pub(crate) async fn connect(stage: &Stage, host: &str) -> Self {
        let pem = std::fs::read(state_dir(&stage.scratch).join("self-signed.crt")).expect("a certificate");
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(&pem) {
            roots.add(root.expect("PEM")).expect("a root");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream =
            tokio::net::TcpStream::connect(stage.edge.https.expect("HTTPS")).await.expect("connected");
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS");
        let (sender, connection) =
            handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        tokio::spawn(connection);
        Self(sender)
    }

    pub(crate) async fn get(
        &mut self,
        host: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Response<Incoming> {
        let mut request = Request::get(format!("https://{host}{target}")).version(Version::HTTP_2);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(nothing()).expect("a request")).await.expect("an answer")
    }

    /// How long it takes until the edge has taken leave.
    pub(crate) async fn ended(&mut self, within: Duration) -> Duration {
        let begun = Instant::now();
        let closed = async {
            while !self.0.is_closed() {
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(within, closed).await.expect("the edge takes leave");
        begun.elapsed()
    }

    pub(crate) async fn send(&mut self, request: Request<AnyBody>) -> hyper::Result<Response<Incoming>> {
        self.0.ready().await?;
        self.0.send_request(request).await
    }

    /// Opens a WebSocket (RFC 8441).
    pub(crate) async fn websocket(
        &mut self,
        host: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Response<Incoming> {
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .version(Version::HTTP_2)
            .uri(format!("https://{host}{target}"))
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(nothing()).expect("a request")).await.expect("an answer")
    }
}

pub(crate) fn nothing() -> AnyBody {
    Empty::new().boxed()
}

pub(crate) async fn text(response: Response<Incoming>) -> String {
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8_lossy(&bytes).into_owned()
}
