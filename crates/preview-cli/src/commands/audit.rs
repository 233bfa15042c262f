//! `preview audit`: who did what, and whether that is all there was.

mod tail;
mod verify;

use crate::args::AuditVerb;
use crate::context::Context;
use crate::failure::Failure;

pub(super) async fn run(context: &Context, verb: AuditVerb) -> Result<(), Failure> {
    match verb {
        AuditVerb::Tail(args) => tail::run(context, &args).await,
        AuditVerb::Verify(args) => verify::run(context, &args).await,
    }
}
