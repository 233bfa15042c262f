//! `preview share` and `preview visibility`: who else comes in.

use preview_core::refusal::Code;
use preview_core::wire::VisibilityWord;
use preview_core::wire::api::{ShareList, ShareRequest, ShareView};

use super::view;
use crate::args::{Share, Visibility};
use crate::client::Client;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{GOOD, Output, STRONG};

/// Hands out a link, lists them, or withdraws one.
pub(super) async fn run(context: &Context, args: &Share) -> Result<(), Failure> {
    let (client, output) = (context.client()?, context.output);
    let found = client.find(&context.session()?, &args.name).await?;
    let (id, name) = (&found.view.id, &found.view.name);
    if let Some(number) = args.withdraw {
        return withdraw(output, &client, id, name, number).await;
    }
    if args.list {
        list(output, &client.shares(id).await?);
        return Ok(());
    }
    let request = ShareRequest {
        label: args.label.clone(),
        read_only: args.read_only,
        ttl_seconds: args.ttl.as_secs(),
    };
    let made = client.share(id, &request).await?;
    hand_out(output, name, &made);
    if found.view.visibility == VisibilityWord::Public {
        output.warn(format_args!("{name} is public: everybody may do everything, with a link or without"));
    }
    Ok(())
}

/// Changes who may see an attachment.
pub(super) async fn visibility(context: &Context, args: &Visibility) -> Result<(), Failure> {
    let (client, output) = (context.client()?, context.output);
    let found = client.find(&context.session()?, &args.name).await?;
    let wanted = match args.visibility.as_str() {
        "public" => VisibilityWord::Public,
        _ => VisibilityWord::Private,
    };
    let view = client.set_visibility(&found.view.id, wanted).await?;
    if output.is_json() {
        output.json(&view);
    } else if output.is_terminal() {
        output.line(format_args!(
            "{GOOD}✓{GOOD:#} {} is {}  {}",
            view.name,
            view::visibility(&view),
            view.url
        ));
    } else {
        output.row(&[&view.name, view::visibility(&view), &view.url]);
    }
    output.note(match wanted {
        VisibilityWord::Public => "everybody who knows the address sees it, and may do everything there",
        VisibilityWord::Private => "who was given no link is out",
    });
    Ok(())
}

fn hand_out(output: Output, name: &str, made: &ShareView) {
    let url = made.url.as_deref().unwrap_or_default();
    if output.is_json() {
        output.json(made);
    } else if output.is_terminal() {
        output.line(format_args!("{GOOD}✓{GOOD:#} {STRONG}{name}{STRONG:#}  {url}"));
    } else {
        output.row(&[name, url]);
    }
    let whom = if made.label.is_empty() { String::new() } else { format!("for {} · ", made.label) };
    output.note(format_args!("{whom}{} · ends in {}", may(made), view::until_time(made.expires_at)));
    output.note(format_args!("take it back: preview share {name} --withdraw {}", made.number));
}

fn list(output: Output, list: &ShareList) {
    if output.is_json() {
        output.json(list);
        return;
    }
    let rows: Vec<Vec<String>> = list.shares.iter().map(cells).collect();
    output.table(&["NUMBER", "FOR", "MAY", "MADE", "ENDS IN"], &rows);
    if rows.is_empty() {
        output.note("there are no links for others");
    }
}

async fn withdraw(output: Output, client: &Client, id: &str, name: &str, number: u32) -> Result<(), Failure> {
    let withdrawn = client.unshare(id, number).await?;
    if !withdrawn.removed {
        let detail = format!("{name} has no link {number}, or it has ended");
        return Err(Failure::found(Code::NotFound, detail, format!("preview share {name} --list")));
    }
    if output.is_json() {
        output.json(&withdrawn);
    } else if output.is_terminal() {
        output.line(format_args!("{GOOD}✓{GOOD:#} link {number} of {name} withdrawn"));
    } else {
        output.row(&[name, &number.to_string(), "withdrawn"]);
    }
    output.note("who came in by it is out");
    Ok(())
}

fn cells(share: &ShareView) -> Vec<String> {
    let label = if share.label.is_empty() { "-" } else { &share.label };
    vec![
        share.number.to_string(),
        label.to_owned(),
        may(share).to_owned(),
        format!("{} ago", view::ago(Some(share.created_at))),
        view::until_time(share.expires_at),
    ]
}

const fn may(share: &ShareView) -> &'static str {
    if share.read_only { "look" } else { "everything" }
}
