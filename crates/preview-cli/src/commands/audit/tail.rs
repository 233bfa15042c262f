//! `preview audit tail`: the newest entries, and those to come.

use std::time::Duration;

use preview_core::wire::audit::EntryView;
use tokio::time::sleep;

use crate::args::AuditTail;
use crate::client::AuditQuery;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Output;

/// How often it is looked for more.
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn run(context: &Context, args: &AuditTail) -> Result<(), Failure> {
    let client = context.client()?;
    let global = context.global();
    let mut query = AuditQuery {
        session: global.session.as_ref().map(|_| context.session()).transpose()?,
        user: global.user.as_ref().map(|_| context.user()).transpose()?,
        action: args.action.clone(),
        limit: args.lines,
        since: None,
    };
    let begin = client.audit(&query).await?.entries;
    show(context.output, &begin, true);
    query.since = Some(begin.last().map_or(0, |it| it.number));
    query.limit = AuditQuery::MOST;
    if !args.follow {
        return Ok(());
    }
    loop {
        sleep(LOOK).await;
        let more = client.audit(&query).await?.entries;
        show(context.output, &more, false);
        query.since = more.last().map(|it| it.number).or(query.since);
    }
}

fn show(output: Output, entries: &[EntryView], with_head: bool) {
    if output.is_json() {
        for entry in entries {
            output.json(entry);
        }
        return;
    }
    let rows: Vec<_> = entries.iter().map(cells).collect();
    if with_head {
        output.table(&["NUMBER", "TIME", "BY", "ACTION", "SESSION", "USER", "ABOUT", "DETAIL"], &rows);
    } else {
        for row in &rows {
            output.row(&row.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}

fn cells(it: &EntryView) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let times = (it.count != 1).then(|| format!("×{}", it.count));
    let detail = [it.code.clone(), it.detail.clone(), times].into_iter().flatten().collect::<Vec<_>>();
    vec![
        it.number.to_string(),
        it.time.to_string(),
        it.by.clone(),
        it.action.clone(),
        or_dash(&it.session_id),
        or_dash(&it.user_id),
        or_dash(&it.subject),
        detail.join(" "),
    ]
}
