//! Configurations for the proxies that people already run, and for the system around us.
//!
//! Each is a template beside its module, filled in with what the configuration says; whatever comes from outside goes
//! through [`quote`] for that format, which refuses what the format cannot express.

mod plan;
mod quote;
mod fill;
mod range;
mod nginx;
mod caddy;
mod haproxy;
mod traefik;
mod systemd;
mod dnsmasq;

#[cfg(test)]
mod tests;

use std::path::Path;

pub(crate) use plan::Plan;

use crate::args::Proxy;
use crate::failure::Failure;
use fill::fill;

/// A rendered file.
#[derive(Debug)]
pub(crate) struct File {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its content.
    pub(crate) text: String,
}

/// Renders the files of one proxy; `folder` is where they will lie, as they name one another.
pub(crate) fn files(proxy: Proxy, plan: &Plan, folder: Option<&Path>) -> Result<Vec<File>, Failure> {
    match proxy {
        Proxy::Nginx => nginx::files(plan),
        Proxy::Caddy => caddy::files(plan),
        Proxy::Haproxy => haproxy::files(plan, folder),
        Proxy::Traefik => traefik::files(plan, folder),
        Proxy::Systemd => systemd::files(plan),
        Proxy::Dnsmasq => dnsmasq::files(plan),
    }
}

/// Headers that only a proxy may write towards a dev server, for proxies that delete by exact name alone.
const SPOOFABLE: [&str; 31] = [
    "Forwarded",
    "Proxy",
    "X-Forwarded-Server",
    "X-Forwarded-Prefix",
    "X-Forwarded-Path",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-By",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Access-Token",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Tls-Client-Cert",
    "X-Original-URL",
    "X-Original-URI",
    "X-Original-Host",
    "X-Original-Method",
    "X-Original-Proto",
    "X-Original-Forwarded-For",
    "X-Rewrite-URL",
    "X-Middleware-Subrequest",
    "Preview-Token",
    "Preview-Attachment",
    "Preview-Session",
    "Preview-User",
    "Preview-Upstream",
    "Preview-Host",
];

/// The uniform answer where nothing is to be had, or nobody is told.
const NOBODY: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Nothing here</title>\
                      <p>There is nothing here.</html>";

/// What a person reads at the head of a file about who is let in.
fn about(plan: &Plan, mark: &str) -> String {
    let lines: &[&str] = match (&plan.judge, plan.template.is_guessable()) {
        (plan::Judge::Daemon { .. }, true) => &[
            "",
            "Who is let in, and to which listener, the daemon says for each request: only attached listeners are dialled.",
            "Host names of this template can be guessed, so a stranger gets the same 502 whatever there is.",
        ],
        (plan::Judge::Daemon { .. }, false) => &[
            "",
            "Who is let in, and to which listener, the daemon says for each request: only attached listeners are dialled.",
            "Without a good link or cookie the answer is 401.",
        ],
        (plan::Judge::Static { .. }, _) => &[
            "",
            "There is no daemon to ask (edge.mode: static), so EVERYBODY reaches whatever listens on these ports of",
            "127.0.0.1, attached or not. Keep everything else off them.",
        ],
    };
    lines.iter().map(|line| format!("{mark} {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
