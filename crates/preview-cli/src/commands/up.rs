//! `preview up`: daemon and edge in the foreground.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use crate::args::Up;
use crate::context::{Context, shorten};
use crate::embedded::{Pair, Plan};
use crate::failure::Failure;
use crate::log;
use crate::output::{FAINT, GOOD, Output};
use crate::stop::{Asked, Stop};

/// How long to drain beyond what the edge itself is told (`edge.limits.drain`).
const BEYOND: Duration = Duration::from_secs(5);

pub(super) async fn run(context: &Context, args: &Up) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let level = context.settings.text("log.level").unwrap_or("info");
    let level = if context.output.is_terminal() { "warn" } else { level };
    log::start(&context.settings, level, context.global().verbose);
    let plan = Plan { domain: args.domain.clone(), port: None };
    let pair = Pair::start(context, &plan).await?;
    tell(context, &pair);
    let asked = stop.asked().await;
    let patience = context.settings.duration("edge.limits.drain") + BEYOND;
    context.output.note("stopping: what is under way may end, a second signal cuts it");
    tokio::select! {
        () = pair.stop(patience) => {}
        _ = stop.asked() => return Err(Failure::Interrupted),
    }
    match asked {
        Asked::Interrupt => Err(Failure::Interrupted),
        Asked::Terminate | Asked::HangUp => Ok(()),
    }
}

fn tell(context: &Context, pair: &Pair) {
    let output = context.output;
    let socket = pair.socket();
    if output.is_json() {
        output.json(&json!({
            "event": "up",
            "public_url_template": pair.template.as_str(),
            "http": addresses(pair.http()),
            "https": addresses(pair.https()),
            "api": socket,
            "state_dir": context.state_dir(),
        }));
        return;
    }
    if output.is_terminal() {
        output.line(format_args!("{GOOD}✓{GOOD:#} up"));
    }
    fact(output, "previews", pair.template.as_str());
    for (what, at) in [("http", pair.http()), ("https", pair.https())] {
        if !at.is_empty() {
            fact(output, what, &addresses(at).join(", "));
        }
    }
    fact(output, "api", &shorten(&socket));
    fact(output, "state", &shorten(&context.state_dir()));
    for note in &pair.notes {
        output.warn(note);
    }
    if context.settings.text("edge.tls.mode") == Some("acme") && !pair.https().is_empty() {
        output.note("certificate: ordered by itself; `preview certs list` says how far it is");
    }
    output.note("next: `preview run -- npm run dev`, or `preview attach PORT`; Ctrl-C stops");
}

fn fact(output: Output, what: &str, value: &str) {
    if output.is_terminal() {
        output.line(format_args!("  {FAINT}{what:<9}{FAINT:#} {value}"));
    } else {
        output.row(&[what, value]);
    }
}

fn addresses(all: &[SocketAddr]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}
