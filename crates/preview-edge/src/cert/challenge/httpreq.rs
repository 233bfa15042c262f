//! An HTTP endpoint that writes the records, asked as lego asks it: `POST ENDPOINT/present` and `/cleanup`
//! (<https://go-acme.github.io/lego/dns/httpreq/>).

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Request, Response};
use serde::Serialize;

use super::{Record, Solver, Tail};
use crate::cert::Failure;
use crate::cert::http::Http;
use crate::cert::secret::Secret;
use crate::config::{HookMode, HttpReq};

/// Asks the endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    http: Http,
    url: String,
    mode: HookMode,
    login: Option<(String, PathBuf)>,
}

/// What is told.
#[derive(Serialize)]
#[serde(untagged)]
enum Message<'a> {
    Default {
        /// With a final dot.
        fqdn: &'a str,
        value: &'a str,
    },
    Raw {
        domain: &'a str,
        token: &'a str,
        #[serde(rename = "keyAuth")]
        key_authorization: &'a str,
    },
}

impl Endpoint {
    pub(crate) fn new(httpreq: &HttpReq, timeout: Duration) -> Result<Self, Failure> {
        let endpoint = &httpreq.endpoint;
        let refuse = |reason: &str| Failure::CredentialsInvalid {
            file: "edge.acme.httpreq.endpoint".to_owned(),
            reason: reason.to_owned(),
        };
        let uri: http::Uri = endpoint.parse().map_err(|_| refuse("is no URL"))?;
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(refuse("holds a login: set edge.acme.httpreq.username and password_file instead"));
        }
        if let Some((_, file)) = &httpreq.login {
            Secret::read(file)?;
        }
        let http = Http::to(endpoint, timeout)?;
        Ok(Self { http, url: endpoint.clone(), mode: httpreq.mode, login: httpreq.login.clone() })
    }

    async fn post(&self, action: &str, record: &Record) -> Result<(), Failure> {
        let url = format!("{}/{action}", self.url);
        let failed = |reason| Failure::HookFailed { hook: format!("POST {url}"), reason };
        let request = self.request(&url, record)?.ok_or_else(|| failed("it is no URL".to_owned()))?;
        let answer = self.http.send(request).await.map_err(|error| failed(error.problem.to_string()))?;
        refusal(&answer).map_or(Ok(()), |reason| Err(failed(reason)))
    }

    fn request(&self, url: &str, record: &Record) -> Result<Option<Request<Bytes>>, Failure> {
        let fqdn = format!("{}.", record.fqdn);
        let message = match self.mode {
            HookMode::Default => Message::Default { fqdn: &fqdn, value: &record.value },
            HookMode::Raw => Message::Raw {
                domain: &record.domain,
                token: &record.token,
                key_authorization: &record.key_authorization,
            },
        };
        let body = serde_json::to_vec(&message).map_err(std::io::Error::from)?;
        let mut request = Request::post(url).header(CONTENT_TYPE, "application/json");
        if let Some((user, file)) = &self.login {
            // Read anew each time, so that a new password needs no restart.
            let password = Secret::read(file)?;
            let login = BASE64.encode(format!("{user}:{}", password.expose()).as_bytes());
            let mut value =
                HeaderValue::from_str(&format!("Basic {login}")).expect("base64 fits into a header");
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        Ok(request.body(body.into()).ok())
    }
}

impl Solver for Endpoint {
    fn name(&self) -> &'static str {
        "httpreq"
    }

    fn present<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        self.post("present", record).boxed()
    }

    fn remove<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        self.post("cleanup", record).boxed()
    }
}

/// Why an answer is none to a request that was done. Redirects are not followed: the login would go along.
fn refusal(answer: &Response<Bytes>) -> Option<String> {
    let status = answer.status();
    if status.is_redirection() {
        let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
        return Some(format!("it answers {status}, a redirect to {to}, which is not followed"));
    }
    let is_refused = status.is_client_error() || status.is_server_error();
    is_refused.then(|| Tail::of(answer.body()).after(&format!("it answers {status}")))
}
