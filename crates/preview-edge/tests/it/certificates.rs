//! TLS: what is spoken, which certificate is shown, and what happens when it changes.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use preview_edge::config::{Config, TlsSource};
use xtask::real::{Authority, Certificate, Scratch};

use crate::client::{SOON, Secure};
use crate::edge::{Edge, config};

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
    let (authority, old) = issued(&scratch, "old");
    let (other, new) = issued(&scratch, "new");
    let files = install(&scratch, &old);
    let edge = Edge::start(with_https(&scratch, files));
    let roots =
        [std::fs::read(&authority.root).expect("a root"), std::fs::read(&other.root).expect("a root")]
            .concat();
    let https = secure(&edge);
    let mut kept = Secure::connect(https, HOST, &roots).await.expect("connected");
    assert_eq!(kept.get(HOST).await.expect("an answer"), 502);

    // Load: connections all the time, none of which may fail.
    let (stop, made) =
        (std::sync::Arc::new(AtomicBool::new(false)), std::sync::Arc::new(AtomicUsize::new(0)));
    let load = tokio::spawn({
        let (stop, made, roots) = (stop.clone(), made.clone(), roots.clone());
        async move {
            while !stop.load(Ordering::Relaxed) {
                let mut client = Secure::connect(https, HOST, &roots).await.expect("connected under load");
                assert_eq!(client.get(HOST).await.expect("an answer under load"), 502);
                made.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let first = kept.shown.clone();

    // Garbage is not taken, and half a renewal neither.
    std::fs::write(scratch.join("cert.pem"), "no PEM at all").expect("written");
    wait_for_looks(&made).await;
    assert_eq!(Secure::connect(https, HOST, &roots).await.expect("connected").shown, first);
    std::fs::copy(&new.chain, scratch.join("cert.pem")).expect("copied");
    wait_for_looks(&made).await;
    assert_eq!(Secure::connect(https, HOST, &roots).await.expect("connected").shown, first);

    std::fs::copy(&new.key, scratch.join("key.pem")).expect("copied");
    let changed =
        async { while Secure::connect(https, HOST, &roots).await.expect("connected").shown == first {} };
    tokio::time::timeout(SOON, changed).await.expect("the new certificate is shown");
    assert_eq!(kept.get(HOST).await.expect("the old connection still serves"), 502);
    stop.store(true, Ordering::Relaxed);
    load.await.expect("no connection was lost");
}

#[test]
fn a_certificate_that_cannot_be_shown_refuses_the_start_with_file_and_reason() {
    let scratch = Scratch::new().expect("a folder");
    let (_, certificate) = issued(&scratch, "one");
    let files = install(&scratch, &certificate);
    chmod(&scratch.join("key.pem"), 0o644);
    let refused = Edge::try_start(with_https(&scratch, files.clone())).err().expect("too open").to_string();
    assert!(refused.contains("key.pem") && refused.contains("0644"), "{refused}");
    std::fs::remove_file(scratch.join("cert.pem")).expect("removed");
    chmod(&scratch.join("key.pem"), 0o600);
    let refused = Edge::try_start(with_https(&scratch, files)).err().expect("missing").to_string();
    assert!(refused.contains("cert.pem: cannot be read"), "{refused}");
}

/// Waits until the edge has had time to look at the files twice, told by the load that it bore meanwhile.
async fn wait_for_looks(made: &AtomicUsize) {
    let begun = std::time::Instant::now();
    let before = made.load(Ordering::Relaxed);
    while begun.elapsed() < std::time::Duration::from_millis(2_500) || made.load(Ordering::Relaxed) == before
    {
        tokio::time::sleep(xtask::real::wait::PAUSE).await;
    }
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

fn install(scratch: &Scratch, certificate: &Certificate) -> TlsSource {
    let (cert, key) = (scratch.join("cert.pem"), scratch.join("key.pem"));
    std::fs::copy(&certificate.chain, &cert).expect("copied");
    std::fs::copy(&certificate.key, &key).expect("copied");
    chmod(&key, 0o600);
    TlsSource::Files { cert, key }
}

fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("mine");
}

/// What `openssl s_client` says of a handshake.
fn s_client(at: SocketAddr, host: &str, flags: &[&str]) -> String {
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
