//! One request over one connection: by Unix socket, by TCP, by TLS. Nothing is followed, nothing is kept.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::failure::Failure;
use crate::tls::Trust;

/// How long a connection may take; a daemon is near or not there.
const CONNECT: Duration = Duration::from_secs(10);

/// Where a server is, and how it is reached.
#[derive(Clone, Debug)]
pub enum Door {
    /// By a Unix socket.
    Unix(PathBuf),
    /// By TCP, with TLS where the place says https.
    Tcp(Place, Https),
}

/// Scheme, host and port of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whether it is https.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// How TLS is spoken and where names lead; by default as the system says.
#[derive(Clone, Debug, Default)]
pub struct Https {
    /// Whom to trust; absent: the system's authorities.
    pub config: Option<Arc<ClientConfig>>,
    /// The address to use instead of asking DNS.
    pub address: Option<SocketAddr>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum DoorError {
    /// No connection.
    #[error("{0}")]
    Connect(io::Error),
    /// Not within the time.
    #[error("no connection within {} s", CONNECT.as_secs())]
    Late,
    /// A connection, but no TLS on it.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// No name for a certificate.
    #[error("not a host name: {0}")]
    Name(#[from] InvalidDnsNameError),
    /// No HTTP on it.
    #[error("{0}")]
    Http(#[from] hyper::Error),
}

impl Place {
    /// Reads `http://HOST[:PORT]` or `https://HOST[:PORT]`; a slash at its end is taken.
    pub fn parse(url: &str) -> Result<Self, Failure> {
        let wrong = || {
            let hint = "give scheme, host and, if need be, port: https://daemon.example.com";
            Failure::usage(format!("{url:?} is not such a URL"), hint)
        };
        let uri: http::Uri = url.parse().map_err(|_| wrong())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong());
        }
        let authority = uri.authority().filter(|it| !it.as_str().contains('@')).ok_or_else(wrong)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { tls, host, port })
    }

    /// As it stands in `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }

    /// Opens a TCP connection to it.
    pub async fn connect(&self, address: Option<SocketAddr>) -> Result<TcpStream, DoorError> {
        let connect = async {
            match address {
                Some(address) => TcpStream::connect(address).await,
                None => TcpStream::connect((self.host.as_str(), self.port)).await,
            }
        };
        match tokio::time::timeout(CONNECT, connect).await {
            Ok(stream) => stream.map_err(DoorError::Connect),
            Err(_) => Err(DoorError::Late),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

impl Door {
    /// Sends one request whose URI is a path, and awaits the head of the answer.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, DoorError> {
        let authority = match self {
            Self::Unix(_) => "localhost".to_owned(),
            Self::Tcp(place, _) => place.authority(),
        };
        if let Ok(host) = HeaderValue::from_str(&authority) {
            request.headers_mut().entry(header::HOST).or_insert(host);
        }
        match self {
            Self::Unix(path) => {
                exchange(UnixStream::connect(path).await.map_err(DoorError::Connect)?, request).await
            }
            Self::Tcp(place, https) => {
                let stream = place.connect(https.address).await?;
                if !place.tls {
                    return exchange(stream, request).await;
                }
                let config = https.config.clone().unwrap_or_else(|| Trust::system().client());
                let name = ServerName::try_from(place.host.clone())?;
                let stream =
                    TlsConnector::from(config).connect(name, stream).await.map_err(DoorError::Tls)?;
                exchange(stream, request).await
            }
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => f.write_str(&crate::context::shorten(path)),
            Self::Tcp(place, _) => place.fmt(f),
        }
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, DoorError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It lives as long as the answer's body is read, and its errors come out there.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_scheme_host_and_port() {
        let place = |url| Place::parse(url).map(|place| (place.to_string(), place.port)).ok();
        let read = |text: &str, port| Some((text.to_owned(), port));
        assert_eq!(place("https://daemon.example.com/"), read("https://daemon.example.com", 443));
        assert_eq!(place("http://[::1]:9460"), read("http://[::1]:9460", 9460));
        for url in ["", "daemon.example.com", "ftp://a", "http://u@a", "https://a/b", "https://a?b"] {
            assert!(Place::parse(url).is_err(), "{url}");
        }
    }
}
