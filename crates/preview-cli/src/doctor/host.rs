//! What can be said of this host.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use preview_core::listener::Loopback;
use preview_core::ports::{Port, PortRanges};
use preview_core::refusal::Code;
use preview_core::template::{Scheme, UrlTemplate};
use preview_core::wire::api::{AttachmentView, Health, ModuleHealth};
use preview_sockets::{Diag, SocketSeen, receiving};
use rustix::process::{Resource, getrlimit};

use super::finding::{Finding, Report};
use crate::client::{Door, Https, Place};
use crate::commands::view;
use crate::context::{Context, shorten};
use crate::failure::Failure;

pub(super) async fn check(context: &Context, report: &mut Report) -> Result<(), Failure> {
    report.add(configuration(context));
    for warning in context.settings.warnings() {
        report.add(Finding::warn("config", warning, "say it in one place"));
    }
    report.add(state(context));
    let listening = Diag::open().and_then(|mut diag| diag.listening()).unwrap_or_default();
    let client = context.client()?;
    match client.health().await {
        Ok(told) => {
            report.add(Finding::ok("daemon.health", format!("answers at {}", client.door())));
            report.add(isolation(&told));
            let (health, all) = (client.module_health().await?, client.list(None).await?);
            report.add(Finding::ok("module.health", format!("{} attached", health.count)));
            report.add(limits(&health, &all));
            report.add(edge(&context.running_template()?).await);
            upstreams(report, &all, &listening);
        }
        Err(failure) if failure.is(Code::DaemonUnreachable) && context.global().daemon.is_none() => {
            let fix = "none is needed for `preview run -- CMD`; `preview up` keeps one";
            report.add(Finding::warn("daemon.health", format!("none answers at {}", client.door()), fix));
            report.add(edge_port(&context.template()?, &listening));
        }
        Err(failure) => {
            report.add(Finding::fail("daemon.health", failure.to_string(), "start it, or mend --daemon"));
        }
    }
    if let Some(finding) = super::acme::certificate(context).await {
        report.add(finding);
    }
    report.add(ephemeral(context));
    report.add(descriptors(context));
    Ok(())
}

fn configuration(context: &Context) -> Finding {
    match context.template() {
        Ok(template) => {
            let file = context.file.as_deref().map_or_else(|| "no file, all defaults".to_owned(), shorten);
            Finding::ok("config", format!("{file} · {template}"))
        }
        Err(failure) => Finding::fail("config", failure.to_string(), "mend public_url_template"),
    }
}

fn state(context: &Context) -> Finding {
    const CHECK: &str = "state";
    let folder = context.state_dir();
    let shown = shorten(&folder);
    let Ok(about) = fs::metadata(&folder) else {
        return Finding::ok(CHECK, format!("{shown} is not there yet; it is made when needed"));
    };
    let (mode, own) = (about.permissions().mode() & 0o777, rustix::process::geteuid().as_raw());
    if about.uid() != own {
        let fix = "run this as its owner, or give state_dir";
        return Finding::warn(CHECK, format!("{shown} belongs to uid {}, not to you", about.uid()), fix);
    }
    if mode & 0o077 != 0 {
        let fix = format!("chmod 700 {shown}");
        return Finding::fail(CHECK, format!("{shown} is open to others (mode {mode:o})"), fix);
    }
    Finding::ok(CHECK, shown)
}

fn limits(health: &ModuleHealth, all: &[AttachmentView]) -> Finding {
    const CHECK: &str = "limits.usage";
    let most = health.limits.max_per_session as usize;
    let of = |session: &str| all.iter().filter(|it| it.session_id == session).count();
    let fullest = all.iter().map(|it| it.session_id.as_str()).max_by_key(|session| of(session));
    let Some(session) = fullest else { return Finding::ok(CHECK, "nothing is attached") };
    let used = of(session);
    let told = format!("session {session} has {used} of {most}");
    if used < most {
        return Finding::ok(CHECK, told);
    }
    let idle = all.iter().filter(|it| it.session_id == session).min_by_key(|it| it.last_hit_at);
    let fix = idle.map_or_else(String::new, |it| {
        format!("preview detach {} --session {session} (last visit: {})", it.name, view::ago(it.last_hit_at))
    });
    Finding::warn(CHECK, format!("{told}: the next attach is refused"), fix)
}

/// Asks the edge as a stranger would ask.
async fn edge(template: &UrlTemplate) -> Finding {
    const CHECK: &str = "edge.listening";
    let Some(port) = template.public_port() else {
        return Finding::ok(CHECK, "the template needs no edge: it names the dev server's own port");
    };
    let place = Place { tls: template.scheme() == Scheme::Https, host: "localhost".into(), port: port.get() };
    let fix = "start it: `preview up`, or preview-edge with the same configuration";
    if place.tls {
        return match place.connect(None).await {
            Ok(_) => Finding::ok(CHECK, format!("port {port} takes connections")),
            Err(error) => Finding::fail(CHECK, format!("port {port}: {error}"), fix),
        };
    }
    let host = format!("preview-9999.{}", template.base());
    let request = Request::get("/").header(header::HOST, host).body(Full::new(Bytes::new()));
    let answer = match request {
        Ok(request) => {
            Door::Tcp(place, Https::default()).send(request).await.map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    match answer.map(|answer| answer.status()) {
        Ok(StatusCode::BAD_GATEWAY) => {
            Finding::ok(CHECK, format!("port {port} answers 502 for what is not there"))
        }
        Ok(status) => {
            Finding::fail(CHECK, format!("port {port} answers {status}: that is not our edge"), fix)
        }
        Err(why) => Finding::fail(CHECK, format!("port {port}: {why}"), fix),
    }
}

/// Whether an edge could have its port.
fn edge_port(template: &UrlTemplate, listening: &[SocketSeen]) -> Finding {
    const CHECK: &str = "edge.port";
    let Some(port) = template.public_port() else { return Finding::ok(CHECK, "the template needs no edge") };
    if holders(port, listening).is_empty() {
        return Finding::ok(CHECK, format!("port {port} is free for an edge"));
    }
    let fix = "nothing need be done: `preview run` and `preview up` take the next free one";
    Finding::warn(CHECK, format!("port {port} is held by another program"), fix)
}

fn upstreams(report: &mut Report, all: &[AttachmentView], listening: &[SocketSeen]) {
    const CHECK: &str = "edge.upstream";
    for it in all {
        let told = format!("{}: {}", it.name, view::listener(it));
        let listeners = Port::new(it.port).map_or_else(|_| Vec::new(), |port| holders(port, listening));
        report.add(if view::state(it) == "down" || listeners.is_empty() {
            let fix = format!("start its dev server again, or preview detach {}", it.name);
            Finding::warn(CHECK, format!("{told}: nothing listens there"), fix)
        } else if listeners.iter().any(SocketSeen::is_wildcard) {
            let fix = "let it bind 127.0.0.1 alone: as it is, others reach it past the edge";
            Finding::warn(CHECK, format!("{told}: listens on every address of this host"), fix)
        } else {
            Finding::ok(CHECK, told)
        });
    }
}

fn holders(port: Port, listening: &[SocketSeen]) -> Vec<SocketSeen> {
    let at = |loopback: Loopback| receiving(listening, SocketAddr::new(loopback.ip(), port.get()));
    [Loopback::V4, Loopback::V6].into_iter().flat_map(at).collect()
}

fn ephemeral(context: &Context) -> Finding {
    const CHECK: &str = "ports.ephemeral";
    let allow: Option<PortRanges> = context.settings.text("ports.allow").and_then(|text| text.parse().ok());
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let ends: Vec<Port> = range.split_whitespace().filter_map(|text| text.parse().ok()).collect();
    match (allow, ends.as_slice()) {
        (Some(allow), [first, last]) if allow.overlap(*first, *last) => {
            let fix = "move ports.allow, or net.ipv4.ip_local_port_range";
            Finding::warn(
                CHECK,
                format!("outgoing connections take {first}-{last}, ports.allow is {allow}"),
                fix,
            )
        }
        (Some(allow), [first, last]) => Finding::ok(CHECK, format!("{allow} is clear of {first}-{last}")),
        _ => Finding::warn(CHECK, "the ports of outgoing connections are not known", "look at ports.allow"),
    }
}

/// A connection to the edge is one to the dev server too: two descriptors.
fn descriptors(context: &Context) -> Finding {
    const CHECK: &str = "fd.limit";
    let needed = context.settings.number("edge.limits.connections").saturating_mul(2);
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most < needed => {
            let fix =
                format!("raise it (LimitNOFILE, ulimit -n) to {needed}, or lower edge.limits.connections");
            Finding::warn(CHECK, format!("at most {most} open files"), fix)
        }
        Some(most) => Finding::ok(CHECK, format!("{most} open files")),
        None => Finding::ok(CHECK, "no limit on open files"),
    }
}

/// The level that is in force. One person needs no walls, so it is no warning.
fn isolation(health: &Health) -> Finding {
    let told = match (&health.hint, health.isolation.as_str()) {
        (Some(hint), _) => format!("one-person mode: {hint}"),
        (None, "user") => "tasks run as a user of their own, which all sessions share".to_owned(),
        (None, level) => level.to_owned(),
    };
    Finding::ok("isolation", told)
}
