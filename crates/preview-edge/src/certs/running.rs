//! The edge that runs on this host, by its control socket.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::CertsError;
use crate::cert::{Cause, Report};
use crate::ops;

/// How long an edge may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer.
const MOST: usize = 1 << 20;

/// An edge that answered.
#[derive(Debug)]
pub(super) struct Running {
    socket: PathBuf,
}

/// What its `/health` says of certificates.
#[derive(Deserialize)]
struct Health {
    certificate: Option<Report>,
}

/// What it says when it refuses.
#[derive(Deserialize)]
struct Refusal {
    code: String,
    detail: String,
}

impl Running {
    /// The edge whose folder that is, if it runs.
    pub(super) async fn find(state_dir: &Path) -> Result<Option<Self>, CertsError> {
        let socket = ops::socket(state_dir);
        match UnixStream::connect(&socket).await {
            Ok(_) => Ok(Some(Self { socket })),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Err(CertsError::NotOurs { socket, error })
            }
            Err(error) => Err(CertsError::Silent { socket, reason: error.to_string() }),
        }
    }

    /// How its certificates stand; `None` if it serves no HTTPS.
    pub(super) async fn report(&self) -> Result<Option<Report>, CertsError> {
        let answer = self.ask(Method::GET, "/health").await?;
        let health: Health = self.read(answer.body())?;
        Ok(health.certificate)
    }

    /// Tells it to do something about them: `issue`, `renew` or `clean`.
    pub(super) async fn tell(&self, what: &str) -> Result<(), CertsError> {
        let answer = self.ask(Method::POST, &format!("/certs/{what}")).await?;
        if answer.status() == StatusCode::ACCEPTED {
            return Ok(());
        }
        let Refusal { code, detail } = self.read(answer.body())?;
        Err(CertsError::Told(Cause {
            code,
            message: detail,
            hint: "see edge.tls.mode and edge.https".to_owned(),
        }))
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Response<Bytes>, CertsError> {
        let answer = timeout(PATIENCE, self.exchange(method, path)).await;
        let answer = answer.unwrap_or_else(|_| Err(io::Error::from(ErrorKind::TimedOut).into()));
        answer.map_err(|error| self.silent(&*error))
    }

    async fn exchange(&self, method: Method, path: &str) -> Result<Response<Bytes>, Amiss> {
        let stream = UnixStream::connect(&self.socket).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let (head, body) = sender.send_request(request.body(Empty::<Bytes>::new())?).await?.into_parts();
        let body = Limited::new(body, MOST).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, body: &[u8]) -> Result<T, CertsError> {
        serde_json::from_slice(body).map_err(|error| self.silent(&error))
    }

    fn silent(&self, error: &dyn std::error::Error) -> CertsError {
        CertsError::Silent { socket: self.socket.clone(), reason: error.to_string() }
    }
}

type Amiss = Box<dyn std::error::Error + Send + Sync>;
