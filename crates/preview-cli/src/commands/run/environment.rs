//! What a dev server is told: the port, by every name that servers read it from.

use std::collections::BTreeMap;
use std::env;

use crate::context::{Context, login_name};

/// Variables that name the port, each read by its own server.
const PORT_NAMES: [&str; 7] = [
    "PORT",
    "FLASK_RUN_PORT",
    "UVICORN_PORT",
    "STREAMLIT_SERVER_PORT",
    "GRADIO_SERVER_PORT",
    "JUPYTER_PORT",
    "RCT_METRO_PORT",
];

/// Ours, and nobody else's business.
const OWN: [&str; 2] = ["PREVIEW_KEY", "PREVIEW_TASK"];

/// The environment of a command that is given `port`, below whose `base` its public name will be.
pub(super) fn of(context: &Context, base: &str, port: u16) -> BTreeMap<String, String> {
    let mut all = inherited(context);
    all.extend(PORT_NAMES.map(|name| (name.to_owned(), port.to_string())));
    all.insert("HOST".into(), "127.0.0.1".into());
    all.insert("BROWSER".into(), "none".into());
    all.insert("__VITE_ADDITIONAL_SERVER_ALLOWED_HOSTS".into(), format!(".{base}"));
    // Its output goes to a file and comes back to a terminal.
    if context.output.has_colour() && !all.contains_key("NO_COLOR") {
        all.entry("FORCE_COLOR".into()).or_insert_with(|| "1".into());
    }
    all
}

/// All that this process has, as a shell would pass it on; nothing of it to another user's process.
fn inherited(context: &Context) -> BTreeMap<String, String> {
    if context.settings.text("tasks.user").is_some_and(|user| user != login_name()) {
        return BTreeMap::new();
    }
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| is_name(name) && !OWN.contains(&name.as_str()))
        .collect()
}

/// What a POSIX shell takes as a variable's name; bash's exported functions are none.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
