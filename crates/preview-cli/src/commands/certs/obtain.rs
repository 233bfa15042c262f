//! `preview certs issue` and `renew`: a certificate now, step by step.

use preview_edge::certs::{self, Obtained, Report, Want};
use serde_json::json;

use super::{config, list, told};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{GOOD, Output};

pub(super) async fn run(context: &Context, want: Want) -> Result<(), Failure> {
    let (config, output) = (config(context)?, context.output);
    // What goes wrong is told as the answer.
    crate::log::start(&context.settings, "off", context.global().verbose);
    let progress = output.progress("asking");
    let obtained = certs::obtain(&config, want, |report| {
        progress.aside(|| step(output, report));
        progress.now(words(&report.state));
    });
    let obtained = obtained.await.map_err(|error| told(&error))?;
    drop(progress);
    match obtained {
        Obtained::NotDue(report) => {
            output.note("nothing is due: `preview certs renew` orders a new one all the same");
            list::show(output, &report);
        }
        Obtained::Made(report) if output.is_json() => {
            output.json(&json!({ "event": "issued", "certificate": report }));
        }
        Obtained::Made(report) => {
            if output.is_terminal() {
                output.line(format_args!("{GOOD}✓{GOOD:#} a new certificate is in force"));
            }
            list::show(output, &report);
        }
    }
    Ok(())
}

fn step(output: Output, report: &Report) {
    let authority = report.authority.as_deref().unwrap_or_default();
    if output.is_json() {
        output.json(&json!({ "event": "step", "state": report.state, "authority": authority }));
    } else {
        output.note(format_args!("{authority}: {}", words(&report.state)));
    }
}

/// A state in words.
fn words(state: &str) -> &str {
    match state {
        "keyed" => "a key is made",
        "ordered" => "the order is placed",
        "presented" => "the records are written to DNS",
        "seen" => "every name server shows them",
        "validating" => "the authority looks for them",
        "ready" => "the names are proved",
        "finalized" => "the request is signed and sent",
        other => other,
    }
}
