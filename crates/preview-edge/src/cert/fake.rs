//! For tests: HTTP servers that say what a test wants and remember what they were asked.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Host, without its port.
    #[cfg_attr(not(feature = "dns-providers"), expect(dead_code, reason = "only providers differ by host"))]
    pub(crate) host: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// How requests are answered.
pub(crate) type Answer = dyn Fn(&Seen) -> Response<String> + Send + Sync;

/// A server on a port of its own; it ends with the test.
pub(crate) struct Fake {
    pub(crate) addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Fake {
    pub(crate) async fn plain(answer: impl Fn(&Seen) -> Response<String> + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(answer)).await
    }

    pub(crate) async fn tls(
        ca: &Ca,
        answer: impl Fn(&Seen) -> Response<String> + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(ca.acceptor("127.0.0.1")), Arc::new(answer)).await
    }

    async fn start(tls: Option<TlsAcceptor>, answer: Arc<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let memory = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, memory, tls) = (answer.clone(), memory.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, answer, memory).await,
                        Some(tls) => {
                            // A client that does not trust us goes away.
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, answer, memory).await;
                            }
                        }
                    }
                });
            }
        });
        Self { addr, seen, task }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("whole").clone()
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.addr)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer with a status and a body.
pub(crate) fn answer(status: u16, body: &str) -> Response<String> {
    Response::builder().status(status).body(body.to_owned()).expect("an answer")
}

/// Answers the requests that come by one connection.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Arc<Answer>,
    memory: Arc<Mutex<Vec<Seen>>>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, memory) = (answer.clone(), memory.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let host = head.headers.get("host").map_or("", |host| host.to_str().expect("text"));
            let seen = Seen {
                method: head.method.to_string(),
                host: host.split(':').next().unwrap_or_default().to_owned(),
                path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
                headers: head.headers.clone(),
                body: String::from_utf8(body.to_vec()).expect("text"),
            };
            memory.lock().expect("whole").push(seen.clone());
            Ok::<_, hyper::Error>(answer(&seen).map(|body| Full::new(Bytes::from(body))))
        }
    });
    // A client that breaks off is a test's own doing.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// An authority whose certificate lies in a file.
pub(crate) struct Ca {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut params = CertificateParams::default();
        // Else two of them would pass for one that has changed its key.
        params.distinguished_name.push(DnType::CommonName, folder.path().display().to_string());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { folder, issuer }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Takes connections to `name` by TLS.
    pub(crate) fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(super::provider().into())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("a pair");
        TlsAcceptor::from(Arc::new(config))
    }
}
