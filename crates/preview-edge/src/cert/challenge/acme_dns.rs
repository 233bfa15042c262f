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
use crate::cert::desk::blocking;
use crate::cert::secret::{self, Secret, refuse};
use crate::exchange::{Http, HttpError};

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

    /// The server's name to which the domain's challenge has to lead.
    pub(crate) fn fulldomain(&self, domain: &str) -> Result<String, Failure> {
        let account = self.account(domain)?;
        Ok(account.fulldomain.trim_end_matches('.').to_ascii_lowercase())
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
        let (to, timeout) = (server.to_owned(), self.timeout);
        let http = blocking(move || Http::to(&to, timeout)).await??;
        let answer = http.send(request).await.map_err(unreachable)?;
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::{Arc, Mutex, mpsc};

    use http::Response;
    use serde_json::json;
    use tokio::runtime::Builder;
    use tokio::task::spawn_blocking;
    use tokio::time::timeout;

    use super::*;
    use crate::cert::fake::{Fake, Seen, answer};

    #[tokio::test]
    async fn apex_and_wildcard_stand_side_by_side_and_removal_asks_for_nothing() {
        let (server, values) = server().await;
        let file = Accounts::new(&server.url("http"));
        let solver = AcmeDns::new(&file.path(), LONG).expect("accounts");
        solver.present(&record("preview.example.com", "old")).await.expect("done");
        solver.present(&record("preview.example.com", "apex")).await.expect("done");
        solver.present(&record("preview.example.com", "wild")).await.expect("done");
        assert_eq!(*values.lock().expect("whole"), ["apex", "wild"]);
        let seen = server.seen();
        assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("POST", "/update"));
        assert_eq!((seen[0].header("x-api-user"), seen[0].header("x-api-key")), ("u-1", "k-1"));
        assert_eq!(seen[0].json(), json!({ "subdomain": "sub-1", "txt": "old" }));
        solver.remove(&record("preview.example.com", "apex")).await.expect("a success");
        assert_eq!(server.seen().len(), 3);
    }

    #[test]
    fn the_systems_roots_are_read_on_a_thread_that_may_block() {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
        runtime.expect("a runtime").block_on(async {
            let (server, values) = server().await;
            let file = Accounts::new(&server.url("http"));
            let solver = AcmeDns::new(&file.path(), LONG).expect("accounts");
            let (free, taken) = mpsc::channel::<()>();
            let busy = spawn_blocking(move || taken.recv());
            let record = record("preview.example.com", "v");
            let mut present = solver.present(&record);
            timeout(Duration::from_millis(100), &mut present).await.expect_err("that thread is busy");
            free.send(()).expect("it waits");
            present.await.expect("done");
            busy.await.expect("ended").expect("told");
            assert_eq!(*values.lock().expect("whole"), ["v"]);
        });
    }

    #[tokio::test]
    async fn a_domain_without_an_account_says_how_to_get_one_and_which_record_to_set() {
        let file = Accounts::new("http://127.0.0.1:1");
        let solver = AcmeDns::new(&file.path(), LONG).expect("accounts");
        let failed = solver.present(&record("other.example.com", "v")).await.expect_err("no account");
        assert!(matches!(failed, Failure::CredentialsInvalid { .. }), "{failed:?}");
        let text = failed.to_string();
        assert!(text.contains("curl -X POST https://YOUR-ACME-DNS/register"), "{text}");
        assert!(text.contains("_acme-challenge.other.example.com. CNAME "), "{text}");
    }

    #[tokio::test]
    async fn an_account_the_server_does_not_know_is_refused_and_a_server_that_is_down_is_not_reached() {
        let (server, _) = server().await;
        let url = server.url("http");
        let file = Accounts::new(&url);
        file.write(&Accounts::text(&url).replace("k-1", "k-2"));
        let solver = AcmeDns::new(&file.path(), LONG).expect("accounts");
        let record = record("preview.example.com", "v");
        let failed = solver.present(&record).await.expect_err("another key");
        assert!(matches!(failed, Failure::ProviderRefused { .. }), "{failed:?}");
        assert!(!failed.to_string().contains("k-2"), "{failed}");
        drop(server);
        let failed = solver.present(&record).await.expect_err("down");
        assert!(
            matches!(&failed, Failure::DnsUnreachable { server, .. } if url.ends_with(server)),
            "{failed:?}"
        );
    }

    #[test]
    fn a_file_that_is_open_or_no_json_is_refused_without_quoting_it() {
        let file = Accounts::new("http://127.0.0.1:1");
        file.write("{\"preview.example.com\": {\"password\": 7, \"k-1\"}}");
        let refused = AcmeDns::new(&file.path(), LONG).expect_err("no JSON").to_string();
        assert!(refused.contains("accounts.json: is no JSON") && refused.contains("line 1"), "{refused}");
        assert!(!refused.contains("k-1"), "{refused}");
        fs::set_permissions(file.path(), PermissionsExt::from_mode(0o644)).expect("mine");
        let refused = AcmeDns::new(&file.path(), LONG).expect_err("open").to_string();
        assert!(refused.contains("its mode is 0644"), "{refused}");
    }

    /// Far longer than any of these exchanges takes.
    const LONG: Duration = Duration::from_secs(20);

    /// A server with one account, that keeps the last two values as acme-dns does.
    async fn server() -> (Fake, Arc<Mutex<VecDeque<String>>>) {
        let values = Arc::<Mutex<VecDeque<String>>>::default();
        let kept = values.clone();
        let update = move |seen: &Seen| -> Response<String> {
            if (seen.header("x-api-user"), seen.header("x-api-key")) != ("u-1", "k-1") {
                return answer(401, "{\"error\": \"forbidden\"}");
            }
            let txt = seen.json()["txt"].as_str().expect("a value").to_owned();
            let mut kept = kept.lock().expect("whole");
            kept.push_back(txt.clone());
            if kept.len() > 2 {
                kept.pop_front();
            }
            answer(200, &json!({ "txt": txt }).to_string())
        };
        (Fake::plain(update).await, values)
    }

    struct Accounts(tempfile::TempDir);

    impl Accounts {
        fn new(server: &str) -> Self {
            let file = Self(tempfile::tempdir().expect("a folder"));
            file.write(&Self::text(server));
            fs::set_permissions(file.path(), PermissionsExt::from_mode(0o600)).expect("mine");
            file
        }

        /// As lego keeps it.
        fn text(server: &str) -> String {
            let account = json!({
                "fulldomain": "sub-1.auth.example.net", "subdomain": "sub-1", "username": "u-1",
                "password": "k-1", "server_url": server,
            });
            json!({ "preview.example.com": account }).to_string()
        }

        fn write(&self, text: &str) {
            fs::write(self.path(), text).expect("written");
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("accounts.json")
        }
    }

    fn record(domain: &str, value: &str) -> Record {
        Record {
            fqdn: format!("_acme-challenge.{domain}"),
            value: value.to_owned(),
            domain: domain.to_owned(),
            token: "token".to_owned(),
            key_authorization: "token.thumb".to_owned(),
        }
    }
}
