//! `preview attach`: makes a port that listens here public.

use std::env;
use std::path::Path;

use preview_core::id::SessionId;
use preview_core::template::reduce;
use preview_core::wire::HostHeaderWord;
use preview_core::wire::VisibilityWord;
use preview_core::wire::api::{AttachRequest, AttachmentView};

use super::view;
use crate::args::Attach;
use crate::context::Context;
use crate::failure::Failure;

pub(super) async fn run(context: &Context, args: &Attach) -> Result<(), Failure> {
    let (client, session, user) = (context.client()?, context.session()?, context.user()?);
    let name = if let Some(name) = &args.name {
        name.clone()
    } else {
        let all = client.list(Some(&session)).await?;
        free_names(&all, &session, Some(args.port)).next().unwrap_or_default()
    };
    let request = AttachRequest {
        session_id: session.to_string(),
        user_id: user.to_string(),
        app_id: args.app.clone(),
        port: args.port.into(),
        name,
        path: args.path.clone(),
        host: args.host.clone(),
        bash_task_id: args.task.clone(),
        wait_seconds: args.wait,
        health_check: !args.no_health_check,
        host_header: match args.host_header.as_str() {
            "preserve" => HostHeaderWord::Preserve,
            "loopback" => HostHeaderWord::Loopback,
            _ => HostHeaderWord::Auto,
        },
        visibility: args.visibility.as_deref().map(|word| match word {
            "public" => VisibilityWord::Public,
            _ => VisibilityWord::Private,
        }),
    };
    let waiting = context.output.progress(format!("waiting for {}:{}", args.host, args.port));
    let attached = client.attach(&request).await;
    drop(waiting);
    let (view, replaced) = attached?;
    view::link(context.output, &view);
    view::notes(context.output, &client, &view).await?;
    if replaced {
        context
            .output
            .note("took the place of the attachment of that name; its old link works for a minute more");
    }
    Ok(())
}

/// Names for what is attached from here: this folder's name, reduced, then with `-2`, `-3`, …; none that another
/// port of the session has.
pub(super) fn free_names(
    all: &[AttachmentView],
    session: &SessionId,
    port: Option<u16>,
) -> impl Iterator<Item = String> {
    let folder = env::current_dir().ok();
    let own = folder.as_deref().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("app");
    let base = reduce(own);
    let numbered = (2_u32..).map({
        let base = base.clone();
        move |number| format!("{base}-{number}")
    });
    std::iter::once(base).chain(numbered).filter(move |name| {
        !all.iter().any(|it| it.session_id == session.as_str() && it.name == *name && Some(it.port) != port)
    })
}
