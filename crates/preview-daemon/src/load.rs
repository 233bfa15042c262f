//! Reads files and environment, in this one place.

use std::env;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use preview_core::settings::{Settings, Sources, text_of};
use preview_daemon::Config;
use tracing_subscriber::EnvFilter;

/// What was read.
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    pub(crate) config: Config,
}

/// The configuration from the given file, or the first found of the usual places, and the environment.
pub(crate) fn config(given: Option<&Path>) -> Result<Loaded> {
    let home = PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/".into()));
    let named = given.map(Path::to_owned).or_else(|| env::var_os("PREVIEW_CONFIG").map(PathBuf::from));
    let usual = [
        home.join(".digitorn/config.yaml"),
        home.join(".config/preview/config.yaml"),
        PathBuf::from("/etc/preview/config.yaml"),
    ];
    let file = named.or_else(|| usual.into_iter().find(|path| path.exists()));
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let path = path.display().to_string();
        let text = text_of(&path, &bytes)?.to_owned();
        Ok::<_, anyhow::Error>((path, text))
    };
    let file = file.map(read).transpose()?;
    let env: Vec<(String, String)> = env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let file = file.as_ref().map(|(path, text)| (path.as_str(), text.as_str()));
    let settings = Settings::load(Sources { file, env: &env, flags: &[] })?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let config = Config::from_settings(&settings, &home, &host)?;
    Ok(Loaded { settings, config })
}

/// Starts logging to standard error, as `log.format` and `log.level` say.
pub(crate) fn start_log(settings: &Settings) {
    let level = settings.text("log.level").unwrap_or("info");
    let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(level)).with_writer(io::stderr);
    let is_text = match settings.text("log.format") {
        Some("text") => true,
        Some("json") => false,
        _ => io::stderr().is_terminal(),
    };
    if is_text {
        log.init();
    } else {
        log.json().init();
    }
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
}
