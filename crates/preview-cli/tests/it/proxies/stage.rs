//! A proxy of Debian's before a daemon of ours and echo servers.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::real::curl::{Answer, curl};
use xtask::real::preview::Preview;
use xtask::real::{
    Authority, Caddy, Certificate, EchoServer, Nginx, Process, Scratch, bin, echo, free_port,
    free_port_outside, haproxy,
};

use crate::home::SOON;

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nginx,
    Caddy,
    Haproxy,
}

/// A proxy that runs with what was rendered for it.
pub(super) enum Proxy {
    Nginx(Nginx, PathBuf),
    Caddy(Caddy),
    Haproxy(Process),
}

/// Everything that a story needs.
pub(super) struct Stage {
    pub(super) kind: Kind,
    pub(super) preview: Preview,
    pub(super) proxy: Proxy,
    /// The attached dev server.
    pub(super) app: EchoServer,
    /// A listener that nobody has attached.
    pub(super) other: EchoServer,
    /// The proxy's port for plain HTTP where it speaks TLS.
    pub(super) plain: u16,
    authority: Authority,
    pub(super) scratch: Scratch,
}

impl Stage {
    /// Starts all of it; `HTTP`, `HTTPS` and `STATE` in the configuration stand for the edge's port, the proxy's and
    /// the state folder, `APP` and `OTHER` for the ports of the two dev servers.
    pub(super) fn new(kind: Kind, config: &str) -> Result<Self> {
        let scratch = Scratch::new()?;
        let app = EchoServer::start(free_port()?)?;
        let other = EchoServer::start(free_port()?)?;
        let config =
            config.replace("APP", &app.port().to_string()).replace("OTHER", &other.port().to_string());
        let preview = Preview::up(&config)?;
        let authority = Authority::new(scratch.path())?;
        let certificate = authority.issue(&["*.preview.test", "daemon.test"])?;
        let plain = free_port_outside()?;
        let folder = scratch.join("rendered");
        render(kind, &preview.config(), &certificate, plain, &folder)?;
        let proxy = Proxy::start(kind, &folder, preview.https)?;
        Ok(Self { kind, preview, proxy, app, other, plain, authority, scratch })
    }

    /// `preview-PORT.preview.test` of a port.
    pub(super) fn host(port: u16) -> String {
        format!("preview-{port}.preview.test")
    }

    /// A URL of a host at the proxy.
    pub(super) fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.preview.https)
    }

    /// Asks the proxy by HTTP/2, or as the arguments say.
    pub(super) fn ask(&self, url: &str, args: &[&str]) -> Result<Answer> {
        let root = self.authority.root.display().to_string();
        let everywhere = "::127.0.0.1:";
        curl(&[&["--cacert", &root, "--connect-to", everywhere, url], args].concat())
    }

    /// A curl that reads on and on, with further arguments.
    pub(super) fn follow(&self, url: &str, cookie: &str, args: &[&str]) -> Result<Process> {
        let root = self.authority.root.display().to_string();
        let words =
            ["curl", "-sSN", "--cacert", &root, "--connect-to", "::127.0.0.1:", "--cookie", cookie, url];
        Process::spawn_line(&[&words, args].concat(), self.scratch.path())
    }

    /// What a WebSocket client has to tell, in the end.
    pub(super) fn socket(&self, host: &str, args: &[&str]) -> Result<String> {
        let mut words = echo::ws_client(&self.scratch)?;
        words.push(format!("wss://{host}:{}/ws", self.preview.https));
        words.extend(args.iter().map(|arg| (*arg).to_owned()));
        words.extend(["--map".to_owned(), "127.0.0.1".to_owned()]);
        let mut client = Process::spawn_line(&words, self.scratch.path())?;
        let told = client.wait_for("a result", SOON, |output| {
            ["echoed", "refused", "failed", "closed"]
                .iter()
                .find_map(|word| output.lines().find(|line| line.starts_with(word)))
                .map(str::to_owned)
        })?;
        Ok(told)
    }

    /// What the proxy has written: its logs, and what it said.
    pub(super) fn written(&self) -> Result<String> {
        self.proxy.written()
    }
}

impl Proxy {
    fn start(kind: Kind, folder: &Path, port: u16) -> Result<Self> {
        Ok(match kind {
            Kind::Nginx => {
                Self::Nginx(Nginx::start(&folder.join("preview.conf"), port)?, folder.join("access.log"))
            }
            Kind::Caddy => Self::Caddy(Caddy::start(&folder.join("Caddyfile"), port)?),
            Kind::Haproxy => Self::Haproxy(haproxy::start(&folder.join("haproxy.cfg"), port)?),
        })
    }

    fn written(&self) -> Result<String> {
        Ok(match self {
            Self::Nginx(nginx, log) => format!("{}{}", fs::read_to_string(log)?, nginx.output()),
            Self::Caddy(caddy) => caddy.output(),
            Self::Haproxy(haproxy) => haproxy.output(),
        })
    }
}

/// Renders a configuration into a folder, as an operator would.
pub(super) fn render(
    kind: Kind,
    config: &Path,
    certificate: &Certificate,
    plain: u16,
    folder: &Path,
) -> Result<()> {
    let name = format!("{kind:?}").to_lowercase();
    let log = folder.join("access.log");
    let mut command = std::process::Command::new(bin("preview")?);
    command.arg("--config").arg(config).args(["render", &name, "--listen", "127.0.0.1", "--http-port"]);
    command.arg(plain.to_string()).arg("--log").arg(&log).arg("--output").arg(folder);
    if kind == Kind::Haproxy {
        let bundle = folder.with_extension("pem");
        fs::write(&bundle, [fs::read(&certificate.key)?, fs::read(&certificate.chain)?].concat())?;
        command.arg("--cert").arg(bundle);
    } else {
        command.arg("--cert").arg(&certificate.chain).arg("--key").arg(&certificate.key);
    }
    fs::create_dir_all(folder)?;
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// What an echo server was asked for, `/tick` and `/seen` aside.
pub(super) fn seen(server: &EchoServer) -> Result<Vec<Value>> {
    let seen = curl(&[format!("http://127.0.0.1:{}/seen", server.port())])?.json()?;
    seen["requests"].as_array().cloned().context("a list")
}

/// The first pair of a cookie that an answer sets by this name.
pub(super) fn cookie(answer: &Answer, name: &str) -> Result<String> {
    let set = |line: &str| {
        let (header, value) = line.split_once(": ")?;
        let pair = value.split(';').next()?;
        (header.eq_ignore_ascii_case("set-cookie") && pair.starts_with(&format!("{name}=")))
            .then(|| pair.to_owned())
    };
    answer.headers.lines().find_map(set).with_context(|| format!("no cookie {name} in {answer:?}"))
}

/// The values of a header that an answer has, each as it stands there.
pub(super) fn all<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let lines = answer.headers.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

/// What the dev server got of a header, as `/echo` tells it.
pub(super) fn got(echoed: &Value, name: &str) -> Vec<String> {
    let pairs = echoed["headers"].as_array().into_iter().flatten();
    let named = pairs.filter(|pair| pair[0].as_str().is_some_and(|it| it.eq_ignore_ascii_case(name)));
    named.filter_map(|pair| pair[1].as_str().map(str::to_owned)).collect()
}
