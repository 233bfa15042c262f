//! `preview block` and `preview unblock`: whom the operator shuts out.

use preview_core::refusal::{Code, age_words};
use preview_core::wire::api::{BlockList, BlockRequest, BlockView};

use super::view;
use crate::args::{Block, Unblock};
use crate::context::Context;
use crate::failure::Failure;

pub(super) async fn block(context: &Context, args: &Block) -> Result<(), Failure> {
    let (client, output) = (context.client()?, context.output);
    let (Some(kind), Some(value)) = (args.kind, args.value.clone()) else {
        list(context, &client.blocks().await?);
        return Ok(());
    };
    let request = BlockRequest { kind: kind.as_str().to_owned(), value, reason: args.reason.clone() };
    let block = client.block(&request).await?;
    if output.is_json() {
        output.json(&block);
    } else {
        output.row(&[&block.kind, &block.value, "blocked"]);
        output.note("what is attached stays so and is not served: `preview unblock` lets it in again");
    }
    Ok(())
}

pub(super) async fn unblock(context: &Context, args: &Unblock) -> Result<(), Failure> {
    let output = context.output;
    let answer = context.client()?.unblock(args.kind.as_str(), &args.value).await?;
    if !answer.removed {
        let detail = format!("{} {} is not blocked", answer.kind, answer.value);
        return Err(Failure::found(Code::NotFound, detail, "`preview block --list` says who is"));
    }
    if output.is_json() {
        output.json(&answer);
    } else {
        output.row(&[&answer.kind, &answer.value, "unblocked"]);
    }
    Ok(())
}

fn list(context: &Context, list: &BlockList) {
    let output = context.output;
    if output.is_json() {
        output.json(list);
    } else if list.blocks.is_empty() {
        output.note("nobody is blocked");
    } else {
        let cells = |it: &BlockView| {
            vec![it.kind.clone(), it.value.clone(), age_words(view::age(it.since)), it.reason.clone()]
        };
        let rows: Vec<_> = list.blocks.iter().map(cells).collect();
        output.table(&["KIND", "VALUE", "FOR", "REASON"], &rows);
    }
}
