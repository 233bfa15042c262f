//! `preview logs`: the output of the task an attachment is tied to.

use http_body_util::BodyExt;
use preview_core::refusal::Code;

use crate::args::Logs;
use crate::context::Context;
use crate::failure::Failure;

pub(super) async fn run(context: &Context, args: &Logs) -> Result<(), Failure> {
    let client = context.client()?;
    let view = client.find(&context.session()?, &args.name).await?.view;
    let Some(task) = &view.bash_task_id else {
        let detail = format!("{} is tied to no task: its output goes where it was started", view.name);
        return Err(Failure::found(
            Code::NotFound,
            detail,
            "start it by `preview run -- CMD` to have it here",
        ));
    };
    let mut output = client.task_logs(task, args.follow).await?;
    while let Some(frame) = output.frame().await {
        let frame = frame.map_err(|error| {
            Failure::found(Code::DaemonUnreachable, format!("the daemon broke off: {error}"), "")
        })?;
        if let Some(bytes) = frame.data_ref()
            && !write(context, args, bytes)
        {
            break;
        }
    }
    Ok(())
}

fn write(context: &Context, args: &Logs, bytes: &[u8]) -> bool {
    if !context.output.is_json() {
        return context.output.bytes(bytes);
    }
    let text = String::from_utf8_lossy(bytes);
    context.output.json(&serde_json::json!({ "name": args.name, "text": text }));
    true
}
