//! The configuration from the settings that flags, environment and file gave.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use preview_core::access::{AccessMode, AccessPolicy, Exempt};
use preview_core::ports::{Port, PortPolicy};
use preview_core::settings::{Origin, Settings, SettingsError};
use preview_core::template::UrlTemplate;

use super::acme;
use super::login;
use super::{Config, Handoff, Limits, Listen, Metrics, Mode, Notice, Solver, Times, TlsSource};

impl Config {
    /// The configuration that `settings` describe; a leading `~` is `home`.
    ///
    /// # Errors
    /// [`SettingsError`] names the key, where it was set, and what is allowed.
    pub fn from_settings(settings: &Settings, home: &Path) -> Result<Self, SettingsError> {
        let path = |key| settings.text(key).map(|text| at_home(text, home));
        let template = parsed::<UrlTemplate>(settings, "public_url_template")?;
        let (http, https) = (listen(settings, "edge.http")?, listen(settings, "edge.https")?);
        if http.is_none() && https.is_none() {
            return Err(settings.impossible("edge.http", "an address, as edge.https is null"));
        }
        let metrics = metrics(settings)?;
        let mut ports = ports(settings)?;
        ports.own.extend(
            [http, https, metrics.map(|it| it.listen)]
                .into_iter()
                .flatten()
                .filter_map(|it| Port::new(it.port).ok()),
        );
        let access = access(settings, &template)?;
        let tls = tls(settings, &template, home)?;
        ports.own.extend(dns(&tls).filter_map(|at| Port::new(at.port()).ok()));
        let state = path("state_dir").unwrap_or_else(|| home.to_owned());
        Ok(Self {
            http,
            https,
            redirect_http: settings.flag("edge.redirect_http"),
            threads: count(settings, "edge.threads"),
            mode: mode(settings, &access)?,
            daemon_dir: daemon_dir(settings, &state, home)?,
            daemon_host: settings.text("edge.daemon_host").map(str::to_ascii_lowercase),
            state_dir: path("edge.state_dir").unwrap_or_else(|| state.join("edge")),
            template,
            ports,
            access,
            handoff: match settings.text("access.handoff") {
                Some("strip") => Handoff::Strip,
                _ => Handoff::Pass,
            },
            login: login::from_settings(settings)?,
            notice: settings
                .flag("visibility.notice")
                .then(|| Notice { contact: settings.text("visibility.contact").map(str::to_owned) }),
            tls,
            metrics,
            trusted_proxies: all(settings, "edge.trusted_proxies", "networks such as 10.0.0.0/8")?,
            limits: limits(settings),
            times: times(settings),
            access_log: settings.flag("log.access"),
        })
    }
}

fn access(settings: &Settings, template: &UrlTemplate) -> Result<AccessPolicy, SettingsError> {
    const EXEMPT: &str = "access.exempt";
    let exempt = Exempt::new(settings.list(EXEMPT), template);
    Ok(AccessPolicy {
        mode: match settings.text("access.mode") {
            Some("open") => AccessMode::Open,
            Some("forward") => AccessMode::Forward,
            _ => AccessMode::Token,
        },
        app_origins: settings.list("access.app_origins").to_vec(),
        template: template.clone(),
        grant_life: settings.duration("access.grant_life"),
        exempt: exempt.map_err(|invalid| settings.impossible(EXEMPT, invalid))?,
    })
}

fn mode(settings: &Settings, access: &AccessPolicy) -> Result<Mode, SettingsError> {
    match (settings.text("edge.mode"), access.mode) {
        (Some("static"), AccessMode::Open | AccessMode::Forward) => Ok(Mode::Static),
        (Some("static"), AccessMode::Token) => Err(settings.impossible(
            "edge.mode",
            "daemon, unless access.mode is open or forward: without a daemon nobody knows tokens",
        )),
        _ => Ok(Mode::Daemon),
    }
}

fn tls(settings: &Settings, template: &UrlTemplate, home: &Path) -> Result<TlsSource, SettingsError> {
    let needed = |key| {
        settings.file(key, home)?.ok_or_else(|| {
            settings.impossible(key, "a file, as edge.tls.mode is files and edge.tls.folder null")
        })
    };
    match settings.text("edge.tls.mode") {
        Some("files") => match settings.text("edge.tls.folder") {
            Some(folder) => Ok(TlsSource::Folder(at_home(folder, home))),
            None => Ok(TlsSource::Files { cert: needed("edge.tls.cert")?, key: needed("edge.tls.key")? }),
        },
        Some("acme") => {
            acme::from_settings(settings, template, home).map(|acme| TlsSource::Acme(Box::new(acme)))
        }
        _ => Ok(TlsSource::SelfSigned),
    }
}

/// Where the built-in DNS server listens, if it serves.
fn dns(tls: &TlsSource) -> impl Iterator<Item = &SocketAddr> {
    let dns = match tls {
        TlsSource::Acme(acme) => match &acme.solver {
            Solver::Builtin(dns) => Some(dns),
            _ => None,
        },
        _ => None,
    };
    dns.into_iter().flat_map(|dns| &dns.listen)
}

/// The default address is nobody's wish: on a host with several edges one has it.
fn metrics(settings: &Settings) -> Result<Option<Metrics>, SettingsError> {
    const KEY: &str = "edge.metrics.listen";
    let required = settings.get(KEY).is_some_and(|it| it.origin != Origin::Default);
    Ok(listen(settings, KEY)?.map(|listen| Metrics { listen, required }))
}

fn ports(settings: &Settings) -> Result<PortPolicy, SettingsError> {
    let api = settings.text("api.listen").and_then(|text| text.rsplit_once(':')?.1.parse().ok());
    Ok(PortPolicy {
        allow: parsed(settings, "ports.allow")?,
        deny: all(settings, "ports.deny", "ports")?.into_iter().collect(),
        own: api.into_iter().collect(),
        tasks_outside: settings.flag("ports.tasks_outside"),
    })
}

/// The folder of the daemon's sockets: of the `edge.sock` that is named, or where a daemon of this user puts them.
fn daemon_dir(settings: &Settings, state: &Path, home: &Path) -> Result<PathBuf, SettingsError> {
    const DAEMON: &str = "edge.daemon";
    let own = state.join("run");
    let system = Path::new("/run/preview");
    Ok(match settings.text(DAEMON) {
        Some(url) if url.contains("://") => {
            let allowed = "unix, or the path of an edge.sock: a daemon on another host cannot be reached yet";
            return Err(settings.impossible(DAEMON, allowed));
        }
        Some(path) if path != "unix" => {
            at_home(path, home).parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
        }
        _ if !own.exists() && system.exists() => system.to_owned(),
        _ => own,
    })
}

fn limits(settings: &Settings) -> Limits {
    let number = |key| u32::try_from(settings.number(key)).unwrap_or(u32::MAX);
    Limits {
        connections: count(settings, "edge.limits.connections"),
        per_client: count(settings, "edge.limits.per_client"),
        per_attachment: count(settings, "edge.limits.per_attachment"),
        websockets: count(settings, "edge.limits.websockets"),
        requests_per_second: number("edge.limits.requests_per_second"),
        request_burst: number("edge.limits.request_burst"),
        misses_per_minute: number("edge.limits.misses_per_minute"),
    }
}

fn times(settings: &Settings) -> Times {
    Times {
        header: settings.duration("edge.limits.header_time"),
        handshake: settings.duration("edge.limits.handshake_time"),
        keep_alive: settings.duration("edge.limits.keep_alive"),
        connect: settings.duration("edge.limits.connect_time"),
        first_byte: settings.duration("edge.limits.first_byte_time"),
        tunnel_idle: settings.duration("edge.limits.tunnel_idle"),
        drain: settings.duration("edge.limits.drain"),
        ..Times::default()
    }
}

fn listen(settings: &Settings, key: &'static str) -> Result<Option<Listen>, SettingsError> {
    settings.text(key).map(|_| parsed(settings, key)).transpose()
}

pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(
    settings: &Settings,
    key: &'static str,
) -> Result<T, SettingsError> {
    let text = settings.text(key).unwrap_or_default();
    text.parse().map_err(|error| settings.impossible(key, format_args!("usable: {error}")))
}

pub(super) fn all<T: FromStr>(
    settings: &Settings,
    key: &'static str,
    what: &str,
) -> Result<Vec<T>, SettingsError> {
    let parsed: Result<_, T::Err> = settings.list(key).iter().map(|text| text.parse()).collect();
    parsed.map_err(|_| settings.impossible(key, format_args!("a list of {what}")))
}

fn count(settings: &Settings, key: &str) -> usize {
    usize::try_from(settings.number(key)).unwrap_or(usize::MAX)
}

pub(super) fn at_home(text: &str, home: &Path) -> PathBuf {
    text.strip_prefix("~/").map_or_else(|| PathBuf::from(text), |rest| home.join(rest))
}

#[cfg(test)]
mod tests {
    use preview_core::settings::Sources;

    use super::*;

    #[test]
    fn a_daemon_on_another_host_is_refused_by_its_key() {
        let text = config("edge: { daemon: \"https://daemon.example.com\" }").expect_err("later").to_string();
        assert!(text.contains("edge.daemon") && text.contains("edge.sock"), "{text}");
        let named = config("edge: { daemon: /run/else/edge.sock }").expect("a socket");
        assert_eq!(named.daemon_dir, Path::new("/run/else"));
    }

    #[test]
    fn the_defaults_are_the_contracts() {
        let config = config("").expect("valid");
        assert_eq!(config.http.map(|it| it.to_string()).as_deref(), Some("localhost:8080"));
        assert_eq!(config.https, None);
        assert_eq!(config.state_dir, Path::new("/home/u/.local/state/preview/edge"));
        assert_eq!((config.limits, config.times), (Limits::default(), Times::default()));
        assert!(config.ports.own.contains(&"8080".parse().expect("a port")));
    }

    #[test]
    fn no_preview_gets_the_port_of_the_built_in_dns_server() {
        let acme =
            "edge: { tls: { mode: acme }, acme: { dns: { listen: [\"192.0.2.1:5353\", 192.0.2.1] } } }";
        let config =
            config(&format!("public_url_template: \"https://{{id}}.preview.example.com\"\n  {acme}"));
        let own = config.expect("valid").ports.own;
        assert!(["53", "5353"].iter().all(|port| own.contains(&port.parse().expect("a port"))), "{own:?}");
    }

    #[test]
    fn static_mode_needs_open_access_or_a_login() {
        let text = config("edge: { mode: static }").expect_err("tokens").to_string();
        assert!(text.contains("edge.mode") && text.contains("access.mode"), "{text}");
        for access in ["mode: open", "mode: forward, forward_url: \"http://127.0.0.1:4180/\""] {
            let config = config(&format!("edge: {{ mode: static }}\n  access: {{ {access} }}"));
            assert_eq!(config.expect("valid").mode, Mode::Static);
        }
    }

    #[test]
    fn an_impossible_value_is_named_with_its_key() {
        for (yaml, key) in [
            ("edge: { http: nowhere }", "edge.http"),
            ("edge: { http: null }", "edge.http"),
            ("edge: { tls: { mode: files } }", "edge.tls.cert"),
            ("edge: { trusted_proxies: [me] }", "edge.trusted_proxies"),
            ("ports: { deny: [0] }", "ports.deny"),
            ("access: { exempt: [/manifest.json] }", "access.exempt"),
        ] {
            let text = config(yaml).expect_err(yaml).to_string();
            assert!(text.contains(&format!("`{key}`")), "{yaml}: {text}");
        }
    }

    fn config(yaml: &str) -> Result<Config, SettingsError> {
        let text = format!("web_preview:\n  {yaml}\n");
        let settings = Settings::load(Sources { file: Some(("f", &text)), ..Sources::default() })?;
        Config::from_settings(&settings, Path::new("/home/u"))
    }
}
