//! `preview certs`: the certificates that the edge orders.

mod plan;
mod standing;
mod list;
mod obtain;
mod check;
mod clean;

use preview_edge::certs::CertsError;

use crate::args::CertsVerb;
use crate::context::Context;
use crate::embedded::edge_config;
use crate::failure::Failure;

pub(super) async fn run(context: &Context, verb: CertsVerb) -> Result<(), Failure> {
    match verb {
        CertsVerb::List => list::run(context).await,
        CertsVerb::Issue => obtain::run(context, preview_edge::certs::Want::Due).await,
        CertsVerb::Renew => obtain::run(context, preview_edge::certs::Want::New).await,
        CertsVerb::Check(args) => check::run(context, &args).await,
        CertsVerb::Clean => clean::run(context).await,
        CertsVerb::Plan(args) => plan::run(context, &args),
    }
}

/// A moment, seconds since 1970, as people read it.
pub(crate) fn moment(at: u64) -> String {
    standing::told(at, standing::now())
}

fn config(context: &Context) -> Result<preview_edge::Config, Failure> {
    edge_config(&context.settings)
}

fn told(error: &CertsError) -> Failure {
    Failure::found(error.code(), error.to_string(), error.hint())
}
