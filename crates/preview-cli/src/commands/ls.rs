//! `preview ls`: what is attached, once or as it changes.

use std::time::Duration;

use preview_core::wire::api::{AttachmentList, AttachmentView};
use tokio::time::sleep;

use super::view;
use crate::args::Ls;
use crate::client::Client;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Output;

/// How often a watched list is looked at.
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn run(context: &Context, args: &Ls) -> Result<(), Failure> {
    let client = context.client()?;
    if args.watch {
        return watch(context, &client).await;
    }
    let all = list(context, &client).await?;
    if context.output.is_json() {
        context.output.json(&AttachmentList { attachments: all, cursor: None });
    } else if all.is_empty() {
        context.output.note("nothing is attached: `preview run -- CMD` or `preview attach PORT`");
    } else {
        show(context.output, &all);
    }
    Ok(())
}

/// Those of `--session` if it is given, else all that one may know of, by session and name.
async fn list(context: &Context, client: &Client) -> Result<Vec<AttachmentView>, Failure> {
    let only = context.global().session.as_ref().map(|_| context.session()).transpose()?;
    let mut all = client.list(only.as_ref()).await?;
    all.sort_by(|a, b| (&a.session_id, &a.name).cmp(&(&b.session_id, &b.name)));
    Ok(all)
}

fn show(output: Output, all: &[AttachmentView]) {
    // On a terminal one session's name says nothing; a script gets the same columns every time.
    let many = !output.is_terminal() || all.windows(2).any(|pair| pair[0].session_id != pair[1].session_id);
    let head = ["NAME", "STATE", "PORT", "VISIBILITY", "LAST", "REAPED IN", "URL", "SESSION"];
    let columns = if many { head.len() } else { head.len() - 1 };
    let rows: Vec<Vec<String>> = all.iter().map(|it| cells(it).into_iter().take(columns).collect()).collect();
    output.table(&head[..columns], &rows);
}

fn cells(it: &AttachmentView) -> [String; 8] {
    [
        it.name.clone(),
        view::state(it).to_owned(),
        it.port.to_string(),
        view::visibility(it).to_owned(),
        view::ago(it.last_hit_at),
        view::until(it.reaped_in_seconds),
        it.url.clone(),
        it.session_id.clone(),
    ]
}

/// On a terminal the list stays in place; elsewhere it is written again whenever it is another one.
async fn watch(context: &Context, client: &Client) -> Result<(), Failure> {
    let (output, mut last) = (context.output, None::<Vec<AttachmentView>>);
    loop {
        let all = list(context, client).await?;
        let same = last.as_ref().is_some_and(|last| is_alike(last, &all));
        if output.is_terminal() {
            // Home, and what was there is cleared: the list is drawn over itself.
            output.line(format_args!("\x1b[H\x1b[2J{} attached, Ctrl-C ends", all.len()));
            show(output, &all);
        } else if !same && output.is_json() {
            output.json(&AttachmentList { attachments: all.clone(), cursor: None });
        } else if !same {
            show(output, &all);
            output.line("");
        }
        last = Some(all);
        sleep(LOOK).await;
    }
}

/// Whether nothing differs but the time that has passed.
fn is_alike(a: &[AttachmentView], b: &[AttachmentView]) -> bool {
    let still = |it: &AttachmentView| AttachmentView { reaped_in_seconds: None, ..it.clone() };
    a.iter().map(still).eq(b.iter().map(still))
}
