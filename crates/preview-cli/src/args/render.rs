//! What can be typed after `preview render`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum, ValueHint};

/// `preview render`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Template, ports and access are those of the configuration (`preview config show`). nginx, Caddy and
HAProxy ask the daemon about each request, and dial attached listeners alone; Traefik passes
previews on to the edge, as all of them must under access.mode forward: a login is asked by the
edge alone.

Examples:
  preview render nginx --cert chain.pem --key key.pem -o /etc/nginx/sites-enabled/preview.conf
  preview render haproxy --cert bundle.pem -o /etc/haproxy
  preview render systemd -o /etc/systemd/system
  preview render caddy --listen 127.0.0.1 --http-port 8080     on one address, for a rehearsal")]
pub struct Render {
    /// For what: nginx, caddy, haproxy, traefik, systemd or dnsmasq.
    #[arg(hide_possible_values = true)]
    pub proxy: Proxy,
    /// Certificate chain, PEM (default: edge.tls.cert, or the one that the edge has got by ACME).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub cert: Option<PathBuf>,
    /// Its private key, PEM (default: edge.tls.key; with --cert alone: the same file).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// Listen on this address alone; may be given more than once.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<IpAddr>,
    /// Port of plain HTTP, which is sent to https.
    #[arg(long, value_name = "PORT", default_value_t = 80)]
    pub http_port: u16,
    /// Access log of nginx; the others log to where their service manager reads.
    #[arg(long, value_name = "FILE", default_value = "/var/log/nginx/preview.log", value_hint = ValueHint::FilePath)]
    pub log: PathBuf,
    /// Write to this file, or where there are several into this folder, instead of standard output.
    #[arg(long, short, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub output: Option<PathBuf>,
    /// Of several files this one.
    #[arg(long, value_name = "FILE")]
    pub only: Option<String>,
}

/// What configurations are rendered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Proxy {
    /// nginx, with `auth_request`.
    Nginx,
    /// Caddy 2.
    Caddy,
    /// HAProxy, with a script of its own.
    Haproxy,
    /// Traefik 3, before the edge.
    Traefik,
    /// Units of systemd for daemon and edge.
    Systemd,
    /// dnsmasq, for rehearsals.
    Dnsmasq,
}

impl Proxy {
    /// As it is typed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
            Self::Traefik => "traefik",
            Self::Systemd => "systemd",
            Self::Dnsmasq => "dnsmasq",
        }
    }
}
