//! The daemon's door for edges, `edge.sock`: HTTP/1.1 over a Unix socket. The daemon may be slow, stopped or away
//! at any time, so every call has an end.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long the daemon may take to begin its answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of an answer that is read whole.
const ANSWER: usize = 1 << 20;

/// Where the daemon is asked.
#[derive(Clone, Debug)]
pub(crate) struct Daemon {
    socket: PathBuf,
}

/// The daemon did not answer as it should.
#[derive(Debug, Error)]
pub(crate) enum DaemonError {
    /// Nobody serves the socket.
    #[error("the daemon is not there ({})", .0.display())]
    Away(PathBuf, #[source] io::Error),
    /// It took longer than [`PATIENCE`].
    #[error("the daemon does not answer within {PATIENCE:?}")]
    Slow,
    /// It closed the connection, or answered with something that is not HTTP.
    #[error("the conversation with the daemon broke off")]
    Broken(#[from] hyper::Error),
    /// It refused.
    #[error("the daemon answered {0}")]
    Refused(StatusCode),
    /// Its answer makes no sense.
    #[error("the daemon's answer makes no sense")]
    Nonsense(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Daemon {
    /// The daemon whose sockets lie in `dir`.
    pub(crate) fn in_dir(dir: &Path) -> Self {
        Self { socket: dir.join("edge.sock") }
    }

    /// Posts `body` as JSON and waits for the answer.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, DaemonError> {
        let body = serde_json::to_vec(body).map_err(|error| DaemonError::Nonsense(error.into()))?;
        let ask = async {
            let answer = self.ask(Method::POST, path, body.into()).await?;
            let bytes =
                Limited::new(answer, ANSWER).collect().await.map_err(DaemonError::Nonsense)?.to_bytes();
            // 204 has no body, which reads as the unit type.
            let bytes = if bytes.is_empty() { b"null" } else { bytes.as_ref() };
            serde_json::from_slice(bytes).map_err(|error| DaemonError::Nonsense(error.into()))
        };
        timeout(PATIENCE, ask).await.map_err(|_| DaemonError::Slow)?
    }

    /// Opens the route feed after revision `since`, or from a snapshot on.
    pub(crate) async fn feed(&self, since: Option<u64>) -> Result<Incoming, DaemonError> {
        let path =
            since.map_or_else(|| "/v1/routes".to_owned(), |revision| format!("/v1/routes?since={revision}"));
        let ask = self.ask(Method::GET, &path, Bytes::new());
        timeout(PATIENCE, ask).await.map_err(|_| DaemonError::Slow)?
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Incoming, DaemonError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| DaemonError::Away(self.socket.clone(), error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| DaemonError::Nonsense(error.into()))?;
        let answer = sender.send_request(request).await?;
        if answer.status().is_success() {
            Ok(answer.into_body())
        } else {
            Err(DaemonError::Refused(answer.status()))
        }
    }
}
