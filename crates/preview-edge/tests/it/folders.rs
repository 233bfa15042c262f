//! Certificates that somebody else renews into a folder, and what is answered before the first one is there.

use std::path::Path;
use std::process::{Command, Stdio};

use preview_edge::config::{Config, TlsSource};
use xtask::real::{Authority, Browser, Certificate, Scratch, poll_for};

use crate::client::SOON;
use crate::edge::Edge;
use crate::ops::{ask, observed};
use crate::stage::set_template;
use crate::viewer::get;

const HOST: &str = "app.preview.test";
const DAEMON: &str = "daemon.test";

#[test]
fn before_the_first_pair_https_refuses_and_http_says_why_and_afterwards_all_is_well() {
    let (scratch, authority, edge) = waiting();
    let ready = ask(&edge, "/ready");
    let reasons = ready.json().expect("an object")["reasons"].clone();
    assert_eq!((ready.status, reasons[0]["code"].as_str()), (503, Some("cert_pending")));
    assert_eq!(reasons[1]["code"], "cert_pair_invalid");
    assert!(shown(&edge, HOST).is_none(), "there is nothing to show");

    let asset = get(edge.http, HOST, "/style.css", "");
    assert_eq!((asset.status(), asset.header("retry-after")), (503, "5".to_owned()));
    assert_eq!(asset.body(), "cert_pending");
    let page = get(edge.http, HOST, "/", "sec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n");
    assert!(page.body().contains("preview certs list"), "{}", page.body());
    assert_eq!(get(edge.http, "strange.example", "/", "").status(), 502, "it would not be sent to HTTPS");

    install(&authority.issue(&["*.preview.test"]).expect("openssl"), &scratch.join("pairs"), "wild");
    poll_for("readiness", SOON, || (ask(&edge, "/ready").status == 200).then_some(())).expect("ready");
    assert!(shown(&edge, HOST).expect("a certificate").contains("Preview test"));
    let moved = get(edge.http, HOST, "/a?b", "");
    assert!(moved.header("location").starts_with("https://app.preview.test"), "{}", moved.header("location"));
    assert_eq!(moved.status(), 301);
}

#[test]
fn the_page_that_says_the_certificate_is_on_its_way_goes_on_by_itself_once_it_is_there() {
    let (scratch, authority, edge) = waiting();
    let https = edge.https.expect("served").to_string();
    let browser = Browser::new()
        .trust(&authority.root)
        .resolve("*.preview.test:80", &edge.http.to_string())
        .resolve("*.preview.test:443", &https);
    let mut tab = browser.tab().expect("a tab");
    assert_eq!(tab.go(&format!("http://{HOST}/start?x=1")).expect("an answer"), Some(503));
    tab.wait_for_text("The certificate is on its way").expect("it says so");
    tab.wait_for_text("preview certs list").expect("and what to do");
    install(&authority.issue(&["*.preview.test"]).expect("openssl"), &scratch.join("pairs"), "wild");
    tab.wait_for_text("There is no preview here").expect("the page behind it");
    assert_eq!(tab.url().expect("its address"), format!("https://{HOST}/start?x=1"));
}

#[test]
fn each_host_is_shown_the_pair_that_has_its_name() {
    let (scratch, authority, edge) = waiting();
    let pairs = scratch.join("pairs");
    install(&authority.issue(&["*.preview.test"]).expect("openssl"), &pairs, "wild");
    install(&authority.issue(&[DAEMON]).expect("openssl"), &pairs, "daemon");
    let names = |host: &str| shown(&edge, host).map(|text| text.contains(&format!("DNS:{DAEMON}")));
    poll_for("both", SOON, || (names(HOST) == Some(false) && names(DAEMON) == Some(true)).then_some(()))
        .expect("each its own");
    assert_eq!(names("strange.example"), None);
    let health = ask(&edge, "/health").json().expect("an object");
    let told = &health["certificate"];
    assert_eq!(told["names"], serde_json::json!(["*.preview.test", DAEMON]));
    assert_eq!((&told["cause"], told["state"].as_str()), (&serde_json::Value::Null, Some("valid")));
}

/// An edge whose folder of pairs is empty yet.
fn waiting() -> (Scratch, Authority, Edge) {
    let scratch = Scratch::new().expect("a folder");
    let pairs = scratch.join("pairs");
    std::fs::create_dir(&pairs).expect("a folder");
    let authority = Authority::new(scratch.path()).expect("openssl");
    let mut config = Config {
        tls: TlsSource::Folder(pairs),
        redirect_http: true,
        daemon_host: Some(DAEMON.to_owned()),
        ..observed(&scratch)
    };
    set_template(&mut config, "https://{name}.preview.test");
    let edge = Edge::start(config);
    (scratch, authority, edge)
}

/// As a renewal does: the key first, closed to others.
fn install(certificate: &Certificate, folder: &Path, name: &str) {
    use std::os::unix::fs::PermissionsExt;
    let key = folder.join(format!("{name}.key"));
    std::fs::copy(&certificate.key, &key).expect("copied");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("mine");
    std::fs::copy(&certificate.chain, folder.join(format!("{name}.crt"))).expect("copied");
}

/// The certificate that a client is shown who asks for `host`, as openssl prints it.
fn shown(edge: &Edge, host: &str) -> Option<String> {
    let at = edge.https.expect("served").to_string();
    let run = |command: &mut Command, input: Stdio| {
        let output = command.stdin(input).stderr(Stdio::null()).output().expect("openssl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let session =
        run(Command::new("openssl").args(["s_client", "-connect", &at, "-servername", host]), Stdio::null());
    let start = session.find("-----BEGIN CERTIFICATE-----")?;
    let folder = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(folder.path(), &session[start..]).expect("written");
    let input = std::fs::File::open(folder.path()).expect("there");
    Some(run(Command::new("openssl").args(["x509", "-noout", "-text"]), Stdio::from(input)))
}
