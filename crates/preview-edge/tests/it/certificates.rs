//! TLS: what is spoken, which certificate is shown, and what happens when it changes.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use preview_edge::config::{Config, TlsSource};
use tokio::task::JoinHandle;
use xtask::real::{Authority, Certificate, Scratch, free_port_outside};

use crate::client::{SOON, Secure};
use crate::edge::{Edge, Program, config};

const HOST: &str = "app.preview.test";

#[test]
fn http2_and_http1_are_negotiated() {
    let (scratch, edge) = rehearsal();
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let output = Command::new("curl")
            .args(["-sk", flag, "-o", "/dev/null", "-w", "%{http_version} %{http_code}"])
            .args(["--connect-to", &format!("::{}", secure(&edge)), &format!("https://{HOST}/")])
            .output()
            .expect("curl");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            format!("{version} 502"),
            "{}",
            scratch.path().display()
        );
    }
}

#[test]
fn tls_below_1_2_and_early_data_are_refused() {
    let (_scratch, edge) = rehearsal();
    for (flags, is_spoken) in [
        (&["-tls1", "-cipher", "ALL:@SECLEVEL=0"][..], false),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], false),
        (&["-tls1_2"], true),
        (&["-tls1_3"], true),
    ] {
        let text = s_client(secure(&edge), HOST, flags);
        assert_eq!(text.contains("BEGIN CERTIFICATE"), is_spoken, "{flags:?}: {text}");
    }
    let text = s_client(secure(&edge), HOST, &["-tls1_3"]);
    assert!(!text.contains("Max Early Data: 1"), "{text}");
}

#[test]
fn a_host_that_the_certificate_does_not_cover_gets_an_alert_and_no_name_gets_the_certificate() {
    let (_scratch, edge) = rehearsal();
    assert!(s_client(secure(&edge), HOST, &[]).contains("BEGIN CERTIFICATE"));
    assert!(s_client(secure(&edge), "", &["-noservername"]).contains("BEGIN CERTIFICATE"));
    let text = s_client(secure(&edge), "elsewhere.example", &[]);
    assert!(!text.contains("BEGIN CERTIFICATE") && text.contains("alert"), "{text}");
}

#[test]
fn the_rehearsal_certificate_is_kept_from_start_to_start() {
    let scratch = Scratch::new().expect("a folder");
    let shown = || {
        let edge = Edge::start(with_https(&scratch, TlsSource::SelfSigned));
        s_client(secure(&edge), HOST, &[])
            .lines()
            .skip_while(|it| !it.contains("BEGIN"))
            .take(8)
            .collect::<String>()
    };
    let first = shown();
    assert!(first.contains("BEGIN CERTIFICATE"));
    assert_eq!(first, shown());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_shown_and_no_request_is_lost_on_the_way() {
    let scratch = Scratch::new().expect("a folder");
    let (old_authority, old) = issued(&scratch, "old");
    let (new_authority, new) = issued(&scratch, "new");
    let (cert, key) = install(&scratch, &old);
    let https = SocketAddr::from(([127, 0, 0, 1], free_port_outside().expect("a port")));
    let mut edge = Program::start_with(
        &scratch,
        &format!(
            "https: \"{https}\", tls: {{ mode: files, cert: {}, key: {} }}, limits: {{ misses_per_minute: 1000000 }}",
            cert.display(),
            key.display()
        ),
    );
    edge.process.wait_for_line("the edge serves", SOON).expect("it starts");
    let roots = [&old_authority, &new_authority].map(|it| std::fs::read(&it.root).expect("a root")).concat();
    let mut kept = Secure::connect(https, HOST, &roots).await.expect("connected");
    assert_eq!(kept.get(HOST).await.expect("an answer"), 502);
    let load = Load::start(https, HOST, roots.clone(), 502);

    // Garbage is not taken, and half a renewal neither.
    std::fs::write(&cert, "no PEM at all").expect("written");
    refusal(&mut edge, "holds no certificate");
    std::fs::copy(&new.chain, &cert).expect("copied");
    refusal(&mut edge, "is not the key of the certificate");
    let first = Secure::connect(https, HOST, &roots).await.expect("connected").shown;
    assert_eq!(first, kept.shown);

    std::fs::copy(&new.key, &key).expect("copied");
    let changed =
        async { while Secure::connect(https, HOST, &roots).await.expect("connected").shown == first {} };
    tokio::time::timeout(SOON, changed).await.expect("the new certificate is shown");
    assert_eq!(kept.get(HOST).await.expect("the old connection still serves"), 502);
    assert!(load.end().await > 0);
}

#[test]
fn a_certificate_that_cannot_be_shown_refuses_the_start_with_file_and_reason() {
    let scratch = Scratch::new().expect("a folder");
    let (_, certificate) = issued(&scratch, "one");
    let (cert, key) = install(&scratch, &certificate);
    let files = TlsSource::Files { cert, key };
    chmod(&scratch.join("key.pem"), 0o644);
    let refused = Edge::try_start(with_https(&scratch, files.clone())).err().expect("too open").to_string();
    assert!(refused.contains("key.pem") && refused.contains("0644"), "{refused}");
    std::fs::remove_file(scratch.join("cert.pem")).expect("removed");
    chmod(&scratch.join("key.pem"), 0o600);
    let refused = Edge::try_start(with_https(&scratch, files)).err().expect("missing").to_string();
    assert!(refused.contains("cert.pem: cannot be read"), "{refused}");
}

/// Connections one after the other, none of which may fail.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    shown: Arc<Mutex<HashSet<Vec<u8>>>>,
    task: JoinHandle<usize>,
}

impl Load {
    /// Asks `host`, which has to answer with `status` each time.
    pub(crate) fn start(https: SocketAddr, host: &'static str, roots: Vec<u8>, status: u16) -> Self {
        let (stop, shown) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (stopping, seen) = (Arc::clone(&stop), Arc::clone(&shown));
        let task = tokio::spawn(async move {
            let mut requests = 0;
            while !stopping.load(Ordering::Relaxed) {
                let mut client = Secure::connect(https, host, &roots).await.expect("connected under load");
                assert_eq!(client.get(host).await.expect("an answer under load"), status);
                requests += 1;
                let seen: &Mutex<HashSet<_>> = &seen;
                seen.lock().expect("sound").insert(client.shown);
                // The edge is not alone on this machine.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            requests
        });
        Self { stop, shown, task }
    }

    /// How many certificates were shown so far.
    pub(crate) fn shown(&self) -> usize {
        assert!(!self.task.is_finished(), "a connection was lost");
        self.shown.lock().expect("sound").len()
    }

    /// How many requests were served.
    pub(crate) async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("no connection was lost")
    }
}

/// Waits until the edge has said why it does not take what it found.
fn refusal(edge: &mut Program, why: &str) {
    let line = edge.process.wait_for_line(why, SOON).expect("it says so");
    assert!(line.contains("the last good one stays"), "{line}");
}

fn rehearsal() -> (Scratch, Edge) {
    let scratch = Scratch::new().expect("a folder");
    let edge = Edge::start(with_https(&scratch, TlsSource::SelfSigned));
    (scratch, edge)
}

fn with_https(scratch: &Scratch, tls: TlsSource) -> Config {
    Config { https: Some("127.0.0.1:0".parse().expect("a place")), tls, ..config(scratch) }
}

fn secure(edge: &Edge) -> SocketAddr {
    edge.https.expect("HTTPS is served")
}

fn issued(scratch: &Scratch, name: &str) -> (Authority, Certificate) {
    let folder = scratch.join(name);
    std::fs::create_dir(&folder).expect("a folder");
    let authority = Authority::new(&folder).expect("openssl");
    let certificate = authority.issue(&["*.preview.test", "preview.test"]).expect("openssl");
    (authority, certificate)
}

fn install(scratch: &Scratch, certificate: &Certificate) -> (PathBuf, PathBuf) {
    let (cert, key) = (scratch.join("cert.pem"), scratch.join("key.pem"));
    std::fs::copy(&certificate.chain, &cert).expect("copied");
    std::fs::copy(&certificate.key, &key).expect("copied");
    chmod(&key, 0o600);
    (cert, key)
}

fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("mine");
}

/// What `openssl s_client` says of a handshake.
pub(crate) fn s_client(at: SocketAddr, host: &str, flags: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &at.to_string()]).args(flags);
    if !host.is_empty() {
        command.args(["-servername", host]);
    }
    let output = command.stdin(Stdio::null()).output().expect("openssl");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}
