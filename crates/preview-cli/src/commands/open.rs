//! `preview open`: opens an attachment in the browser. Links rest nowhere, so it hands out a new one.

use std::env;
use std::process::{Command, Stdio};

use super::view;
use crate::args::Named;
use crate::context::Context;
use crate::failure::Failure;

pub(super) async fn run(context: &Context, args: &Named) -> Result<(), Failure> {
    let client = context.client()?;
    let found = client.find(&context.session()?, &args.name).await?;
    let view = client.rotate(&found.view.id).await?;
    view::link(context.output, &view);
    if !browse(view::url(&view)) {
        context.output.note("no browser could be started: open the link yourself");
    }
    Ok(())
}

/// Starts the person's browser with a URL; false if there is none.
#[must_use]
pub fn browse(url: &str) -> bool {
    let own = env::var("BROWSER").ok().filter(|program| !program.is_empty() && program != "none");
    own.iter().map(String::as_str).chain(["xdg-open", "open"]).any(|program| {
        let quiet = Stdio::null;
        Command::new(program).arg(url).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().is_ok()
    })
}
