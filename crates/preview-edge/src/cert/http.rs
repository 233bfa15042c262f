//! The one HTTP client, for authorities and solvers: short exchanges, no redirects, no proxies.

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

use super::{Failure, provider};

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
    timeout: Duration,
    allows_plain: bool,
}

/// An exchange that gave no answer. Messages name the server, never the path: that may hold a secret.
#[derive(Debug, Error)]
pub(crate) enum HttpError {
    /// It took too long.
    #[error("{server} gave no whole answer within {} s", after.as_secs_f32())]
    TimedOut {
        /// Host, and port where it is not the scheme's.
        server: String,
        /// The time it had.
        after: Duration,
    },
    /// There is no connection.
    #[error("{server} cannot be reached: {reason}")]
    Unreachable {
        /// Host, and port where it is not the scheme's.
        server: String,
        /// The system's reason.
        reason: String,
    },
    /// There is no trust.
    #[error("{server} cannot be spoken to by TLS: {reason}")]
    Tls {
        /// Host, and port where it is not the scheme's.
        server: String,
        /// What is wrong, and what would help.
        reason: String,
    },
    /// The answer does not end.
    #[error("{server} answers with more than {LONGEST} bytes")]
    TooLong {
        /// Host, and port where it is not the scheme's.
        server: String,
    },
    /// It speaks no HTTP, or stopped in the middle.
    #[error("{server} broke off, or speaks no HTTP: {reason}")]
    Broken {
        /// Host, and port where it is not the scheme's.
        server: String,
        /// What was seen of it.
        reason: String,
    },
    /// It would go in the clear.
    #[error("{server} must be asked by https://")]
    Plain {
        /// Host, and port where it is not the scheme's.
        server: String,
    },
}

impl Http {
    /// A client that trusts the authorities in `roots_file` (PEM) alone, or without it the system's.
    pub(crate) fn new(roots_file: Option<&Path>, timeout: Duration) -> Result<Self, Failure> {
        let trusted = match roots_file {
            Some(file) => from_file(file)?,
            None => from_system()?,
        };
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
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self { client, timeout, allows_plain: false })
    }

    /// The same, also by `http://`: for endpoints that an operator has chosen.
    pub(crate) fn or_plain(self) -> Self {
        Self { allows_plain: true, ..self }
    }

    /// Asks once. Any answer is one, whatever its status; a redirect too.
    pub(crate) async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let server = server(request.uri());
        if !self.allows_plain && request.uri().scheme_str() != Some("https") {
            return Err(HttpError::Plain { server });
        }
        request.headers_mut().insert(USER_AGENT, WE);
        let exchange = async {
            let answer = self.client.request(request.map(Full::new)).await;
            let (head, body) = answer.map_err(|error| judge(&server, &error))?.into_parts();
            let body = Limited::new(body, LONGEST).collect().await;
            let body = body.map_err(|error| judge(&server, error.as_ref()))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::TimedOut { server: server.clone(), after: self.timeout }),
        }
    }
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

/// A system's folder may hold certificates that cannot be used beside many that can.
fn from_system() -> Result<RootCertStore, Failure> {
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

fn judge(server: &str, error: &(dyn StdError + 'static)) -> HttpError {
    let server = server.to_owned();
    if cause::<LengthLimitError>(error).is_some() {
        return HttpError::TooLong { server };
    }
    if let Some(error) = cause::<rustls::Error>(error) {
        return HttpError::Tls { server, reason: in_words(error) };
    }
    let reason = innermost(error);
    match error.downcast_ref::<hyper_util::client::legacy::Error>() {
        Some(error) if error.is_connect() => HttpError::Unreachable { server, reason },
        _ => HttpError::Broken { server, reason },
    }
}

fn in_words(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(invalid) = error else { return error.to_string() };
    let help = match invalid {
        CertificateError::UnknownIssuer => ", which is not trusted here (edge.acme.ca_roots_file)",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ", or this machine's clock is slow"
        }
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
