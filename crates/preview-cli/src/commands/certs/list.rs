//! `preview certs list`: how the certificate stands.

use preview_edge::certs;

use super::{config, standing, told};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{FAINT, Output};

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let listed = certs::list(&config(context)?).await.map_err(|error| told(&error))?;
    let output = context.output;
    if !listed.is_running {
        output.note("no edge runs: this is what its files say");
    }
    show(output, &listed.report);
    Ok(())
}

/// The answer of everything that ends with a certificate.
pub(super) fn show(output: Output, report: &certs::Report) {
    if output.is_json() {
        output.json(report);
        return;
    }
    for (what, value) in standing::facts(report, standing::now()) {
        if output.is_terminal() {
            output.line(format_args!("{FAINT}{what:<12}{FAINT:#} {value}"));
        } else {
            output.row(&[what, &value]);
        }
    }
}
