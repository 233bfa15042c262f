//! HAProxy: a small Lua script asks the daemon with HAProxy's own HTTP client.
//!
//! Weighed against it: SPOE needs an agent, one more process that everything hangs on; an edge in between would make
//! HAProxy a mere TLS terminator. The script decides nothing: without the daemon's word `haproxy.cfg` refuses.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use preview_core::ports::Port;

use super::plan::{self, Certificate, Judge, Plan};
use super::quote::{Language, word};
use super::{File, NOBODY, about, fill};
use crate::failure::Failure;

/// Where both files lie if nobody says where.
const FOLDER: &str = "/etc/haproxy";
const SCRIPT: &str = "preview.lua";

const ASK: &str = "\
# The daemon says whether the visit is let in, to which listener, and as what (preview.lua).
http-request lua.preview_ask
@REFUSED@
# Anything else, and nothing at all: not let in, or something is wrong. Nothing goes on from here.
http-request deny deny_status 502 unless { var(txn.preview_status) -m int 204 }";

const FORWARD: &str = "\
# The dev server sees one consistent world, its public name everywhere or localhost everywhere, and never our
# own cookies: what the daemon does not tell is not sent.
http-request set-header Host %[var(txn.preview_host)]
http-request del-header Origin
http-request set-header Origin %[var(txn.preview_origin)] if { var(txn.preview_origin) -m found }
http-request del-header Referer
http-request set-header Referer %[var(txn.preview_referer)] if { var(txn.preview_referer) -m found }
http-request del-header Cookie
http-request set-header Cookie %[var(txn.preview_cookie)] if { var(txn.preview_cookie) -m found }
http-request set-header X-Forwarded-Host %[var(txn.preview_forwarded_host)] if { var(txn.preview_forwarded_host) -m found }
http-request set-header X-Forwarded-Proto %[var(txn.preview_forwarded_proto)] if { var(txn.preview_forwarded_proto) -m found }
http-request set-header X-Forwarded-Port %[var(txn.preview_forwarded_port)] if { var(txn.preview_forwarded_port) -m found }
# The attached listener alone: 127.0.0.1 or ::1, never what a host name says.
http-request set-dst var(txn.preview_address)
http-request set-dst-port var(txn.preview_port)";

const ANSWER: &str = "\
# A good link is exchanged for cookies; what an attachment before this one left in the browser is cleared.
http-response add-header Set-Cookie %[var(txn.preview_set_cookie)] if { var(txn.preview_set_cookie) -m found }
http-response add-header Set-Cookie %[var(txn.preview_set_cookie_w)] if { var(txn.preview_set_cookie_w) -m found }
http-response set-header Clear-Site-Data %[var(txn.preview_clear_site_data)] if { var(txn.preview_clear_site_data) -m found }
# A URL with a token stays with its own host.
http-response set-header Referrer-Policy %[var(txn.preview_referrer_policy)] if { var(txn.preview_referrer_policy) -m found }
# What hands over a cookie, no cache may keep.
http-response set-header Cache-Control no-store if { var(txn.preview_set_cookie) -m found }
# Who may frame previews is not the dev server's to say.
http-response del-header X-Frame-Options";

pub(super) fn files(plan: &Plan, folder: Option<&Path>) -> Result<Vec<File>, Failure> {
    let folder = folder.unwrap_or(Path::new(FOLDER));
    let script = folder.join(SCRIPT);
    let script = word(Language::Haproxy, "the folder", &script.display().to_string())?;
    let (judge, forward, answer, load) = match &plan.judge {
        Judge::Daemon { .. } => {
            let refused =
                fill(ASK, &[("REFUSED", if plan.template.is_guessable() { GUESSABLE } else { TOLD })]);
            (refused, FORWARD.to_owned(), framing(plan)?, format!("lua-load {script}"))
        }
        Judge::Static { .. } => {
            (static_checks(plan)?, FORWARD_STATIC.to_owned(), String::new(), String::new())
        }
    };
    let crt = if plan.is_https() { Some(crt(plan.certificate()?)?) } else { None };
    let (daemon_rules, daemon_backend) = daemon_host(plan)?;
    let values = [
        ("TEMPLATE", plan.template.as_str()),
        ("FOLDER_NOTE", "Both files belong into the folder that lua-load names"),
        ("ABOUT", &about(plan, "#")),
        ("LUA", &load),
        ("NOBODY", NOBODY),
        ("REDIRECT", &redirect(plan)),
        ("BIND", &bind(plan, plan.place.port, crt.as_deref())),
        ("TRUST", &trust(plan)),
        ("DAEMON_HOST", &daemon_rules),
        ("PATTERN", &plan.pattern()),
        ("JUDGE", &judge),
        ("IDENTITY", &identity(plan)?),
        ("FORWARD", &forward),
        ("ANSWER", &answer),
        ("DAEMON_BACKEND", &daemon_backend),
    ];
    let mut files = vec![File { name: "haproxy.cfg", text: fill(include_str!("haproxy.cfg"), &values) }];
    if let Judge::Daemon { verify } = &plan.judge {
        let socket = format!("unix@{}", verify.display());
        // HAProxy expands variables in addresses.
        word(Language::Haproxy, "the socket", &socket)?;
        let socket = word(Language::Lua, "the socket", &socket)?;
        let values = [("TEMPLATE", plan.template.as_str()), ("SOCKET", &socket)];
        files.push(File { name: SCRIPT, text: fill(include_str!("haproxy.lua"), &values) });
    }
    Ok(files)
}

const GUESSABLE: &str = "http-request deny deny_status 403 if { var(txn.preview_status) -m int 403 }";

const TOLD: &str = "\
http-request deny deny_status 401 if { var(txn.preview_status) -m int 401 }
http-request deny deny_status 403 if { var(txn.preview_status) -m int 403 }
http-request deny deny_status 429 if { var(txn.preview_status) -m int 429 }";

const FORWARD_STATIC: &str = "\
http-request set-header X-Forwarded-Host %[req.hdr(host)]
http-request set-header X-Forwarded-Proto https if { ssl_fc }
http-request set-header X-Forwarded-Proto http unless { ssl_fc }
http-request set-header X-Forwarded-Port %[dst_port]
http-request set-dst str(127.0.0.1)
http-request set-dst-port var(txn.preview_port)";

/// The port in the host name, as long as it is allowed.
fn static_checks(plan: &Plan) -> Result<String, Failure> {
    let Judge::Static { ports } = &plan.judge else { return Ok(String::new()) };
    let (before, after) = plan.around_port()?;
    let (ranges, refused) = plan::ranges(ports);
    let pattern = plan.pattern();
    let mut lines = String::from(
        "# The port in the host name, as long as it is one of ports.allow and none of ports.deny or our own.\n",
    );
    if after.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Failure::usage(
            "a digit follows {port} in the template, and HAProxy could not tell where the port ends",
            "put a hyphen between them",
        ));
    }
    let host = "req.hdr(host),field(1,:),lower";
    let _ = writeln!(
        lines,
        "http-request deny deny_status 502 unless {{ {host} -m reg '^{before}[1-9][0-9]{{0,4}}{after}{pattern}$' }}"
    );
    let _ = writeln!(
        lines,
        "http-request set-var(txn.preview_port) {host},bytes({}),regsub([^0-9].*,)",
        before.len()
    );
    let ranges: Vec<String> = ranges.iter().map(|(first, last)| format!("{first}:{last}")).collect();
    let _ = writeln!(
        lines,
        "http-request deny deny_status 502 unless {{ var(txn.preview_port) -m int {} }}",
        ranges.join(" ")
    );
    if !refused.is_empty() {
        let refused: Vec<String> = refused.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            lines,
            "http-request deny deny_status 502 if {{ var(txn.preview_port) -m int {} }}",
            refused.join(" ")
        );
    }
    Ok(lines)
}

/// `crt`: HAProxy reads chain and key from one file, or the key from the file beside it.
fn crt(Certificate { cert, key }: &Certificate) -> Result<String, Failure> {
    let beside = format!("{}.key", cert.display());
    if key != cert && key.as_os_str() != beside.as_str() {
        return Err(Failure::usage(
            format!(
                "HAProxy reads a certificate and its key from one file, or the key from {beside}; the key is {}",
                key.display()
            ),
            "put both into one file (cat CERT KEY > bundle.pem, mode 0600) and give --cert bundle.pem",
        ));
    }
    word(Language::Haproxy, "--cert", &cert.display().to_string())
}

fn bind(plan: &Plan, port: Port, crt: Option<&str>) -> String {
    let ssl = crt.map(|crt| format!(" ssl crt {crt} alpn h2,http/1.1")).unwrap_or_default();
    let note = if crt.is_some() {
        "# HAProxy reads it when it starts or reloads: whoever renews it must reload it.\n"
    } else {
        ""
    };
    let line = |at: String| format!("bind {at}{ssl}\n");
    let lines: String = match plan.place.addresses.as_slice() {
        [] => line(format!(":::{port} v4v6")),
        addresses => addresses
            .iter()
            .map(|ip| match ip {
                IpAddr::V4(ip) => line(format!("{ip}:{port}")),
                IpAddr::V6(ip) => line(format!("[{ip}]:{port}")),
            })
            .collect(),
    };
    format!("{note}{lines}")
}

fn redirect(plan: &Plan) -> String {
    let Some(port) = plan.place.redirect else { return String::new() };
    format!(
        "# Plain HTTP is sent to https, path and query kept.\nfrontend preview_http\n    {}\n    \
         http-request redirect code 301 location https://%[req.hdr(host),field(1,:)]{}%[pathq]\n",
        bind(plan, port, None).trim_end().replace('\n', "\n    "),
        plan.port_suffix()
    )
}

fn trust(plan: &Plan) -> String {
    if plan.trusted.is_empty() {
        return String::new();
    }
    format!(
        "# The proxies in front of this one say who the visitor is (edge.trusted_proxies).\n\
         http-request set-src req.hdr_ip(x-forwarded-for,-1) if {{ src {} }}",
        plan.trusted_words()
    )
}

/// What visitors may not say of themselves.
fn identity(plan: &Plan) -> Result<String, Failure> {
    if plan.identity.is_empty() {
        return Ok(String::new());
    }
    let exact = |c: char| if matches!(c, '-' | '_') { "[-_]".to_owned() } else { regex_of(c) };
    let names = plan.identity.iter().map(|name| {
        word(Language::Haproxy, "access.forward_headers", name.as_str())?;
        Ok(name.as_str().chars().map(exact).collect::<String>())
    });
    let names = names.collect::<Result<Vec<_>, Failure>>()?.join("|");
    Ok(format!(
        "# Nor who he is, where a login would (access.forward_headers).\nhttp-request del-header '^({names})$' -m reg"
    ))
}

/// A regular expression of this character alone.
fn regex_of(c: char) -> String {
    if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\{c}") }
}

/// Who may frame previews: everybody, or the agent's app.
fn framing(plan: &Plan) -> Result<String, Failure> {
    if plan.app_origins.is_empty() {
        return Ok(ANSWER.to_owned());
    }
    let origins = plan.app_origins.join(" ");
    // `'` ends a word; within double quotes it is text, and these have no other special character.
    let is_plain = origins.chars().all(|c| c.is_ascii_alphanumeric() || " :/.-".contains(c));
    if !is_plain {
        word(Language::Haproxy, "access.app_origins", "'")?;
    }
    Ok(format!(
        "{ANSWER}\nhttp-response add-header Content-Security-Policy \"frame-ancestors 'self' {origins}\""
    ))
}

fn daemon_host(plan: &Plan) -> Result<(String, String), Failure> {
    let Some((host, socket)) = &plan.daemon_host else { return Ok((String::new(), String::new())) };
    let host = word(Language::Haproxy, "edge.daemon_host", host)?;
    let socket = word(Language::Haproxy, "the socket", &format!("unix@{}", socket.display()))?;
    let rules = format!(
        "# The daemon's API by its own host name, where a bearer key is needed. The certificate must cover it too.\n\
         use_backend preview_daemon if {{ req.hdr(host),field(1,:),lower -m str {host} }}"
    );
    let backend = format!(
        "\nbackend preview_daemon\n    http-request del-header '^(x[-_]forwarded[-_]|forwarded$|preview[-_]token$)' -m reg\n    \
         http-request set-header X-Real-IP %[src]\n    \
         http-request set-header X-Forwarded-For %[src]\n    \
         http-request set-header X-Forwarded-Host %[req.hdr(host)]\n    \
         http-request set-header X-Forwarded-Proto {}\n    \
         # The user of HAProxy must be able to open it: `api.edge_group: haproxy`.\n    \
         server daemon {socket}\n",
        plan.template.scheme().as_str()
    );
    Ok((rules, backend))
}
