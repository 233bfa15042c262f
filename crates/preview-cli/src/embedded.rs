//! Daemon and edge in this process. They talk over the same socket as two processes would.

mod ports;

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use preview_core::refusal::Code;
use preview_core::settings::{Origin, Settings, SettingsError};
use preview_core::template::UrlTemplate;

use crate::context::{Context, Override, home, login_name};
use crate::failure::Failure;

/// What a pair is to be, beyond the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Serve below this domain.
    pub(crate) domain: Option<String>,
    /// The public port that the pair before had: taken as soon as it is free.
    pub(crate) port: Option<u16>,
}

/// A daemon and an edge that serve.
pub(crate) struct Pair {
    daemon: preview_daemon::Running,
    edge: preview_edge::Running,
    note: PathBuf,
    /// How public URLs are made, after ports were moved.
    pub(crate) template: UrlTemplate,
    /// What was decided that the configuration does not say, for people.
    pub(crate) notes: Vec<String>,
}

impl Pair {
    /// Starts both.
    pub(crate) async fn start(context: &Context, plan: &Plan) -> Result<Self, Failure> {
        let mut overrides = alone(context, plan);
        let settings = context.settings_with(&overrides)?;
        let moved = ports::plan(&settings, plan).await?;
        overrides.extend(moved.overrides);
        let settings = context.settings_with(&overrides)?;
        let template: UrlTemplate = template(&settings)?;
        let daemon = preview_daemon::start(daemon_config(&settings)?)
            .await
            .map_err(|error| Failure::found(error.code(), told(&error), ""))?;
        let edge = edge_config(&settings).map(|config| {
            preview_edge::start(preview_edge::Config { daemon_dir: daemon.dir().to_owned(), ..config })
        });
        let failed = match edge {
            Ok(Ok(edge)) => {
                let note = context.template_note();
                // Only `doctor` and `route` read it, and do without.
                let _ = fs::write(&note, template.as_str());
                return Ok(Self { daemon, edge, note, template, notes: moved.notes });
            }
            Ok(Err(error)) => Failure::found(edge_code(&error), told(&error), "check the keys below edge"),
            Err(failure) => failure,
        };
        daemon.stop().await;
        Err(failed)
    }

    /// Where the daemon is asked.
    pub(crate) fn socket(&self) -> PathBuf {
        self.daemon.dir().join("api.sock")
    }

    /// Where plain HTTP is served.
    pub(crate) fn http(&self) -> &[SocketAddr] {
        self.edge.http()
    }

    /// Where HTTPS is served.
    pub(crate) fn https(&self) -> &[SocketAddr] {
        self.edge.https()
    }

    /// Stops both: requests under way have `patience` to end. Tasks and attachments of others stay.
    pub(crate) async fn stop(self, patience: Duration) {
        let Self { daemon, edge, note, .. } = self;
        let drained = tokio::task::spawn_blocking(|| edge.stop());
        // What is still under way then ends with this process.
        let _ = tokio::time::timeout(patience, drained).await;
        let _ = fs::remove_file(note);
        daemon.stop().await;
    }
}

/// How a daemon would be told by `settings`.
pub(crate) fn daemon_config(settings: &Settings) -> Result<preview_daemon::Config, Failure> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    preview_daemon::Config::from_settings(settings, &home(), &host).map_err(unusable)
}

/// How an edge would be told by `settings`.
pub(crate) fn edge_config(settings: &Settings) -> Result<preview_edge::Config, Failure> {
    preview_edge::Config::from_settings(settings, &home()).map_err(unusable)
}

fn edge_code(error: &preview_edge::StartError) -> Code {
    match error {
        preview_edge::StartError::State(preview_edge::StateError::InUse(_)) => Code::StateInUse,
        _ => Code::ConfigInvalid,
    }
}

fn unusable(problem: SettingsError) -> Failure {
    Failure::Config { problem: Box::new(problem), snippet: None }
}

fn template(settings: &Settings) -> Result<UrlTemplate, Failure> {
    let text = settings.text("public_url_template").unwrap_or_default();
    text.parse().map_err(|error| {
        unusable(settings.impossible("public_url_template", format_args!("usable: {error}")))
    })
}

/// What a pair without a service manager is told beyond the configuration.
///
/// A daemon that root runs starts no tasks without `tasks.user`: a service serves many, and their code must not be
/// root's. Here there is one person, who already is root and starts a command of their own by a socket that only
/// root can open; it gets no right that a shell would not give it. With `--domain` others come in, and the rule holds.
fn alone(context: &Context, plan: &Plan) -> Vec<Override> {
    let mut overrides = Vec::new();
    if let Some(domain) = &plan.domain {
        let is_default = |key| context.settings.get(key).is_none_or(|it| it.origin == Origin::Default);
        let mut set = |key, value: &str| overrides.push(("--domain".to_owned(), key, value.to_owned()));
        if is_default("edge.https") {
            set("edge.https", ":443");
        }
        if is_default("edge.http") {
            set("edge.http", ":80");
        }
        let https = context.settings.text("edge.https").unwrap_or(":443");
        let port = https.rsplit_once(':').map_or("443", |(_, port)| port);
        let suffix = if port == "443" { String::new() } else { format!(":{port}") };
        set("public_url_template", &format!("https://{{id}}.preview.{domain}{suffix}"));
        return overrides;
    }
    let mut set = |key, value: String| overrides.push(("one-person mode".to_owned(), key, value));
    if rustix::process::geteuid().is_root() && context.settings.text("tasks.user").is_none() {
        set("tasks.user", login_name());
    }
    // Nobody scrapes it, and pairs of several people of one host would fight for the address.
    if context.settings.get("edge.metrics.listen").is_none_or(|it| it.origin == Origin::Default) {
        set("edge.metrics.listen", String::new());
    }
    overrides
}

/// An error with its causes.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
