//! One file for each thing that can be typed.

pub mod view;
mod qr;
mod run;
mod up;
mod attach;
mod detach;
mod ls;
mod show;
mod open;
mod logs;
mod rotate;
mod share;
mod block;
mod audit;
mod route;
pub(crate) mod certs;
mod config;
mod render;
mod explain;
mod paper;

use crate::args::Verb;
use crate::context::Context;
use crate::failure::Failure;

pub use open::browse;

/// Does what was typed.
pub async fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Run(args) => run::run(context, &args).await,
        Verb::Up(args) => up::run(context, &args).await,
        Verb::Doctor(args) => crate::doctor::run(context, &args).await,
        Verb::Attach(args) => attach::run(context, &args).await,
        Verb::Detach(args) => detach::run(context, &args).await,
        Verb::Ls(args) => ls::run(context, &args).await,
        Verb::Show(args) => show::run(context, &args).await,
        Verb::Open(args) => open::run(context, &args).await,
        Verb::Logs(args) => logs::run(context, &args).await,
        Verb::Rotate(args) => rotate::rotate(context, &args).await,
        Verb::Revoke(args) => rotate::revoke(context, &args).await,
        Verb::Share(args) => share::run(context, &args).await,
        Verb::Visibility(args) => share::visibility(context, &args).await,
        Verb::Block(args) => block::block(context, &args).await,
        Verb::Unblock(args) => block::unblock(context, &args).await,
        Verb::Audit { verb } => audit::run(context, verb).await,
        Verb::Route(args) => route::run(context, &args).await,
        Verb::Certs { verb } => certs::run(context, verb).await,
        Verb::Config { verb } => config::run(context, verb),
        Verb::Render(args) => render::run(context, &args),
        Verb::Explain { code } => explain::run(context.output, code.as_deref()),
        Verb::Completions { shell } => {
            paper::completions(context.output, shell);
            Ok(())
        }
        Verb::Man { out } => paper::man(context.output, out.as_deref()),
    }
}
