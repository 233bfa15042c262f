//! `preview show`: all that is known of one attachment.

use std::collections::BTreeMap;

use preview_core::wire::api::AttachmentView;

use super::view;
use crate::args::Named;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{FAINT, STRONG};

pub(super) async fn run(context: &Context, args: &Named) -> Result<(), Failure> {
    let (client, output) = (context.client()?, context.output);
    let view = client.find(&context.session()?, &args.name).await?.view;
    if output.is_json() {
        output.json(&view);
        return Ok(());
    }
    let facts = facts(&view);
    if !output.is_terminal() {
        for (what, value) in facts {
            output.row(&[what, &value]);
        }
        return Ok(());
    }
    output.line(format_args!("{STRONG}{}{STRONG:#}  {}", view.name, view.url));
    for (what, value) in facts.into_iter().filter(|(what, _)| !matches!(*what, "name" | "url")) {
        output.line(format_args!("  {FAINT}{what:<12}{FAINT:#} {value}"));
    }
    Ok(())
}

fn facts(it: &AttachmentView) -> Vec<(&'static str, String)> {
    let verdict = &it.verdict;
    let status = verdict.status.map_or_else(String::new, |status| format!(", GET answers {status}"));
    let mut facts = vec![
        ("name", it.name.clone()),
        ("url", it.url.clone()),
        ("id", it.id.clone()),
        ("session", it.session_id.clone()),
        ("user", it.user_id.clone()),
        ("state", format!("{}{status}", view::state(it))),
        ("listener", format!("{}, uid {}", view::listener(it), verdict.owner_uid)),
        ("host header", view::policy(it).replacen("host header: ", "", 1)),
        ("visibility", view::visibility(it).to_owned()),
        ("created", format!("{} ago", view::ago(Some(it.created_at)))),
        ("last visit", view::ago(it.last_hit_at)),
        ("reaped in", view::until(it.reaped_in_seconds)),
    ];
    let optional = BTreeMap::from([
        ("app", it.app_id.clone()),
        ("task", it.bash_task_id.clone()),
        ("path", (!it.path.is_empty()).then(|| it.path.clone())),
        ("live update", verdict.live_update.map(|status| format!("answers {status}"))),
        ("framing", (!verdict.framing.is_empty()).then(|| verdict.framing.join("; "))),
        ("hint", it.hint.clone()),
    ]);
    facts.extend(optional.into_iter().filter_map(|(what, value)| Some((what, value?))));
    facts
}
