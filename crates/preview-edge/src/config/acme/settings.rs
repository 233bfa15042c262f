//! The same from the settings that flags, environment and file gave.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use preview_core::settings::{Settings, SettingsError};
use preview_core::template::UrlTemplate;

use super::{
    Acme, Authority, Check, Dns, DnsMode, Eab, Exec, HookMode, HttpReq, Profile, Propagation, Rfc2136,
    Solver, Timers, TsigAlgorithm,
};
use crate::config::settings::all;

/// The port of DNS (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;

/// Authorities that have a name of their own: it, the directory, and where one rehearses.
const KNOWN: [(&str, &str, Option<&str>); 4] = [
    (
        "letsencrypt",
        "https://acme-v02.api.letsencrypt.org/directory",
        Some("https://acme-staging-v02.api.letsencrypt.org/directory"),
    ),
    ("letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory", None),
    ("zerossl", "https://acme.zerossl.com/v2/DV90", None),
    (
        "google",
        "https://dv.acme-v02.api.pki.goog/directory",
        Some("https://dv.acme-v02.test-api.pki.goog/directory"),
    ),
];

/// What `settings` say of certificates by ACME; a leading `~` is `home`.
pub(crate) fn from_settings(
    settings: &Settings,
    template: &UrlTemplate,
    home: &Path,
) -> Result<Acme, SettingsError> {
    let read = Read { settings, home };
    let (authority, its_staging) = read.authority("edge.acme.directory")?;
    let eab = read.eab("edge.acme.eab.kid", "edge.acme.eab.hmac_file")?;
    let staging = match settings.text("edge.acme.staging") {
        Some(_) => Some(read.authority("edge.acme.staging")?.0),
        None => its_staging,
    };
    let fallback = match settings.text("edge.acme.fallback.directory") {
        Some(_) => {
            let eab = read.eab("edge.acme.fallback.kid", "edge.acme.fallback.hmac_file")?;
            Some(Authority { eab, ..read.authority("edge.acme.fallback.directory")?.0 })
        }
        None => None,
    };
    let names = read.names(template)?;
    Ok(Acme {
        authority: Authority { eab, ..authority },
        staging: staging.filter(|_| settings.flag("edge.acme.staging_first")),
        fallback,
        contact: settings.text("edge.acme.contact").map(str::to_owned),
        accept_tos: settings.flag("edge.acme.accept_tos"),
        profile: match settings.text("edge.acme.profile") {
            None | Some("auto") => Profile::Auto,
            Some("none") => Profile::None,
            Some(name) => Profile::Named(name.to_owned()),
        },
        names,
        ca_roots_file: read.path("edge.acme.ca_roots_file")?,
        solver: read.solver(template)?,
        zone: read.name("edge.acme.zone")?,
        alias: read.name("edge.acme.alias")?,
        resolvers: read.places("edge.acme.resolvers")?,
        propagation: Propagation {
            timeout: settings.duration("edge.acme.propagation.timeout"),
            check: match settings.text("edge.acme.propagation.check") {
                Some("resolver") => Check::Resolver,
                Some("off") => Check::Off,
                _ => Check::All,
            },
        },
        allow_ephemeral_state: settings.flag("edge.acme.allow_ephemeral_state"),
        self_signed_first: settings.text("edge.tls.until_first") == Some("self_signed"),
        timers: Timers::default(),
    })
}

struct Read<'s> {
    settings: &'s Settings,
    home: &'s Path,
}

impl Read<'_> {
    /// The authority at `key`, and where one rehearses for it.
    fn authority(&self, key: &'static str) -> Result<(Authority, Option<Authority>), SettingsError> {
        let text = self.settings.text(key).unwrap_or_default();
        let of = |name: &str, directory: &str| Authority {
            name: name.to_owned(),
            directory: directory.to_owned(),
            eab: None,
        };
        if let Some((name, directory, staging)) = KNOWN.iter().find(|(name, ..)| *name == text) {
            let staging = staging.map(|directory| {
                let known = KNOWN.iter().find(|(_, its, _)| *its == directory);
                of(known.map_or(&format!("{name}-staging"), |(name, ..)| name), directory)
            });
            return Ok((of(name, directory), staging));
        }
        let uri: Option<http::Uri> = text.parse().ok();
        let host =
            uri.filter(|uri| uri.scheme_str() == Some("https")).and_then(|uri| Some(uri.host()?.len()));
        if host.is_none_or(|len| len == 0) {
            let names: Vec<_> = KNOWN.iter().map(|(name, ..)| *name).collect();
            return Err(self
                .settings
                .impossible(key, format_args!("{} or an https:// URL", names.join(", "))));
        }
        Ok((of(&folder_name(text), text), None))
    }

    fn eab(&self, kid: &'static str, file: &'static str) -> Result<Option<Eab>, SettingsError> {
        match (self.settings.text(kid), self.path(file)?) {
            (Some(kid), Some(hmac_file)) => Ok(Some(Eab { kid: kid.to_owned(), hmac_file })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(self.settings.impossible(file, format_args!("a file, as {kid} is set"))),
            (None, Some(_)) => Err(self.settings.impossible(kid, format_args!("a key id, as {file} is set"))),
        }
    }

    /// The names of the certificate: the template's, the daemon's, and further ones.
    fn names(&self, template: &UrlTemplate) -> Result<Vec<String>, SettingsError> {
        let mut names = template.wildcard_names();
        names.extend(self.settings.text("edge.daemon_host").map(str::to_ascii_lowercase));
        for name in self.settings.list("edge.acme.names") {
            let name = name.to_ascii_lowercase();
            if !is_name(name.strip_prefix("*.").unwrap_or(&name)) {
                return Err(self
                    .settings
                    .impossible("edge.acme.names", "a list of host names, `*.` before some"));
            }
            names.push(name);
        }
        if let Some(local) = names.iter().find(|name| name.ends_with("localhost") || !is_public(name)) {
            return Err(self.settings.impossible(
                "edge.tls.mode",
                format_args!("self_signed or files, as no authority signs {local} (public_url_template)"),
            ));
        }
        names.sort();
        names.dedup();
        // Authorities refuse an order with a name that a wildcard of the same order covers.
        let covered = |name: &String| {
            let above = name.split_once('.').map(|(_, above)| format!("*.{above}"));
            !name.starts_with("*.") && above.is_some_and(|it| names.contains(&it))
        };
        Ok(names.iter().filter(|name| !covered(name)).cloned().collect())
    }

    fn solver(&self, template: &UrlTemplate) -> Result<Solver, SettingsError> {
        let solver = self.settings.text("edge.acme.solver").unwrap_or("builtin");
        if matches!(solver, "rfc2136" | "hosted") {
            self.needed("edge.acme.zone", solver)?;
        }
        Ok(match solver {
            "rfc2136" => Solver::Rfc2136(Rfc2136 {
                server: self
                    .place("edge.acme.rfc2136.server", &self.needed("edge.acme.rfc2136.server", solver)?)?,
                key_name: self.needed("edge.acme.rfc2136.key_name", solver)?,
                algorithm: match self.settings.text("edge.acme.rfc2136.algorithm") {
                    Some("hmac-sha384") => TsigAlgorithm::Sha384,
                    Some("hmac-sha512") => TsigAlgorithm::Sha512,
                    _ => TsigAlgorithm::Sha256,
                },
                secret_file: self.file("edge.acme.rfc2136.secret_file", solver)?,
            }),
            "exec" => Solver::Exec(Exec {
                program: self.file("edge.acme.exec.program", solver)?,
                mode: self.mode("edge.acme.exec.mode"),
                timeout: self.settings.duration("edge.acme.exec.timeout"),
            }),
            "httpreq" => Solver::HttpReq(self.httpreq()?),
            "acme-dns" => {
                Solver::AcmeDns { account_file: self.file("edge.acme.acme_dns.account_file", solver)? }
            }
            "hosted" => Solver::Hosted {
                provider: self.needed("edge.acme.hosted.provider", solver)?.to_ascii_lowercase(),
                credentials_file: self.file("edge.acme.hosted.credentials_file", solver)?,
            },
            _ => Solver::Builtin(self.dns(template)?),
        })
    }

    fn httpreq(&self) -> Result<HttpReq, SettingsError> {
        let endpoint = self.needed("edge.acme.httpreq.endpoint", "httpreq")?;
        if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            return Err(self.settings.impossible("edge.acme.httpreq.endpoint", "an http:// or https:// URL"));
        }
        let user = self.settings.text("edge.acme.httpreq.username").map(str::to_owned);
        let password = self.path("edge.acme.httpreq.password_file")?;
        if user.is_some() != password.is_some() {
            return Err(self.settings.impossible(
                "edge.acme.httpreq.password_file",
                "set where edge.acme.httpreq.username is set, and only there",
            ));
        }
        Ok(HttpReq {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            mode: self.mode("edge.acme.httpreq.mode"),
            login: user.zip(password),
        })
    }

    fn dns(&self, template: &UrlTemplate) -> Result<Dns, SettingsError> {
        let listen = self.places("edge.acme.dns.listen")?;
        if listen.is_empty() {
            return Err(self.settings.impossible(
                "edge.acme.dns.listen",
                "this edge's public address, as edge.acme.solver is builtin",
            ));
        }
        let mode = match self.settings.text("edge.acme.dns.mode") {
            Some("zone") => DnsMode::Zone,
            _ => DnsMode::Challenge,
        };
        let base = template.base().to_owned();
        let mut ns = Vec::new();
        for name in self.settings.list("edge.acme.dns.ns") {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            if !is_name(&name) {
                return Err(self.settings.impossible("edge.acme.dns.ns", "a list of host names"));
            }
            ns.push(name);
        }
        if ns.is_empty() {
            // Never above the base: that may be a registry's, where somebody else can have the name.
            ns.push(match mode {
                DnsMode::Challenge => format!("acme-ns.{base}"),
                DnsMode::Zone => format!("ns1.{base}"),
            });
        }
        let mut addresses: Vec<IpAddr> = Vec::new();
        for (key, is_v4, what) in
            [("edge.acme.dns.a", true, "IPv4 addresses"), ("edge.acme.dns.aaaa", false, "IPv6 addresses")]
        {
            let family: Vec<IpAddr> = all(self.settings, key, what)?;
            if family.iter().any(|it| it.is_ipv4() != is_v4) {
                return Err(self.settings.impossible(key, format_args!("a list of {what}")));
            }
            addresses.extend(family);
        }
        if mode == DnsMode::Zone && addresses.is_empty() {
            return Err(self.settings.impossible(
                "edge.acme.dns.a",
                "the edges' public addresses, as edge.acme.dns.mode is zone",
            ));
        }
        let rate = u32::try_from(self.settings.number("edge.acme.dns.rate")).unwrap_or(u32::MAX);
        Ok(Dns { listen, ns, mode, base, addresses, rate })
    }

    fn mode(&self, key: &str) -> HookMode {
        if self.settings.text(key) == Some("raw") { HookMode::Raw } else { HookMode::Default }
    }

    fn path(&self, key: &'static str) -> Result<Option<PathBuf>, SettingsError> {
        self.settings.file(key, self.home)
    }

    fn file(&self, key: &'static str, solver: &str) -> Result<PathBuf, SettingsError> {
        self.needed(key, solver)?;
        let path = self.path(key)?;
        path.ok_or_else(|| {
            self.settings.impossible(key, format_args!("set, as edge.acme.solver is {solver}"))
        })
    }

    fn needed(&self, key: &'static str, solver: &str) -> Result<String, SettingsError> {
        let text = self.settings.text(key).map(str::to_owned);
        text.ok_or_else(|| {
            self.settings.impossible(key, format_args!("set, as edge.acme.solver is {solver}"))
        })
    }

    /// A DNS name at `key`, lower case and without its final dot.
    fn name(&self, key: &'static str) -> Result<Option<String>, SettingsError> {
        let Some(text) = self.settings.text(key) else { return Ok(None) };
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        if is_name(&name) { Ok(Some(name)) } else { Err(self.settings.impossible(key, "a DNS name")) }
    }

    fn places(&self, key: &'static str) -> Result<Vec<SocketAddr>, SettingsError> {
        self.settings.list(key).iter().map(|text| self.place(key, text)).collect()
    }

    /// `ADDRESS` or `ADDRESS:PORT`.
    fn place(&self, key: &'static str, text: &str) -> Result<SocketAddr, SettingsError> {
        let bare = text.trim_start_matches('[').trim_end_matches(']').parse();
        let place = bare.map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT)).or_else(|_| text.parse());
        place.map_err(|_| self.settings.impossible(key, "ADDRESS or ADDRESS:PORT"))
    }
}

/// A URL as the name of a folder.
fn folder_name(url: &str) -> String {
    let rest = url.trim_start_matches("https://").trim_end_matches('/').to_ascii_lowercase();
    rest.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect()
}

/// Whether it is a name as DNS has them; challenges begin with `_`.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Whether it may be below a registry: it has a dot, and is no address.
fn is_public(name: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    name.contains('.') && name.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use preview_core::settings::Sources;

    use super::*;

    #[test]
    fn names_are_the_templates_the_daemons_and_further_ones() {
        let acme = acme(
            "daemon_host: Daemon.example.com, acme: { names: [www.example.com], dns: { listen: [192.0.2.1] } }",
        );
        let acme = acme.expect("valid");
        assert_eq!(acme.names, ["*.preview.example.com", "daemon.example.com", "www.example.com"]);
    }

    #[test]
    fn a_name_that_a_wildcard_covers_is_not_ordered_beside_it() {
        let acme = acme(
            "acme: { names: [preview.example.com, a.preview.example.com, b.a.preview.example.com], \
             dns: { listen: [192.0.2.1] } }",
        );
        let names = acme.expect("valid").names;
        assert_eq!(names, ["*.preview.example.com", "b.a.preview.example.com", "preview.example.com"]);
    }

    #[test]
    fn the_built_in_server_is_the_default_and_challenge_mode_its_way() {
        let acme = acme("acme: { dns: { listen: [192.0.2.1, \"[2001:db8::1]:5353\"] } }").expect("valid");
        let Solver::Builtin(dns) = &acme.solver else { panic!("not built in: {:?}", acme.solver) };
        assert_eq!(
            (dns.mode, dns.ns.as_slice()),
            (DnsMode::Challenge, &["acme-ns.preview.example.com".to_owned()][..])
        );
        assert_eq!(
            dns.listen.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["192.0.2.1:53", "[2001:db8::1]:5353"]
        );
        assert_eq!(acme.staging.expect("rehearses").name, "letsencrypt-staging");
    }

    #[test]
    fn a_directory_of_ones_own_has_a_folder_and_no_rehearsal() {
        let acme = acme(
            "acme: { directory: \"https://127.0.0.1:14000/dir\", solver: exec, exec: { program: ~/hook } }",
        );
        let acme = acme.expect("valid");
        assert_eq!((acme.authority.name.as_str(), acme.staging), ("127.0.0.1-14000-dir", None));
        assert!(matches!(acme.solver, Solver::Exec(exec) if exec.program == Path::new("/home/u/hook")));
    }

    #[test]
    fn what_is_missing_or_impossible_is_named_with_its_key() {
        for (yaml, key) in [
            ("acme: { }", "edge.acme.dns.listen"),
            ("acme: { dns: { listen: [here] } }", "edge.acme.dns.listen"),
            ("acme: { dns: { listen: [192.0.2.1], mode: zone } }", "edge.acme.dns.a"),
            ("acme: { dns: { listen: [192.0.2.1], mode: zone, a: [\"::1\"] } }", "edge.acme.dns.a"),
            ("acme: { directory: \"http://ca.example\" }", "edge.acme.directory"),
            ("acme: { solver: rfc2136 }", "edge.acme.zone"),
            ("acme: { solver: rfc2136, zone: example.com }", "edge.acme.rfc2136.server"),
            ("acme: { solver: exec }", "edge.acme.exec.program"),
            ("acme: { solver: httpreq, httpreq: { endpoint: \"ftp://x\" } }", "edge.acme.httpreq.endpoint"),
            ("acme: { eab: { kid: k } }", "edge.acme.eab.hmac_file"),
            ("acme: { names: [\"a b\"] }", "edge.acme.names"),
        ] {
            let text = acme(yaml).expect_err(yaml).to_string();
            assert!(text.contains(&format!("`{key}`")), "{yaml}: {text}");
        }
    }

    #[test]
    fn names_below_localhost_are_refused_since_no_authority_signs_them() {
        let text =
            settings("public_url_template: \"https://{id}.localhost\"\n  edge: { tls: { mode: acme } }");
        let template = "https://{id}.localhost".parse().expect("a template");
        let text = from_settings(&text, &template, Path::new("/")).expect_err("local").to_string();
        assert!(text.contains("`edge.tls.mode`") && text.contains("*.localhost"), "{text}");
    }

    fn acme(edge: &str) -> Result<Acme, SettingsError> {
        let settings = settings(&format!("edge: {{ {edge} }}"));
        let template = "https://{id}.preview.example.com".parse().expect("a template");
        from_settings(&settings, &template, Path::new("/home/u"))
    }

    fn settings(yaml: &str) -> Settings {
        let text = format!("web_preview:\n  {yaml}\n");
        Settings::load(Sources { file: Some(("f", &text)), ..Sources::default() }).expect("readable")
    }
}
