//! `preview`: what people type.
//!
//! Reading order is the order of the modules: what can be typed ([`args`]), how it ends ([`exit`], [`failure`]),
//! how it is told ([`output`]), what it stands on ([`context`], [`client`]), then the subcommands.

pub mod args;
pub mod exit;
pub mod failure;
pub mod output;
pub mod context;
pub mod client;
mod tls;
mod stop;
mod log;
mod embedded;
mod render;
pub mod commands;
pub mod doctor;

use args::{Args, Colour};
use context::Context;
use exit::Exit;
use output::Output;

/// Does what was typed, tells what went wrong, and says how to end.
pub async fn run(args: Args) -> Exit {
    colour(args.global.color);
    let output = Output::new(args.global.json, args.global.quiet);
    let done = match Context::new(args.global) {
        Ok(context) => commands::run(&context, args.verb).await,
        Err(failure) => Err(failure),
    };
    match done {
        Ok(()) => Exit::OK,
        Err(failure) => {
            output.failure(&failure);
            failure.exit()
        }
    }
}

fn colour(when: Colour) {
    match when {
        Colour::Auto => {}
        Colour::Always => anstream::ColorChoice::Always.write_global(),
        Colour::Never => anstream::ColorChoice::Never.write_global(),
    }
}
