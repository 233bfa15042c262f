//! The program `preview`.

use std::process::ExitCode;

use clap::Parser;
use preview_cli::args::Args;
use preview_cli::exit::Exit;

fn main() -> ExitCode {
    let args = Args::parse();
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(preview_cli::run(args)).into(),
        Err(_) => Exit::FAILED.into(),
    }
}
