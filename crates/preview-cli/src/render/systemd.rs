//! Units for the two services: the daemon with the four rights it needs, the edge with none or one.

use std::path::Path;

use preview_core::refusal::Code;

use super::plan::Plan;
use super::quote::{Language, word};
use super::{File, fill};
use crate::failure::Failure;

/// Where the daemon's state lies as a service; its sockets then lie in `/run/preview`.
const STATE: &str = "/var/lib/preview";
/// Below which systemd makes folders of state.
const STATES: &str = "/var/lib";

pub(super) fn files(plan: &Plan) -> Result<Vec<File>, Failure> {
    let service = &plan.service;
    if service.state != Path::new(STATE) {
        return Err(unfit(
            format!("as a service the daemon keeps its state in {STATE}, not in {}", service.state.display()),
            "set state_dir: /var/lib/preview",
        ));
    }
    let edge_state = service.edge_state.strip_prefix(STATES).ok().filter(|_| {
        // systemd gives a folder of state and all below it to one user.
        !service.edge_state.starts_with(STATE) && service.edge_state != Path::new(STATES)
    });
    let Some(edge_state) = edge_state else {
        return Err(unfit(
            format!(
                "the edge is a user of its own and needs a folder of its own in {STATES}, not {}",
                service.edge_state.display()
            ),
            "set edge.state_dir: /var/lib/preview-edge",
        ));
    };
    let Some(group) = &service.edge_group else {
        return Err(unfit(
            "the edge is a user of its own, and no group may open the daemon's edge.sock".to_owned(),
            "set api.edge_group: preview-edge",
        ));
    };
    let verify_group = service.verify_group.as_deref();
    if let Some(group) = [Some(group.as_str()), verify_group].into_iter().flatten().find(|it| !is_name(it)) {
        return Err(unfit(format!("{group:?} is no name of a group"), "give its plain name"));
    }
    let groups = [group, verify_group.unwrap_or_default()].join(" ");
    let config = path("--config", &service.config)?;
    let state = path("edge.state_dir", edge_state)?;
    if state.contains(char::is_whitespace) {
        return Err(unfit("edge.state_dir has a space in it".to_owned(), "give it a plainer name"));
    }
    let daemon_credentials = match &service.keys_file {
        Some(file) => credential("keys", "PREVIEW_API__KEYS_FILE", &path("api.keys_file", file)?),
        None => String::new(),
    };
    let edge_credentials = match &service.tls {
        Some(tls) => format!(
            "# Credentials are read once: whoever renews the certificate must restart the edge.\n{}\n{}",
            credential("tls.cert", "PREVIEW_EDGE__TLS__CERT", &path("edge.tls.cert", &tls.cert)?),
            credential("tls.key", "PREVIEW_EDGE__TLS__KEY", &path("edge.tls.key", &tls.key)?)
        ),
        None => String::new(),
    };
    let tasks = match &service.tasks_user {
        Some(_) => TASKS,
        None => NO_TASKS,
    };
    let (low_ports, bounding) =
        if service.low_ports { (LOW_PORTS, "CAP_NET_BIND_SERVICE") } else { ("", "") };
    let values = [
        ("CONFIG", config.as_str()),
        ("GROUP", group),
        ("GROUPS", groups.trim_end()),
        ("EDGE_STATE", &state),
        ("DAEMON_CREDENTIALS", &daemon_credentials),
        ("EDGE_CREDENTIALS", &edge_credentials),
        ("TASKS", tasks),
        ("LOW_PORTS", low_ports),
        ("BOUNDING", bounding),
    ];
    let unit = |name, template| File { name, text: fill(template, &values) };
    Ok(vec![
        unit("preview-daemon.service", include_str!("preview-daemon.service")),
        unit("preview-edge.service", include_str!("preview-edge.service")),
    ])
}

const TASKS: &str = "\
# It becomes tasks.user for tasks (SETUID, SETGID), ends them (KILL), and sees whose a listener of another user is
# (SYS_PTRACE). Tasks start with none of these.
AmbientCapabilities=CAP_SETUID CAP_SETGID CAP_KILL CAP_SYS_PTRACE
CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL CAP_SYS_PTRACE";

const NO_TASKS: &str = "\
# It sees whose a listener of another user is. It starts no tasks: for these set tasks.user in the configuration and
# render anew, as they take more rights.
AmbientCapabilities=CAP_SYS_PTRACE
CapabilityBoundingSet=CAP_SYS_PTRACE";

const LOW_PORTS: &str = "\
# Ports below 1024, and no other right.
AmbientCapabilities=CAP_NET_BIND_SERVICE";

/// The file as a credential, and the variable that leads our configuration to it.
fn credential(id: &str, variable: &str, path: &str) -> String {
    format!("LoadCredential={id}:{path}\nEnvironment={variable}=%d/{id}")
}

fn path(what: &str, path: &Path) -> Result<String, Failure> {
    word(Language::SystemdPath, what, &path.display().to_string())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

fn unfit(detail: String, hint: &str) -> Failure {
    Failure::found(Code::ConfigInvalid, detail, hint)
}
