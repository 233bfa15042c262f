//! The proxy, and the child that is sent through it.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;
use std::sync::{Arc, Mutex};

use http::Response;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinHandle;

use super::super::Hosted;
use super::{FQDN, LONG};
use crate::cert::challenge::{Record, Solver as _};
use crate::cert::fake::{Answer, Ca, Seen, serve};

/// The variable that makes a process the child, and says what to do.
pub(super) const TASKS: &str = "PREVIEW_TEST_TASKS";
/// The test that looks for it.
const CHILD: &str =
    "cert::challenge::hosted::tests::cloudflare_keeps_apex_and_wildcard_side_by_side_and_removes_by_value";
/// What stands before a line of the child's that tells outcomes.
const OUTCOMES: &str = "OUTCOMES ";

/// What the child does with one provider.
#[derive(Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) provider: String,
    pub(super) file: PathBuf,
    pub(super) steps: Vec<Step>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Step {
    Present(String),
    Remove(String),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Refused {
    pub(super) code: String,
    pub(super) message: String,
    /// Failure and solver as a log would show them.
    pub(super) debug: String,
}

/// Does the tasks, and tells how each step ended.
pub(super) async fn child(tasks: &str) {
    let tasks: Vec<Task> = serde_json::from_str(tasks).expect("tasks");
    let mut outcomes = Vec::new();
    for task in tasks {
        let hosted = Hosted::new(&task.provider, &task.file, Some("example.com"), LONG);
        let hosted = hosted.unwrap_or_else(|error| panic!("{}: {error}", task.provider));
        let mut ended = Vec::new();
        for step in &task.steps {
            let done = match step {
                Step::Present(value) => hosted.present(&record(value)).await,
                Step::Remove(value) => hosted.remove(&record(value)).await,
            };
            ended.push(done.err().map(|failure| Refused {
                code: failure.code().to_string(),
                message: failure.to_string(),
                debug: format!("{failure:?} {hosted:?}"),
            }));
        }
        outcomes.push(ended);
    }
    println!("\n{OUTCOMES}{}", serde_json::to_string(&outcomes).expect("JSON"));
}

pub(super) fn record(value: &str) -> Record {
    Record {
        fqdn: FQDN.to_owned(),
        value: value.to_owned(),
        domain: "preview.example.com".to_owned(),
        token: "token".to_owned(),
        key_authorization: "token.thumb".to_owned(),
    }
}

/// The proxy that plays all providers.
pub(super) struct Stage {
    ca: Arc<Ca>,
    at: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    proxy: JoinHandle<()>,
    folder: tempfile::TempDir,
}

impl Stage {
    pub(super) async fn new(plays: impl Fn(&Seen) -> Response<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let at = listener.local_addr().expect("bound").to_string();
        let (ca, seen) = (Arc::new(Ca::new()), Arc::<Mutex<Vec<Seen>>>::default());
        let plays: Arc<Answer> = Arc::new(plays);
        let proxy = tokio::spawn({
            let (ca, seen) = (ca.clone(), seen.clone());
            async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let (ca, plays, seen) = (ca.clone(), plays.clone(), seen.clone());
                    tokio::spawn(async move {
                        let Some(host) = connected(&mut stream).await else { return };
                        let stream = ca.acceptor(&host).accept(stream).await;
                        serve(stream.unwrap_or_else(|error| panic!("{host}: {error}")), plays, seen).await;
                    });
                }
            }
        });
        Self { ca, at, seen, proxy, folder: tempfile::tempdir().expect("a folder") }
    }

    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, text).expect("written");
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("mine");
        file
    }

    /// The outcome of every step of every task, from a child.
    pub(super) async fn run(&self, tasks: Vec<Task>) -> Vec<Vec<Option<Refused>>> {
        let mut command = Command::new(env::current_exe().expect("a program"));
        command.args(["--exact", CHILD, "--nocapture"]);
        command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
        command.env("HTTPS_PROXY", format!("http://{}", self.at)).env("SSL_CERT_FILE", self.ca.file());
        command.env(TASKS, serde_json::to_string(&tasks).expect("JSON"));
        let Output { status, stdout, stderr } = command.kill_on_drop(true).output().await.expect("a child");
        let (said, wept) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        let outcomes = said.lines().find_map(|line| line.strip_prefix(OUTCOMES));
        let outcomes = outcomes.unwrap_or_else(|| panic!("{status}: {said}{wept}"));
        serde_json::from_str(outcomes).expect("outcomes")
    }

    /// From now on nobody listens where the proxy was.
    pub(super) async fn close(&mut self) {
        self.proxy.abort();
        let gone = TcpListener::bind("127.0.0.1:0").await.and_then(|gone| gone.local_addr());
        self.at = gone.expect("a port").to_string();
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("whole").clone()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.proxy.abort();
    }
}

/// Takes `CONNECT HOST:PORT`, and says whom the client wants.
async fn connected(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("text");
    let host = head.strip_prefix("CONNECT ")?.split(':').next()?.to_owned();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    Some(host)
}
