//! `preview-edge`: the data plane as a service.

mod load;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use preview_edge::Config;
use tokio::signal::unix::{SignalKind, signal};

/// Terminates TLS, finds the route, decides access, forwards to the dev server.
#[derive(Parser)]
#[command(name = "preview-edge", version)]
struct Args {
    /// The configuration file; without it the first found of the usual places.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The configuration cannot be used; as the command line has it.
const BAD_CONFIG: u8 = 2;

fn main() -> ExitCode {
    let args = Args::parse();
    let loaded = match load::config(args.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(error) => return say(&error, BAD_CONFIG),
    };
    load::start_log(&loaded.settings);
    match serve(loaded.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => say(&error, 1),
    }
}

fn serve(config: Config) -> Result<()> {
    let signals = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let running = signals.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
        let running = preview_edge::start(config)?;
        tracing::info!(http = ?running.http(), https = ?running.https(), "the edge serves");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok::<_, anyhow::Error>(running)
    })?;
    running.stop();
    Ok(())
}

#[expect(clippy::print_stderr, reason = "whoever starts a service reads here why it does not start")]
fn say(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("preview-edge: {error:#}");
    ExitCode::from(code)
}
