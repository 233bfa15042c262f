//! What the pair in this process logs, to standard error.

use std::io::{self, IsTerminal as _};

use preview_core::settings::Settings;
use tracing_subscriber::EnvFilter;

/// How much is logged where nobody asked for it: somebody's dev server speaks, we only of what is broken.
pub(crate) const ASIDE: &str = "error";

/// Starts logging at `level`, or at what so many `-v` ask for.
pub(crate) fn start(settings: &Settings, level: &str, verbose: u8) {
    let level = match verbose {
        0 => level,
        1 => "info",
        _ => "debug",
    };
    let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(level)).with_writer(io::stderr);
    let is_text = match settings.text("log.format") {
        Some("text") => true,
        Some("json") => false,
        _ => io::stderr().is_terminal(),
    };
    // A second start in one process changes nothing.
    let _ = if is_text { log.try_init() } else { log.json().try_init() };
}
