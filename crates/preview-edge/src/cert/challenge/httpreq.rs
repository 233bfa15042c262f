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
use crate::cert::secret::Secret;
use crate::config::{HookMode, HttpReq};
use crate::exchange::Http;

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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;
    use crate::cert::fake::{Fake, answer};

    #[tokio::test]
    async fn it_is_told_name_and_value_with_the_login_of_the_password_file() {
        let server = Fake::plain(|_| answer(200, "ok")).await;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        fs::write(&file, "open: sesame\n").expect("written");
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("mine");
        let endpoint =
            endpoint(&server.url("http"), HookMode::Default, Some(("ali".to_owned(), file.clone())));
        endpoint.present(&record()).await.expect("done");
        fs::write(&file, "changed").expect("written");
        endpoint.remove(&record()).await.expect("done");

        let seen = server.seen();
        let said: Vec<_> = seen.iter().map(|it| (it.method.as_str(), it.path.as_str())).collect();
        assert_eq!(said, [("POST", "/base/present"), ("POST", "/base/cleanup")]);
        let expected = json!({ "fqdn": "_acme-challenge.preview.example.com.", "value": "v" });
        assert_eq!((seen[0].json(), seen[1].json()), (expected.clone(), expected));
        assert_eq!(seen[0].header("content-type"), "application/json");
        let login = |text: &str| format!("Basic {}", BASE64.encode(text.as_bytes()));
        assert_eq!(seen[0].header("authorization"), login("ali:open: sesame"));
        assert_eq!(seen[1].header("authorization"), login("ali:changed"), "a new password needs no restart");
    }

    #[tokio::test]
    async fn in_raw_mode_it_is_told_domain_token_and_key_authorization() {
        let server = Fake::plain(|_| answer(204, "")).await;
        let endpoint = endpoint(&server.url("http"), HookMode::Raw, None);
        endpoint.present(&record()).await.expect("done");
        let expected = json!({ "domain": "preview.example.com", "token": "token", "keyAuth": "token.thumb" });
        assert_eq!(server.seen()[0].json(), expected);
        assert_eq!(server.seen()[0].header("authorization"), "");
    }

    #[tokio::test]
    async fn a_refusal_and_a_redirect_are_failures_that_quote_the_answer() {
        for (status, expected) in [
            (403, "it answers 403 Forbidden; it said: not your zone"),
            (500, "it answers 500 Internal Server Error; it said: not your zone"),
            (302, "it answers 302 Found, a redirect to nowhere, which is not followed"),
        ] {
            let server = Fake::plain(move |_| answer(status, "not your zone\n")).await;
            let url = server.url("http");
            let failed = endpoint(&url, HookMode::Default, None).present(&record()).await;
            let expected =
                Failure::HookFailed { hook: format!("POST {url}/base/present"), reason: expected.to_owned() };
            assert_eq!(failed, Err(expected));
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_is_down_is_a_failure_and_one_with_a_login_in_it_is_refused() {
        let url = Fake::plain(|_| answer(200, "")).await.url("http");
        let failed = endpoint(&url, HookMode::Default, None).present(&record()).await.expect_err("down");
        assert!(matches!(&failed, Failure::HookFailed { reason, .. } if reason.contains("no connection")));
        let httpreq = HttpReq {
            endpoint: "http://ali:sesame@127.0.0.1".to_owned(),
            mode: HookMode::Default,
            login: None,
        };
        let refused = Endpoint::new(&httpreq, LONG).expect_err("a login").to_string();
        assert!(refused.contains("edge.acme.httpreq.username") && !refused.contains("sesame"), "{refused}");
    }

    /// Far longer than any of these exchanges takes.
    const LONG: Duration = Duration::from_secs(20);

    fn endpoint(url: &str, mode: HookMode, login: Option<(String, PathBuf)>) -> Endpoint {
        Endpoint::new(&HttpReq { endpoint: format!("{url}/base"), mode, login }, LONG).expect("an endpoint")
    }

    fn record() -> Record {
        Record {
            fqdn: "_acme-challenge.preview.example.com".to_owned(),
            value: "v".to_owned(),
            domain: "preview.example.com".to_owned(),
            token: "token".to_owned(),
            key_authorization: "token.thumb".to_owned(),
        }
    }
}
