//! Traefik, which passes previews on to the edge and asks the daemon with `ForwardAuth`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::{Result, ensure};
use xtask::real::curl::{Answer, curl};
use xtask::real::preview::Preview;
use xtask::real::{Authority, EchoServer, Scratch, Traefik, bin, free_port, free_port_outside};

use super::stage::{cookie, got, seen};

#[test]
fn traefik_serves_what_the_edge_serves_and_asks_first() -> Result<()> {
    let scratch = Scratch::new()?;
    let (api, plain) = (free_port_outside()?, free_port_outside()?);
    let keys = scratch.write("keys", "admin key-of-the-operator-0\n")?;
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600))?;
    let preview = Preview::up(&format!(
        "web_preview:
  public_url_template: \"https://{{id}}.preview.test:HTTPS\"
  state_dir: STATE
  api: {{ listen: \"127.0.0.1:{api}\", keys_file: \"{}\", verify_peers: [unix, 127.0.0.1] }}
  edge: {{ http: \"localhost:HTTP\", trusted_proxies: [127.0.0.1/32], daemon_host: daemon.test, metrics: {{ listen: null }} }}
",
        keys.display()
    ))?;
    let authority = Authority::new(scratch.path())?;
    let certificate = authority.issue(&["*.preview.test", "daemon.test"])?;
    let folder = scratch.join("rendered");
    let mut render = Command::new(bin("preview")?);
    render.arg("--config").arg(preview.config()).args(["render", "traefik", "--listen", "127.0.0.1"]);
    render.args(["--http-port", &plain.to_string(), "--cert"]).arg(&certificate.chain);
    let rendered = render.arg("--key").arg(&certificate.key).arg("--output").arg(&folder).output()?;
    ensure!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    let mut traefik = Traefik::start(&folder.join("traefik.yml"), preview.https)?;

    let app = EchoServer::start(free_port()?)?;
    let view = preview.attach(app.port(), "shop")?;
    let url = view["url"].as_str().unwrap_or_default();
    let host = url.trim_start_matches("https://").split(':').next().unwrap_or_default().to_owned();
    let at = |path: &str| format!("https://{host}:{}{path}", preview.https);
    let root = authority.root.display().to_string();
    let ask = |url: &str, args: &[&str]| -> Result<Answer> {
        curl(&[&["--cacert", &root, "--connect-to", "::127.0.0.1:", url], args].concat())
    };
    let query = format!("session_id=s&token={}", view["token"].as_str().unwrap_or_default());
    let first = traefik.wait_for("a route", || {
        Ok(Some(ask(&at(&format!("/echo?{query}")), &["--header", "X-Forwarded-For: 6.6.6.6"])?)
            .filter(|it| it.status != 404))
    })?;
    ensure!(first.status == 200 && first.headers.starts_with("HTTP/2"), "{first:?}\n{}", traefik.output());
    ensure!(got(&first.json()?, "x-forwarded-for") == ["127.0.0.1"], "{first:?}");
    ensure!(got(&first.json()?, "x-forwarded-proto") == ["https"], "{first:?}");
    let grant = cookie(&first, "__Host-preview")?;
    ensure!(ask(&at("/echo"), &["--cookie", &grant])?.status == 200);

    let before = seen(&app)?.len();
    let refused = ask(&at("/echo"), &[])?;
    ensure!(refused.status == 401, "{refused:?}");
    ensure!(refused.json()?["code"] == "unauthorized", "the daemon itself was asked: {refused:?}");
    let spoofed = format!("X-Forwarded-Uri: /?{query}");
    ensure!(ask(&at("/echo"), &["--header", &spoofed])?.status == 401);
    let elsewhere = format!("https://aaaaaaaaaaaaaaaaaaaaaaaaaa.preview.test:{}/?{query}", preview.https);
    ensure!(ask(&elsewhere, &["--header", &format!("X-Forwarded-Host: {host}")])?.status == 401);
    ensure!(seen(&app)?.len() == before, "somebody was let through");

    let preflight = [
        "--request",
        "OPTIONS",
        "--header",
        "Access-Control-Request-Method: PUT",
        "--header",
        &format!("Origin: https://bbbbbbbbbbbbbbbbbbbbbbbbbb.preview.test:{}", preview.https),
    ];
    ensure!(ask(&at("/echo"), &preflight)?.status == 204, "the edge answers preflights");
    let health = ask(&format!("https://daemon.test:{}/health", preview.https), &[])?;
    ensure!(health.status == 200, "{health:?}");
    let moved = ask(&format!("http://{host}:{plain}/a?b"), &[])?;
    ensure!((moved.status, moved.header("location")) == (301, Some(at("/a?b").as_str())), "{moved:?}");
    // Traefik names each field that it does not know.
    ensure!(!traefik.output().contains("ERR"), "{}", traefik.output());
    Ok(())
}
