//! What there is to render: the configuration, and what only the command line says.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use http::HeaderName;
use ipnet::IpNet;
use preview_core::access::AccessMode;
use preview_core::ports::{Port, PortPolicy};
use preview_core::refusal::Code;
use preview_core::template::{Scheme, UrlTemplate};
use preview_edge::config::{Listen, ListenHost, Mode, TlsSource};

use crate::args::{Proxy, Render};
use crate::context::Context;
use crate::embedded::{daemon_config, edge_config};
use crate::failure::Failure;

/// What to render.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(super) template: UrlTemplate,
    pub(super) judge: Judge,
    /// The host name of the daemon's API, and the socket that it is forwarded to.
    pub(super) daemon_host: Option<(String, PathBuf)>,
    /// Where browsers come to.
    pub(super) place: Place,
    /// What TLS shows; `Err` says why there is nothing, for those formats that need it.
    pub(super) certificate: Result<Certificate, NoCertificate>,
    /// Networks of proxies in front of this one, whose `X-Forwarded-For` is believed.
    pub(super) trusted: Vec<IpNet>,
    /// Who may frame previews.
    pub(super) app_origins: Vec<String>,
    /// Headers by which a login says who somebody is: dev servers may trust them, so visitors may not send them.
    pub(super) identity: Vec<HeaderName>,
    /// Whether a login of the operator's says who is let in, which the edge alone asks.
    pub(super) asks_login: bool,
    /// Where the edge serves plain HTTP on this host.
    pub(super) edge: Option<SocketAddr>,
    /// Where the daemon's API is to be had over TCP by a peer that `/auth/verify` listens to.
    pub(super) verify_tcp: Option<SocketAddr>,
    /// The access log of nginx.
    pub(super) log: PathBuf,
    /// What units need to know.
    pub(super) service: Service,
}

/// Who says whether a visit is let in, and where to.
#[derive(Clone, Debug)]
pub(super) enum Judge {
    /// The daemon, asked through this socket.
    Daemon { verify: PathBuf },
    /// Nobody: the port in the host name, within these.
    Static { ports: PortPolicy },
}

/// Where browsers come to.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// On these addresses; none: on all.
    pub(super) addresses: Vec<IpAddr>,
    /// The port of the template.
    pub(super) port: Port,
    /// The port of plain HTTP, where the template is `https`.
    pub(super) redirect: Option<Port>,
}

/// What TLS shows: two PEM files, or the same one twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

/// Why it is not known what TLS shows.
#[derive(Clone, Debug)]
pub(super) struct NoCertificate {
    detail: String,
}

/// What units need to know.
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// The configuration file.
    pub(super) config: PathBuf,
    pub(super) state: PathBuf,
    pub(super) edge_state: PathBuf,
    /// The file of bearer keys.
    pub(super) keys_file: Option<PathBuf>,
    /// `edge.tls.cert` and `edge.tls.key`.
    pub(super) tls: Option<Certificate>,
    /// The group of `edge.sock`.
    pub(super) edge_group: Option<String>,
    /// The group of `verify.sock`.
    pub(super) verify_group: Option<String>,
    /// Whether tasks run as another user.
    pub(super) tasks_user: Option<String>,
    /// Whether the edge or its DNS server needs a port below 1024.
    pub(super) low_ports: bool,
}

impl Plan {
    /// Reads the configuration and the command line.
    pub(crate) fn new(context: &Context, args: &Render) -> Result<Self, Failure> {
        let settings = &context.settings;
        let template = context.template()?;
        let (daemon, edge) = (daemon_config(settings)?, edge_config(settings)?);
        let Some(port) = template.public_port() else {
            return Err(template_unfit(
                &template,
                "its URLs lead to the dev servers' own ports, past any proxy",
            ));
        };
        if template.base().is_empty() {
            return Err(template_unfit(&template, "its host names have one part only"));
        }
        // The daemon cannot ask the login in a proxy's place, and a proxy that dials ports asks nobody.
        let asks_login = edge.access.mode == AccessMode::Forward;
        if asks_login && matches!(args.proxy, Proxy::Nginx | Proxy::Caddy | Proxy::Haproxy) {
            return Err(Failure::found(
                Code::ConfigInvalid,
                format!(
                    "under access.mode forward the edge asks the login: {} cannot take its place",
                    args.proxy.name()
                ),
                "pass previews on to the edge: preview render traefik shows how; or set access.mode: token",
            ));
        }
        if let Some(host) = edge.daemon_host.as_ref().filter(|host| !is_host_name(host)) {
            return Err(Failure::found(
                Code::ConfigInvalid,
                format!("edge.daemon_host {host:?} is no host name"),
                "write it as daemon.example.com, without scheme and port",
            ));
        }
        let sockets = &daemon.run_dir;
        let is_https = template.scheme() == Scheme::Https;
        let redirect = is_https.then(|| Port::new(args.http_port)).transpose();
        let redirect =
            redirect.map_err(|error| Failure::usage(error.to_string(), "give another --http-port"))?;
        let place = Place { addresses: args.listen.clone(), port, redirect };
        let judge = match edge.mode {
            Mode::Daemon => Judge::Daemon { verify: sockets.join("verify.sock") },
            Mode::Static => {
                // The ports of the edge and the daemon are known as such; these are this proxy's.
                let mut ports = edge.ports.clone();
                ports.own.extend([Some(place.port), place.redirect].into_iter().flatten());
                Judge::Static { ports }
            }
        };
        let listens_on_loopback = |at: &SocketAddr| at.ip().is_loopback();
        let is_verify_peer = daemon.api.verify_peers.iter().any(|peer| peer.starts_with("127."));
        let low = |listen: Option<Listen>| listen.is_some_and(|it| it.port < 1024);
        Ok(Self {
            judge,
            daemon_host: edge.daemon_host.clone().map(|host| (host, sockets.join("public.sock"))),
            place,
            certificate: certificate(args, &edge.tls, &edge.state_dir),
            trusted: edge.trusted_proxies.clone(),
            app_origins: edge.access.app_origins.clone(),
            identity: edge.login.headers.clone(),
            asks_login,
            edge: edge.http.and_then(on_loopback),
            verify_tcp: daemon
                .api
                .listen
                .filter(listens_on_loopback)
                .filter(|_| is_verify_peer && !asks_login),
            log: args.log.clone(),
            service: Service {
                config: absolute(context.file.as_deref().unwrap_or(Path::new("/etc/preview/config.yaml"))),
                state: daemon.state_dir.clone(),
                edge_state: edge.state_dir.clone(),
                keys_file: daemon.api.keys_file.clone(),
                tls: match &edge.tls {
                    TlsSource::Files { cert, key } => {
                        Some(Certificate { cert: cert.clone(), key: key.clone() })
                    }
                    TlsSource::SelfSigned | TlsSource::Folder(_) | TlsSource::Acme(_) => None,
                },
                edge_group: daemon.api.edge_group.clone(),
                verify_group: daemon.api.verify_group.clone(),
                tasks_user: daemon.tasks.user.clone(),
                low_ports: low(edge.http)
                    || low(edge.https)
                    || edge.ports.own.iter().any(|port| port.get() == 53),
            },
            template,
        })
    }

    /// What TLS shows.
    ///
    /// # Errors
    /// Nobody said.
    pub(super) fn certificate(&self) -> Result<&Certificate, Failure> {
        self.certificate.as_ref().map_err(|missing| {
            Failure::usage(missing.detail.clone(), "give --cert FILE and --key FILE (PEM)")
        })
    }

    /// The domain that previews are below, as a regular expression that starts with its dot.
    pub(super) fn pattern(&self) -> String {
        format!(".{}", self.template.base()).replace('.', "\\.")
    }

    /// `:8443` where browsers must name the port.
    pub(super) fn port_suffix(&self) -> String {
        let default = self.template.scheme().default_port();
        if self.place.port.get() == default { String::new() } else { format!(":{}", self.place.port) }
    }

    /// Whether somebody at this address may say who the visitor is.
    pub(super) fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&ip))
    }

    /// Those networks, one word each.
    pub(super) fn trusted_words(&self) -> String {
        self.trusted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Whether TLS is spoken.
    pub(super) fn is_https(&self) -> bool {
        self.template.scheme() == Scheme::Https
    }

    /// What stands before and after the port in the first part of a host name: `static` mode alone.
    pub(super) fn around_port(&self) -> Result<(String, String), Failure> {
        let first = self.template.as_str().split("://").nth(1).unwrap_or_default();
        let first = first.split('.').next().unwrap_or_default().replace("{host}", "localhost");
        match first.split_once("{port}") {
            Some((before, after)) if !before.contains('{') && !after.contains('{') => {
                Ok((before.to_owned(), after.to_owned()))
            }
            _ => Err(template_unfit(
                &self.template,
                "without a daemon only {port} can be read from a host name",
            )),
        }
    }
}

/// Ranges of allowed ports, and those within that are refused.
pub(super) fn ranges(ports: &PortPolicy) -> (Vec<(u16, u16)>, BTreeSet<Port>) {
    let ranges = ports.allow.ranges().map(|(first, last)| (first.get(), last.get())).collect();
    let refused = ports.deny.union(&ports.own).copied().filter(|port| ports.allow.contains(*port)).collect();
    (ranges, refused)
}

fn certificate(args: &Render, source: &TlsSource, edge_state: &Path) -> Result<Certificate, NoCertificate> {
    let no = |detail: String| Err(NoCertificate { detail });
    match (&args.cert, &args.key, source) {
        // One file may hold both.
        (Some(cert), key, _) => {
            let (cert, key) = (absolute(cert), key.as_ref().map(|key| absolute(key)));
            Ok(Certificate { key: key.unwrap_or_else(|| cert.clone()), cert })
        }
        (None, Some(_), _) => no("there is a --key but no --cert".to_owned()),
        (None, None, TlsSource::Files { cert, key }) => {
            Ok(Certificate { cert: absolute(cert), key: absolute(key) })
        }
        (None, None, TlsSource::Acme(_)) => {
            let folder = edge_state.join("certs");
            let sets = fs::read_dir(&folder).into_iter().flatten().flatten();
            let mut bundles = sets.map(|set| set.path().join("bundle.pem")).filter(|it| it.is_file());
            match (bundles.next(), bundles.next()) {
                (Some(bundle), None) => Ok(Certificate { cert: bundle.clone(), key: bundle }),
                (None, _) => no(format!(
                    "there is no SET/bundle.pem in {}, where the edge puts its certificate",
                    folder.display()
                )),
                (Some(_), Some(_)) => no(format!("there are several SET/bundle.pem in {}", folder.display())),
            }
        }
        (None, None, TlsSource::SelfSigned | TlsSource::Folder(_)) => {
            no("the template is https, and edge.tls.mode names no one certificate".to_owned())
        }
    }
}

fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The loopback address at which a proxy of this host reaches it.
fn on_loopback(listen: Listen) -> Option<SocketAddr> {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    match listen.host {
        ListenHost::Localhost | ListenHost::All => Some(SocketAddr::new(loopback, listen.port)),
        ListenHost::Address(ip) if ip.is_loopback() => Some(SocketAddr::new(ip, listen.port)),
        ListenHost::Address(_) => None,
    }
}

fn template_unfit(template: &UrlTemplate, why: &str) -> Failure {
    Failure::found(
        Code::TemplateInvalid,
        format!("no proxy can serve {template}: {why}"),
        "set public_url_template to something like https://{id}.preview.example.com",
    )
}
