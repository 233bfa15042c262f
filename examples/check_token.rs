//! An app that looks at the token it was handed. Under `access.handoff: pass` the link's `session_id` and `token` come
//! on to the dev server, which asks the daemon what they are good for.
//!
//! `cargo run -p preview-examples --bin check_token -- /run/preview/verify.sock 5173`
//!
//! That a request came through the edge does not make its token good: a browser that was let in before may show any.

#![expect(clippy::print_stdout, reason = "the program's output is its purpose")]

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use preview_core::wire::api::{TokenCheck, TokenVerified};
use tokio::net::{TcpListener, UnixStream};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [socket, port] = args.as_slice() else {
        anyhow::bail!("usage: check_token VERIFY_SOCK PORT");
    };
    let socket: Arc<str> = socket.as_str().into();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse()?)).await?;
    println!("serving on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let socket = Arc::clone(&socket);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| greet(request, &socket));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Greets who shows a good token. A real app would give a session of its own here, for the requests that follow.
async fn greet(request: Request<Incoming>, socket: &str) -> anyhow::Result<Response<Full<Bytes>>> {
    let Some(given) = given(&request) else {
        return answer(StatusCode::UNAUTHORIZED, "Open this by its link.".to_owned());
    };
    match verify(socket, &given).await {
        Ok(Some(good)) => {
            let may = if good.read_only { "look" } else { "do everything" };
            answer(StatusCode::OK, format!("Hello from {} of {}: you may {may}.", good.name, good.session_id))
        }
        Ok(None) => answer(StatusCode::UNAUTHORIZED, "This link is not good. Ask for a new one.".to_owned()),
        // Nobody is let in because nobody could be asked.
        Err(error) => {
            println!("not verified: {error:#}");
            answer(StatusCode::SERVICE_UNAVAILABLE, "Links cannot be checked now. Try again.".to_owned())
        }
    }
}

/// `session_id` and `token` of the URL.
fn given<B>(request: &Request<B>) -> Option<TokenCheck> {
    let value = |wanted: &str| {
        let mut pairs = request.uri().query()?.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == wanted)?;
        Some(percent_decode_str(value).decode_utf8().ok()?.into_owned())
    };
    Some(TokenCheck { session_id: value("session_id")?, token: value("token")? })
}

/// Asks the daemon; `None` for a token that is not good. The token is the credential: there is no key.
async fn verify(socket: &str, given: &TokenCheck) -> anyhow::Result<Option<TokenVerified>> {
    let stream = UnixStream::connect(socket).await.with_context(|| format!("connecting to {socket}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::post("/v1/tokens/verify")
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::<Bytes>::from(serde_json::to_string(given)?))?;
    let response = sender.send_request(request).await?;
    match response.status() {
        StatusCode::OK => {
            let body = response.into_body().collect().await?.to_bytes();
            Ok(Some(serde_json::from_slice(&body)?))
        }
        StatusCode::UNAUTHORIZED => Ok(None),
        status => anyhow::bail!("the daemon answered {status}"),
    }
}

fn answer(status: StatusCode, text: String) -> anyhow::Result<Response<Full<Bytes>>> {
    Ok(Response::builder().status(status).header(CONTENT_TYPE, "text/plain").body(Full::from(text))?)
}
