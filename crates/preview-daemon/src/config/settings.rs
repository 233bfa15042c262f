//! The configuration from the settings that flags, environment and file gave.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use preview_core::access::{AccessMode, AccessPolicy, Exempt};
use preview_core::attachment::Visibility;
use preview_core::id::NodeId;
use preview_core::idle::IdlePolicy;
use preview_core::limits::Limits;
use preview_core::ports::{Port, PortPolicy};
use preview_core::registry::Rules;
use preview_core::settings::{Settings, SettingsError};
use preview_core::template::UrlTemplate;
use preview_core::verdict::{HostHeader, HostPolicy};

use super::{ApiConfig, AttachConfig, AuditConfig, Config, TasksConfig};

/// Where DNS is served unless a port is named (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;
/// How long both probes may take (`docs/contract.md` §3).
const PROBE: Duration = Duration::from_secs(5);

/// The state folder of the packaged service, whose sockets lie in [`SERVICE_RUN`].
const SERVICE_STATE: &str = "/var/lib/preview";
const SERVICE_RUN: &str = "/run/preview";

impl Config {
    /// The configuration that `settings` describe, on a host of this name; a leading `~` is `home`.
    ///
    /// # Errors
    /// [`SettingsError`] names the key, where it was set, and what is allowed.
    pub fn from_settings(settings: &Settings, home: &Path, host: &str) -> Result<Self, SettingsError> {
        let template: UrlTemplate = parsed(settings, "public_url_template")?;
        let exempt = Exempt::new(settings.list("access.exempt"), &template);
        let exempt = exempt.map_err(|invalid| settings.impossible("access.exempt", invalid))?;
        let state_dir = path(settings, "state_dir", home).unwrap_or_else(|| home.to_owned());
        Ok(Self {
            rules: Rules {
                enabled: settings.flag("enabled"),
                template: template.clone(),
                node: node(settings, host)?,
                ports: ports(settings)?,
                limits: Limits {
                    per_session: number(settings, "limits.per_session"),
                    per_user: number(settings, "limits.per_user"),
                },
                most_visible: visibility(settings, "visibility.max"),
            },
            default_visibility: default_visibility(settings)?,
            run_dir: run_dir(&state_dir),
            state_dir,
            attach: attach(settings)?,
            idle: idle(settings)?,
            reap_kills_task: settings.flag("idle.kill_task"),
            tasks: TasksConfig {
                user: settings.text("tasks.user").map(str::to_owned),
                env_pass: settings.list("tasks.env_pass").to_vec(),
                remote: settings.flag("tasks.remote"),
            },
            audit: AuditConfig {
                keep: settings.number("audit.keep"),
                keep_for: settings.duration("audit.keep_for"),
            },
            access: AccessPolicy {
                mode: match settings.text("access.mode") {
                    Some("open") => AccessMode::Open,
                    Some("forward") => AccessMode::Forward,
                    _ => AccessMode::Token,
                },
                app_origins: settings.list("access.app_origins").to_vec(),
                template,
                grant_life: settings.duration("access.grant_life"),
                exempt,
            },
            api: api(settings, home)?,
        })
    }
}

/// Where the sockets lie: in the system's place for the packaged service, else with the state, so that two daemons
/// of one host never meet.
fn run_dir(state_dir: &Path) -> PathBuf {
    if state_dir == Path::new(SERVICE_STATE) { SERVICE_RUN.into() } else { state_dir.join("run") }
}

fn node(settings: &Settings, host: &str) -> Result<NodeId, SettingsError> {
    let name = settings.text("node").unwrap_or(host);
    NodeId::new(name).map_err(|error| settings.impossible("node", format_args!("usable: {error}")))
}

fn ports(settings: &Settings) -> Result<PortPolicy, SettingsError> {
    let ours = ["edge.http", "edge.https", "edge.metrics.listen", "api.listen"].into_iter();
    let own = ours.filter_map(|key| settings.text(key)?.rsplit_once(':')?.1.parse::<Port>().ok());
    // The edge's DNS server.
    let dns = settings.list("edge.acme.dns.listen");
    let dns = dns.iter().map(|text| text.parse().map_or(DNS_PORT, |at: SocketAddr| at.port()));
    Ok(PortPolicy {
        allow: parsed(settings, "ports.allow")?,
        deny: all(settings, "ports.deny", "ports")?.into_iter().collect(),
        own: own.chain(dns.filter_map(|port| Port::new(port).ok())).collect(),
        tasks_outside: settings.flag("ports.tasks_outside"),
    })
}

fn default_visibility(settings: &Settings) -> Result<Visibility, SettingsError> {
    let (default, most) =
        (visibility(settings, "visibility.default"), visibility(settings, "visibility.max"));
    if default > most {
        return Err(settings.impossible("visibility.default", "private, as visibility.max is private"));
    }
    Ok(default)
}

fn visibility(settings: &Settings, key: &str) -> Visibility {
    if settings.text(key) == Some("public") { Visibility::Public } else { Visibility::Private }
}

fn attach(settings: &Settings) -> Result<AttachConfig, SettingsError> {
    let (wait, max_wait) = (settings.duration("attach.wait"), settings.duration("attach.max_wait"));
    if wait > max_wait {
        return Err(settings.impossible("attach.wait", "at most attach.max_wait"));
    }
    let host_header = match settings.text("attach.host_header") {
        Some("preserve") => HostHeader::Pinned(HostPolicy::Preserve),
        Some("loopback") => HostHeader::Pinned(HostPolicy::Loopback),
        _ => HostHeader::Auto,
    };
    let health_check = settings.flag("attach.health_check");
    Ok(AttachConfig { wait, max_wait, probe: PROBE, health_check, host_header })
}

fn idle(settings: &Settings) -> Result<IdlePolicy, SettingsError> {
    let duration = |key| settings.duration(key);
    IdlePolicy::new(duration("idle.after"), duration("idle.warn"), duration("idle.max_presence"))
        .map_err(|error| settings.impossible("idle.after", format_args!("usable: {error}")))
}

fn api(settings: &Settings, home: &Path) -> Result<ApiConfig, SettingsError> {
    let listen = settings.text("api.listen").map(|_| parsed(settings, "api.listen")).transpose()?;
    let keys_file = settings.file("api.keys_file", home)?;
    if listen.is_some() && keys_file.is_none() {
        return Err(settings.impossible("api.keys_file", "a file of bearer keys, as api.listen is set"));
    }
    Ok(ApiConfig {
        listen,
        hosts: settings.list("api.hosts").iter().map(|host| host.to_ascii_lowercase()).collect(),
        origins: settings.list("api.origins").to_vec(),
        daemon_host: settings.text("edge.daemon_host").map(str::to_ascii_lowercase),
        keys_file,
        edge_group: settings.text("api.edge_group").map(str::to_owned),
        verify_group: settings.text("api.verify_group").map(str::to_owned),
        verify_peers: settings.list("api.verify_peers").to_vec(),
    })
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(
    settings: &Settings,
    key: &'static str,
) -> Result<T, SettingsError> {
    let text = settings.text(key).unwrap_or_default();
    text.parse().map_err(|error| settings.impossible(key, format_args!("usable: {error}")))
}

fn all<T: FromStr>(settings: &Settings, key: &'static str, what: &str) -> Result<Vec<T>, SettingsError> {
    let parsed: Result<_, T::Err> = settings.list(key).iter().map(|text| text.parse()).collect();
    parsed.map_err(|_| settings.impossible(key, format_args!("a list of {what}")))
}

fn number(settings: &Settings, key: &str) -> u32 {
    u32::try_from(settings.number(key)).unwrap_or(u32::MAX)
}

fn path(settings: &Settings, key: &str, home: &Path) -> Option<PathBuf> {
    let text = settings.text(key)?;
    Some(text.strip_prefix("~/").map_or_else(|| PathBuf::from(text), |rest| home.join(rest)))
}

#[cfg(test)]
mod tests {
    use preview_core::settings::Sources;

    use super::*;

    #[test]
    fn no_preview_gets_the_port_of_the_edges_dns_server() {
        let config = config("edge: { acme: { dns: { listen: [192.0.2.1, \"[2001:db8::1]:5353\"] } } }");
        let own = config.expect("valid").rules.ports.own;
        assert!(["53", "5353"].iter().all(|port| own.contains(&port.parse().expect("a port"))), "{own:?}");
    }

    #[test]
    fn the_defaults_are_the_contracts() {
        let config = config("enabled: true").expect("valid");
        assert_eq!(config.rules.limits, Limits::default());
        assert_eq!(config.rules.ports.allow.to_string(), "3000-9999");
        assert_eq!(config.rules.ports.own, ["8080", "9465"].map(|port| port.parse().expect("a port")).into());
        assert_eq!(config.attach.wait, Duration::from_secs(15));
        assert_eq!(config.idle.after(), Duration::from_mins(30));
        assert_eq!(config.run_dir, Path::new("/home/u/.local/state/preview/run"));
        assert_eq!(config.rules.node.as_str(), "box");
    }

    #[test]
    fn the_packaged_service_has_its_sockets_in_the_systems_place() {
        let config = config("state_dir: /var/lib/preview").expect("valid");
        assert_eq!(config.run_dir, Path::new("/run/preview"));
    }

    #[test]
    fn an_impossible_value_is_named_with_its_key() {
        for (yaml, key) in [
            ("ports: { allow: \"9-1\" }", "ports.allow"),
            ("ports: { deny: [0] }", "ports.deny"),
            ("public_url_template: \"http://{port}/\"", "public_url_template"),
            ("attach: { wait: 60s, max_wait: 30s }", "attach.wait"),
            ("visibility: { default: public, max: private }", "visibility.default"),
            ("api: { listen: \"127.0.0.1:9460\" }", "api.keys_file"),
            ("api: { listen: everywhere }", "api.listen"),
            ("node: \"a b\"", "node"),
        ] {
            let text = config(yaml).expect_err(yaml).to_string();
            assert!(text.contains(&format!("`{key}`")), "{yaml}: {text}");
        }
    }

    #[test]
    fn ports_that_the_kernel_gives_to_clients_may_not_be_attached() {
        let ephemeral = ["32768", "60999"].map(|text| text.parse().expect("a port"));
        let fine = config("enabled: true").expect("valid");
        assert_eq!(fine.check_ports(ephemeral), Ok(()));
        let wide = config("ports: { allow: \"3000-40000\" }").expect("valid");
        let refused = wide.check_ports(ephemeral).expect_err("they overlap").to_string();
        assert!(refused.contains("32768-60999"), "{refused}");
    }

    fn config(yaml: &str) -> Result<Config, SettingsError> {
        let text = format!("web_preview:\n  {yaml}\n");
        let settings = Settings::load(Sources { file: Some(("f", &text)), ..Sources::default() })?;
        Config::from_settings(&settings, Path::new("/home/u"), "box")
    }
}
