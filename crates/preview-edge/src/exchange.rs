//! The one HTTP client, for authorities, solvers and login endpoints: short exchanges, no redirects, no proxies.

use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderValue, USER_AGENT};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use thiserror::Error;

use crate::cert::{Failure, provider};

/// The longest body that is read, bytes.
const LONGEST: usize = 1 << 20;
/// How long a connection is kept for the next exchange; servers close theirs after some minute.
const IDLE: Duration = Duration::from_secs(20);
/// What we call ourselves.
const WE: HeaderValue = HeaderValue::from_static(concat!("preview/", env!("CARGO_PKG_VERSION")));

/// An HTTP client whose exchanges end within a time, and whose answers fit in memory.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    connector: HttpsConnector<HttpConnector>,
    scheme: &'static str,
    timeout: Duration,
}

/// An exchange that gave no answer. The message names the server, never the path: that may hold a secret.
#[derive(Debug, Error)]
#[error("{server}: {problem}")]
pub(crate) struct HttpError {
    /// Host, and port where it is not the scheme's.
    pub(crate) server: String,
    /// What went wrong.
    pub(crate) problem: HttpProblem,
}

/// What can go wrong in an exchange.
#[derive(Debug, Error)]
pub(crate) enum HttpProblem {
    /// It took longer than it may.
    #[error("no whole answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The system's reason why there is no connection.
    #[error("no connection ({0})")]
    Unreachable(String),
    /// Why there is no trust, and what would help.
    #[error("no trust by TLS ({0})")]
    Tls(String),
    /// Its certificate begins so far ahead of this machine's time.
    #[error("no trust by TLS: its certificate begins in {} s, by this machine's clock", .0.as_secs())]
    NotYet(Duration),
    /// The answer does not fit.
    #[error("an answer of more than {LONGEST} bytes")]
    TooLong,
    /// It stopped in the middle, or speaks no HTTP.
    #[error("it broke off, or speaks no HTTP ({0})")]
    Broken(String),
    /// Another scheme than this client is for.
    #[error("it must be asked by {0}://")]
    Scheme(&'static str),
}

impl Http {
    /// A client for `https://` that trusts the authorities in `roots_file` (PEM) alone, or without it the system's.
    pub(crate) fn new(roots_file: Option<&Path>, timeout: Duration) -> Result<Self, Failure> {
        let trusted = match roots_file {
            Some(file) => from_file(file)?,
            None => from_system()?,
        };
        Self::with("https", trusted, timeout)
    }

    /// A client for the scheme of an endpoint that an operator has chosen, which may be `http`.
    pub(crate) fn to(endpoint: &str, timeout: Duration) -> Result<Self, Failure> {
        if endpoint.starts_with("http://") {
            Self::with("http", RootCertStore::empty(), timeout)
        } else {
            Self::new(None, timeout)
        }
    }

    fn with(scheme: &'static str, trusted: RootCertStore, timeout: Duration) -> Result<Self, Failure> {
        let tls = ClientConfig::builder_with_provider(provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| refused("TLS", error.to_string()))?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        // Shared out among a host's addresses, so that a dead one does not take it all.
        connector.set_connect_timeout(Some(timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self { client: client(connector.clone()), connector, scheme, timeout })
    }

    /// The same with connections of its own, which are driven by the runtime that opens them.
    pub(crate) fn apart(&self) -> Self {
        Self { client: client(self.connector.clone()), ..self.clone() }
    }

    /// Asks once. Any answer is one, whatever its status; a redirect too.
    pub(crate) async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let server = server(request.uri());
        let failed = |problem| HttpError { server, problem };
        if request.uri().scheme_str() != Some(self.scheme) {
            return Err(failed(HttpProblem::Scheme(self.scheme)));
        }
        request.headers_mut().entry(USER_AGENT).or_insert(WE);
        let exchange = async {
            let answer = self.client.request(request.map(Full::new)).await;
            let (head, body) = answer.map_err(|error| judge(&error))?.into_parts();
            let body = Limited::new(body, LONGEST).collect().await;
            let body = body.map_err(|error| judge(error.as_ref()))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let answer = tokio::time::timeout(self.timeout, exchange).await;
        answer.unwrap_or(Err(HttpProblem::TimedOut(self.timeout))).map_err(failed)
    }
}

fn client(connector: HttpsConnector<HttpConnector>) -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(connector)
}

fn from_file(file: &Path) -> Result<RootCertStore, Failure> {
    let of = |reason: String| refused(&file.display().to_string(), reason);
    let pem = std::fs::read(file).map_err(|error| of(format!("cannot be read ({error})")))?;
    let mut trusted = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(&pem) {
        let cert = cert.map_err(|error| of(format!("is no PEM ({error})")))?;
        trusted
            .add(cert)
            .map_err(|error| of(format!("holds a certificate that cannot be used ({error})")))?;
    }
    if trusted.is_empty() { Err(of("holds no certificate in PEM".to_owned())) } else { Ok(trusted) }
}

/// The authorities that the system trusts; its folder may hold certificates that cannot be used beside many that can.
pub(crate) fn from_system() -> Result<RootCertStore, Failure> {
    let found = rustls_native_certs::load_native_certs();
    let mut trusted = RootCertStore::empty();
    trusted.add_parsable_certificates(found.certs);
    if !trusted.is_empty() {
        return Ok(trusted);
    }
    let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
    let cure = "install the package ca-certificates, or set edge.acme.ca_roots_file";
    Err(refused("the system's authorities", format!("there are none{why}: {cure}")))
}

fn refused(file: &str, reason: String) -> Failure {
    Failure::CredentialsInvalid { file: file.to_owned(), reason }
}

/// Host, and port where it is not the scheme's; never what stands before an `@`.
fn server(uri: &Uri) -> String {
    let host = uri.host().unwrap_or("a URL without a host");
    uri.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn judge(error: &(dyn StdError + 'static)) -> HttpProblem {
    if cause::<LengthLimitError>(error).is_some() {
        return HttpProblem::TooLong;
    }
    if let Some(error) = cause::<rustls::Error>(error) {
        return match error {
            rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { time, not_before }) => {
                HttpProblem::NotYet(Duration::from_secs(not_before.as_secs().saturating_sub(time.as_secs())))
            }
            error => HttpProblem::Tls(in_words(error)),
        };
    }
    let reason = innermost(error);
    match error.downcast_ref::<hyper_util::client::legacy::Error>() {
        Some(error) if error.is_connect() => HttpProblem::Unreachable(reason),
        _ => HttpProblem::Broken(reason),
    }
}

fn in_words(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(invalid) = error else { return error.to_string() };
    let help = match invalid {
        CertificateError::UnknownIssuer => ", which is not trusted here (edge.acme.ca_roots_file)",
        CertificateError::NotValidYet => ", or this machine's clock is slow",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ", or this machine's clock is fast"
        }
        _ => "",
    };
    format!("{error}{help}")
}

/// The first cause of kind `T`. An [`io::Error`] hides what it wraps from [`StdError::source`].
fn cause<'e, T: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e T> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        at = below(error);
    }
    None
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut at = error;
    while let Some(deeper) = below(at) {
        at = deeper;
    }
    at.to_string()
}

fn below<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::cert::fake::{Ca, Fake, answer};

    #[tokio::test]
    async fn whom_a_roots_file_names_is_trusted_and_told_who_asks() {
        let ca = Ca::new();
        let server = Fake::tls(&ca, |_| answer(404, "nothing here")).await;
        let http = Http::new(Some(&ca.file()), LONG).expect("roots");
        let answer = http.send(get(&server.url("https"))).await.expect("an answer");
        assert_eq!((answer.status(), answer.body().as_ref()), (StatusCode::NOT_FOUND, &b"nothing here"[..]));
        assert_eq!(server.seen()[0].header("user-agent"), concat!("preview/", env!("CARGO_PKG_VERSION")));
    }

    #[tokio::test]
    async fn whom_it_does_not_name_is_not_and_the_key_that_would_help_is_said() {
        let server = Fake::tls(&Ca::new(), |_| answer(200, "")).await;
        let http = Http::new(Some(&Ca::new().file()), LONG).expect("roots");
        let error = http.send(get(&server.url("https"))).await.expect_err("no trust");
        assert!(matches!(error.problem, HttpProblem::Tls(_)), "{error}");
        assert!(error.to_string().contains("edge.acme.ca_roots_file"), "{error}");
        assert_eq!(server.seen().len(), 0);
    }

    #[tokio::test]
    async fn a_server_that_takes_connections_and_says_nothing_is_given_up_on_in_time() {
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let http = Http::to("http://", Duration::from_millis(50)).expect("a client");
        let error = http.send(get(&format!("http://{}", at(&silent)))).await.expect_err("no answer");
        assert!(matches!(error.problem, HttpProblem::TimedOut(_)), "{error}");
        assert_eq!(error.to_string(), format!("{}: no whole answer within 0.05 s", at(&silent)));
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_neither_waited_for_nor_kept() {
        let endless = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", at(&endless));
        let writing = tokio::spawn(async move {
            let (mut stream, _) = endless.accept().await.expect("a client");
            assert!(stream.read(&mut [0; 1024]).await.expect("a request") > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("a head");
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        });
        let error = Http::to(&url, LONG).expect("a client").send(get(&url)).await.expect_err("too long");
        assert!(matches!(error.problem, HttpProblem::TooLong), "{error}");
        writing.await.expect("the connection was closed");
    }

    #[tokio::test]
    async fn nobody_there_and_something_else_there_are_told_apart() {
        let gone = TcpListener::bind("127.0.0.1:0").await.map(|it| at(&it)).expect("a port");
        let http = Http::to("http://", LONG).expect("a client");
        let error = http.send(get(&format!("http://{gone}/secret"))).await.expect_err("nobody");
        assert!(
            matches!(&error.problem, HttpProblem::Unreachable(why) if why.contains("refused")),
            "{error}"
        );
        assert!(!error.to_string().contains("secret"), "{error}");

        let other = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", at(&other));
        tokio::spawn(async move {
            let (mut stream, _) = other.accept().await.expect("a client");
            stream.write_all(b"220 mail.example.com ESMTP\r\n").await.expect("said");
        });
        let error = http.send(get(&url)).await.expect_err("no HTTP");
        assert!(matches!(error.problem, HttpProblem::Broken(_)), "{error}");
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_another_scheme_is_not_asked() {
        let server = Fake::plain(|_| {
            let mut answer = answer(302, "");
            answer.headers_mut().insert("location", HeaderValue::from_static("http://127.0.0.1:1/"));
            answer
        });
        let server = server.await;
        let http = Http::to("http://", LONG).expect("a client");
        let answer = http.send(get(&server.url("http"))).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::FOUND);
        let ca = Ca::new();
        let strict = Http::new(Some(&ca.file()), LONG).expect("roots");
        let error = strict.send(get(&server.url("http"))).await.expect_err("in the clear");
        assert!(matches!(error.problem, HttpProblem::Scheme("https")), "{error}");
    }

    #[test]
    fn a_roots_file_without_a_certificate_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("roots.pem");
        let refused = || Http::new(Some(&file), LONG).expect_err("no roots").to_string();
        assert!(refused().contains("roots.pem: cannot be read"), "{}", refused());
        std::fs::write(&file, "no PEM").expect("written");
        assert!(refused().ends_with("roots.pem: holds no certificate in PEM"), "{}", refused());
    }

    /// Far longer than any of these exchanges takes.
    const LONG: Duration = Duration::from_secs(20);

    fn get(url: &str) -> Request<Bytes> {
        Request::get(url).body(Bytes::new()).expect("a request")
    }

    fn at(listener: &TcpListener) -> String {
        listener.local_addr().expect("bound").to_string()
    }
}
