//! `preview-daemon`: the control plane as a service.

mod load;
mod exit;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use preview_daemon::Config;
use tokio::signal::unix::{SignalKind, signal};

/// Keeps attachments, runs dev servers as tasks, and tells edges what there is.
#[derive(Parser)]
#[command(name = "preview-daemon", version)]
struct Args {
    /// The configuration file; without it the first found of the usual places.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let loaded = match load::config(args.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(error) => return exit::with(&error, exit::BAD_CONFIG),
    };
    load::start_log(&loaded.settings);
    match serve(loaded.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::with(&error, exit::FAILED),
    }
}

#[tokio::main]
async fn serve(config: Config) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let running = preview_daemon::start(config).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.stop().await;
    Ok(())
}
