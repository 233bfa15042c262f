//! `preview detach`: takes attachments down.

use preview_core::wire::api::Detached;

use crate::args::Detach;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{GOOD, Output};

pub(super) async fn run(context: &Context, args: &Detach) -> Result<(), Failure> {
    let (client, session, output) = (context.client()?, context.session()?, context.output);
    if let Some(name) = &args.name {
        let found = client.find(&session, name).await?;
        tell(output, &client.detach(&found.view.id).await?);
        return Ok(());
    }
    if args.all {
        for view in client.list(Some(&session)).await? {
            tell(output, &client.detach(&view.id).await?);
        }
        return Ok(());
    }
    if context.global().session.is_none() {
        let hint = "`preview detach NAME`, `preview detach --all`, or --session S to end a session";
        return Err(Failure::usage("nothing says what to detach", hint));
    }
    let ended = client.end_session(&session).await?;
    if output.is_json() {
        output.json(&ended);
        return Ok(());
    }
    for name in &ended.detached {
        detached(output, name);
    }
    output.note(format_args!("session {} ended, {} tasks with it", ended.session_id, ended.tasks.len()));
    Ok(())
}

fn tell(output: Output, answer: &Detached) {
    if output.is_json() {
        output.json(answer);
    } else {
        detached(output, &answer.name);
    }
}

fn detached(output: Output, name: &str) {
    if output.is_terminal() {
        output.line(format_args!("{GOOD}✓{GOOD:#} {name} detached"));
    } else {
        output.row(&[name, "detached"]);
    }
}
