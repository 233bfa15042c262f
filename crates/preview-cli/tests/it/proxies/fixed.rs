//! Without a daemon: the port in the host name, but only an allowed one. The seed's recipe led to every port there is.

use anyhow::{Result, ensure};
use xtask::real::{EchoServer, free_port_outside};

use super::stage::{Kind, Stage, got, seen};

const STATIC: &str = "web_preview:
  public_url_template: \"https://preview-{port}.preview.test:HTTPS\"
  state_dir: STATE
  ports: { allow: \"4000-9899,HTTPS,HTTP\", deny: [OTHER] }
  access: { mode: open }
  edge: { http: \"localhost:HTTP\", mode: static, metrics: { listen: null } }
";

#[test]
fn nginx_without_a_daemon_leads_to_allowed_ports_alone() -> Result<()> {
    leads_to_allowed_ports_alone(Kind::Nginx)
}

#[test]
fn caddy_without_a_daemon_leads_to_allowed_ports_alone() -> Result<()> {
    leads_to_allowed_ports_alone(Kind::Caddy)
}

#[test]
fn haproxy_without_a_daemon_leads_to_allowed_ports_alone() -> Result<()> {
    leads_to_allowed_ports_alone(Kind::Haproxy)
}

fn leads_to_allowed_ports_alone(kind: Kind) -> Result<()> {
    let stage = Stage::new(kind, STATIC)?;
    let outside = EchoServer::start(free_port_outside()?)?;
    let allowed = stage.ask(&stage.url(&Stage::host(stage.app.port()), "/echo"), &[])?;
    ensure!(allowed.status == 200, "{allowed:?}");
    let echoed = allowed.json()?;
    let authority = format!("{}:{}", Stage::host(stage.app.port()), stage.preview.https);
    ensure!(got(&echoed, "host") == [authority.clone()], "{echoed}");
    ensure!(got(&echoed, "x-forwarded-host") == [authority] && got(&echoed, "x-forwarded-for").len() == 1);
    let clearing = "/headers?Clear-Site-Data=%22cookies%22&Alt-Svc=h3%3D%22%3A3000%22";
    let kept = stage.ask(&stage.url(&Stage::host(stage.app.port()), clearing), &[])?;
    ensure!(kept.status == 200 && kept.header("clear-site-data").is_none(), "{kept:?}");
    ensure!(kept.header("alt-svc").is_none(), "{kept:?}");

    let app = stage.app.port();
    for host in [
        Stage::host(stage.other.port()),  // denied
        Stage::host(outside.port()),      // listens outside
        Stage::host(stage.preview.http),  // the edge
        Stage::host(stage.preview.https), // the proxy itself
        Stage::host(stage.plain),         // and its other port
        Stage::host(22),
        Stage::host(0),
        format!("preview-0{app}.preview.test"),
        format!("preview-{app}0.preview.test"),
        format!("preview-{app}x.preview.test"),
        format!("xpreview-{app}.preview.test"),
        "preview-99999999.preview.test".into(),
        "preview-65536.preview.test".into(),
        "preview-.preview.test".into(),
    ] {
        let refused = stage.ask(&stage.url(&host, "/"), &["--insecure"])?;
        ensure!(matches!(refused.status, 400 | 502), "{host}: {refused:?}");
    }
    for server in [&stage.other, &outside] {
        ensure!(seen(server)?.is_empty(), "port {} was dialled", server.port());
    }
    Ok(())
}
