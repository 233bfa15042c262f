//! Traefik 3: it passes previews on to the edge.
//!
//! Traefik cannot forward to an address that an answer names, and a service for each port would dial listeners that
//! nobody has attached. So the edge stays the one that dials, and Traefik is what browsers meet. `ForwardAuth` asks the
//! daemon too where it can be reached over TCP, since Traefik speaks to no socket: then nobody reaches the edge
//! who is not let in.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use preview_core::refusal::Code;

use super::plan::{Certificate, Judge, Plan};
use super::quote::{Language, word};
use super::{File, fill};
use crate::failure::Failure;

/// Where both files lie if nobody says where.
const FOLDER: &str = "/etc/traefik";
const DYNAMIC: &str = "preview.yml";

pub(super) fn files(plan: &Plan, folder: Option<&Path>) -> Result<Vec<File>, Failure> {
    let Some(edge) = plan.edge else {
        return Err(Failure::found(
            Code::ConfigInvalid,
            "Traefik passes previews on to the edge, which serves plain HTTP on no loopback address",
            "set edge.http to something like localhost:8080, and edge.trusted_proxies to [127.0.0.1/32]",
        ));
    };
    if !plan.trusts(edge.ip()) {
        return Err(Failure::found(
            Code::ConfigInvalid,
            "Traefik passes previews on to the edge, which would not take its word on who the visitor is and that he \
             came by https",
            "set edge.trusted_proxies: [127.0.0.1/32]",
        ));
    }
    let folder = folder.unwrap_or(Path::new(FOLDER));
    let dynamic = word(Language::Traefik, "the folder", &folder.join(DYNAMIC).display().to_string())?;
    let static_values =
        [("TEMPLATE", plan.template.as_str()), ("ENTRY_POINTS", &entry_points(plan)), ("DYNAMIC", &dynamic)];
    let asks = plan.verify_tcp.filter(|_| matches!(plan.judge, Judge::Daemon { .. }));
    let tls = if plan.is_https() { tls(plan.certificate()?)? } else { String::new() };
    let redirect = if plan.place.redirect.is_some() { redirect(plan) } else { String::new() };
    let values = [
        ("TEMPLATE", plan.template.as_str()),
        ("RULE", &rule(plan)),
        ("ENTRY", if plan.is_https() { "websecure" } else { "web" }),
        ("ROUTER_TLS", if plan.is_https() { "tls: {}" } else { "" }),
        ("ROUTER_ASK", if asks.is_some() { "middlewares: [\"preview-ask\"]" } else { "" }),
        ("PREFLIGHTS", &preflights(plan, asks.is_some())),
        ("DAEMON_ROUTER", &daemon_router(plan)?),
        ("REDIRECT_ROUTER", &redirect),
        ("MIDDLEWARES", &middlewares(plan, asks)),
        ("EDGE", &format!("http://{edge}")),
        ("TLS", &tls),
    ];
    Ok(vec![
        File { name: "traefik.yml", text: fill(include_str!("traefik-static.yml"), &static_values) },
        File { name: DYNAMIC, text: fill(include_str!("traefik-dynamic.yml"), &values) },
    ])
}

const ASK: &str = "\
# Nobody goes on who is not let in: 401 or 403, or 429 after too many misses. The edge judges again, and exchanges a
# good link for cookies.
preview-ask:
  forwardAuth:
    address: \"http://@AT@/auth/verify\"
    # What a visitor says of X-Forwarded-* counts for nothing.
    trustForwardHeader: false
";

const HTTPS: &str = "\
preview-https:
  redirectScheme:
    scheme: https
    port: \"@PORT@\"
    permanent: true
";

const NO_ASK: &str = "\
# The edge alone says who is let in. For ForwardAuth before it, give the daemon a TCP address (api.listen, say
# 127.0.0.1:9460, with api.keys_file), set api.verify_peers: [unix, 127.0.0.1], and render anew.";

const LOGIN: &str = "\
# The edge alone says who is let in: it asks the login (access.forward_url), which sends browsers to where they log in.
# No ForwardAuth stands before it, neither the daemon's nor the login's own: shared links and public previews need none.";

fn middlewares(plan: &Plan, asks: Option<SocketAddr>) -> String {
    let mut entries = String::new();
    if let Some(at) = asks {
        entries.push_str(&fill(ASK, &[("AT", &at.to_string())]));
    }
    if plan.place.redirect.is_some() {
        entries.push_str(&fill(HTTPS, &[("PORT", &plan.place.port.to_string())]));
    }
    let note = match (asks, plan.asks_login) {
        (_, true) => LOGIN,
        (Some(_), false) => "",
        (None, false) => NO_ASK,
    };
    if entries.is_empty() {
        return note.to_owned();
    }
    format!("{note}\nmiddlewares:\n  {}", entries.trim_end().replace('\n', "\n  ")).trim_start().to_owned()
}

fn entry_points(plan: &Plan) -> String {
    let mut lines = String::from("entryPoints:\n");
    let mut entry = |name: &str, port: u16| {
        let _ = writeln!(lines, "  {name}:");
        match plan.place.addresses.as_slice() {
            [] => _ = writeln!(lines, "    address: \":{port}\""),
            [ip, ..] => _ = writeln!(lines, "    address: \"{}\"", SocketAddr::new(*ip, port)),
        }
        lines.push_str(
            "    # Uploads and event streams take as long as they take.\n    transport:\n      respondingTimeouts:\n        readTimeout: 0s\n        idleTimeout: 75s\n",
        );
        let in_front: Vec<String> =
            plan.trusted.iter().filter(|it| !it.addr().is_loopback()).map(|it| format!("\"{it}\"")).collect();
        if !in_front.is_empty() {
            let _ = writeln!(
                lines,
                "    # The proxies in front of this one say who the visitor is (edge.trusted_proxies).\n    \
                 forwardedHeaders:\n      trustedIPs: [{}]",
                in_front.join(", ")
            );
        }
    };
    if let Some(port) = plan.place.redirect {
        entry("web", port.get());
    }
    entry(if plan.is_https() { "websecure" } else { "web" }, plan.place.port.get());
    lines
}

/// One label before the domain.
fn rule(plan: &Plan) -> String {
    yaml(&format!("HostRegexp(`^[a-z0-9-]+{}$`)", plan.pattern()))
}

/// Preflights carry no credential: the edge answers them itself, alike for every host.
fn preflights(plan: &Plan, asks: bool) -> String {
    if !asks {
        return String::new();
    }
    let rule = format!("HostRegexp(`^[a-z0-9-]+{}$`) && Method(`OPTIONS`)", plan.pattern());
    let tls = if plan.is_https() { "\n  tls: {}" } else { "" };
    let entry = if plan.is_https() { "websecure" } else { "web" };
    format!(
        "# Preflights carry no credential: the edge answers them, alike for every host, and lets no other OPTIONS in.\n\
         preview-preflights:\n  rule: {}\n  entryPoints: [\"{entry}\"]\n  service: \"preview-edge\"{tls}",
        yaml(&rule)
    )
}

fn daemon_router(plan: &Plan) -> Result<String, Failure> {
    let Some((host, _)) = &plan.daemon_host else { return Ok(String::new()) };
    word(Language::Traefik, "edge.daemon_host", host)?;
    let tls = if plan.is_https() { "\n  tls: {}" } else { "" };
    let entry = if plan.is_https() { "websecure" } else { "web" };
    Ok(format!(
        "# The daemon's API by its own host name, where a bearer key is needed.\n\
         preview-daemon:\n  rule: {}\n  entryPoints: [\"{entry}\"]\n  service: \"preview-edge\"{tls}",
        yaml(&format!("Host(`{host}`)"))
    ))
}

fn redirect(plan: &Plan) -> String {
    let rule = format!("HostRegexp(`^[a-z0-9-]+{}$`)", plan.pattern());
    let rule = match &plan.daemon_host {
        Some((host, _)) => format!("{rule} || Host(`{host}`)"),
        None => rule,
    };
    format!(
        "# Plain HTTP is sent to https, path and query kept.\n\
         preview-redirect:\n  rule: {}\n  entryPoints: [\"web\"]\n  middlewares: [\"preview-https\"]\n  \
         service: \"preview-edge\"",
        yaml(&rule)
    )
}

fn tls(Certificate { cert, key }: &Certificate) -> Result<String, Failure> {
    Ok(format!(
        "tls:\n  certificates:\n    - certFile: {}\n      keyFile: {}\n  options:\n    default:\n      minVersion: VersionTLS12",
        word(Language::Traefik, "--cert", &cert.display().to_string())?,
        word(Language::Traefik, "--key", &key.display().to_string())?
    ))
}

fn yaml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
