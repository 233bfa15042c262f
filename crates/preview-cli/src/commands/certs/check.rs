//! `preview certs check`: what would keep a certificate from being had.

use preview_edge::certs::{self, Level};

use super::{config, told};
use crate::args::CertsCheck;
use crate::context::Context;
use crate::doctor::{Finding, Report};
use crate::failure::Failure;

pub(super) async fn run(context: &Context, args: &CertsCheck) -> Result<(), Failure> {
    let (config, output) = (config(context)?, context.output);
    let mut report = Report::new(output);
    let progress = output.progress("looking");
    let checked = certs::check(&config, !args.no_write, |finding| {
        progress.aside(|| report.add(finding_of(finding)));
    });
    checked.await.map_err(|error| told(&error))?;
    drop(progress);
    report.close()
}

/// As doctor tells it.
pub(super) fn finding_of(finding: certs::Finding) -> Finding {
    let certs::Finding { level, check, code, detail, fix } = finding;
    let fix = fix.unwrap_or_default();
    let finding = match level {
        Level::Ok => Finding::ok(check, detail),
        Level::Warn => Finding::warn(check, detail, fix),
        Level::Fail => Finding::fail(check, detail, fix),
    };
    finding.with_code(code)
}
