//! An acme-dns server (<https://github.com/joohoi/acme-dns>). A domain's `_acme-challenge` is a CNAME to a name of the
//! server's, and an account of that server may set that name's two values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};

use super::{Record, Solver, Tail};
use crate::cert::Failure;
use crate::cert::http::{Http, HttpError};
use crate::cert::secret::{self, Secret, refuse};

/// Asks the servers of the accounts in a file.
#[derive(Debug)]
pub(crate) struct AcmeDns {
    accounts: PathBuf,
    timeout: Duration,
}

/// An account, as the server gave it out; clients add where the server is.
#[derive(Deserialize)]
struct Account {
    fulldomain: String,
    subdomain: String,
    username: String,
    password: String,
    #[serde(default)]
    server_url: String,
}

#[derive(Serialize)]
struct Update<'a> {
    subdomain: &'a str,
    txt: &'a str,
}

impl AcmeDns {
    pub(crate) fn new(accounts: &Path, timeout: Duration) -> Result<Self, Failure> {
        read(accounts)?;
        Ok(Self { accounts: accounts.to_owned(), timeout })
    }

    async fn update(&self, record: &Record) -> Result<(), Failure> {
        // Read anew each time, so that a new account needs no restart.
        let account = self.account(&record.domain)?;
        let server = account.server_url.trim_end_matches('/');
        let update = Update { subdomain: &account.subdomain, txt: &record.value };
        let body = serde_json::to_vec(&update).map_err(std::io::Error::from)?;
        let request = Request::post(format!("{server}/update"))
            .header(CONTENT_TYPE, "application/json")
            .header("x-api-user", &account.username)
            .header("x-api-key", &account.password)
            .body(Bytes::from(body))
            .map_err(|_| {
                let reason = "its server_url, username or password has characters that cannot be";
                self.refuse(&record.domain, reason)
            })?;
        let answer = Http::to(server, self.timeout)?.send(request).await.map_err(unreachable)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let said = Tail::of(answer.body());
        let reason = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let fulldomain = &account.fulldomain;
                format!("it does not know the account for {fulldomain}, or not from this address (allowfrom)")
            }
            _ => format!("it answers {status}"),
        };
        let provider = format!("acme-dns at {server}");
        Err(Failure::ProviderRefused { provider, reason: said.after(&reason) })
    }

    fn account(&self, domain: &str) -> Result<Account, Failure> {
        let mut accounts = read(&self.accounts)?;
        let account = accounts.remove(domain).or_else(|| accounts.remove(&format!("*.{domain}")));
        let account = account.ok_or_else(|| {
            self.refuse(
                domain,
                "there is no account. Register one (curl -X POST https://YOUR-ACME-DNS/register), add its answer \
                 with the server's \"server_url\" under this name",
            )
        })?;
        if account.server_url.starts_with("https://") || account.server_url.starts_with("http://") {
            return Ok(account);
        }
        Err(self.refuse(domain, "its \"server_url\" is missing or no URL: add where the server is"))
    }

    fn refuse(&self, domain: &str, reason: &str) -> Failure {
        let cname = format!("_acme-challenge.{domain}. CNAME FULLDOMAIN-OF-THE-ACCOUNT.");
        refuse(&self.accounts, format_args!("{domain:?}: {reason}, and publish: {cname}"))
    }
}

impl Solver for AcmeDns {
    fn name(&self) -> &'static str {
        "acme-dns"
    }

    fn present<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        self.update(record).boxed()
    }

    /// There is no way to remove a value; the server keeps the last two, and the next ones take their places.
    fn remove<'a>(&'a self, _: &'a Record) -> BoxFuture<'a, Result<(), Failure>> {
        async { Ok(()) }.boxed()
    }
}

fn read(file: &Path) -> Result<BTreeMap<String, Account>, Failure> {
    let text: Secret = secret::read(file)?;
    serde_json::from_str(text.expose()).map_err(|error| {
        // The parser's message may quote a password.
        let place = format_args!("line {}, column {}", error.line(), error.column()).to_string();
        refuse(
            file,
            format_args!(
                "is no JSON of the form {{DOMAIN: {{fulldomain, subdomain, username, password, server_url}}}} ({place})"
            ),
        )
    })
}

fn unreachable(error: HttpError) -> Failure {
    Failure::DnsUnreachable { server: error.server, reason: error.problem.to_string() }
}
