//! `preview doctor`: looks, changes nothing, and says how to mend what it finds.

mod finding;
mod deployment;
mod daemon;
mod dns;
mod certificate;
mod edge;
mod host;
mod acme;

use crate::args::Doctor;
use crate::context::Context;
use crate::failure::Failure;
pub(crate) use finding::{Finding, Report};

/// Checks a deployment from anywhere if `--base` is given, else this host.
pub async fn run(context: &Context, args: &Doctor) -> Result<(), Failure> {
    let mut report = Report::new(context.output);
    match (&args.base, &context.global().daemon) {
        (Some(base), Some(daemon)) => {
            let deployment = deployment::Deployment::new(base, daemon, args)?;
            report.add(daemon::health(&deployment).await);
            report.add(daemon::module(&deployment).await);
            report.add(dns::wildcard(&deployment).await);
            report.add(certificate::covers(&deployment).await);
            report.add(edge::unused(&deployment).await);
        }
        _ => host::check(context, &mut report).await?,
    }
    report.close()
}
