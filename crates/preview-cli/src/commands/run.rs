//! `preview run`: a dev server, from its start to a link that works, and to its end.
//!
//! The command is a task of the daemon. Where none answers, this process brings daemon and edge along; when the run
//! that did so ends, one of those that remain takes over, on the same port and state, and no URL changes.

mod house;
mod claim;
mod environment;
mod found;
mod advice;
mod stream;
mod job;

use preview_core::wire::api::TaskRequest;

use crate::args::Run;
use crate::context::Context;
use crate::failure::Failure;
use crate::log;
use crate::stop::Stop;
use claim::Claim;
use house::House;
use job::Job;

pub(super) async fn run(context: &Context, args: &Run) -> Result<(), Failure> {
    if context.global().daemon.is_some() {
        let hint =
            "leave --daemon out; on the other machine, start the command there and `preview attach` it";
        return Err(Failure::usage("a command runs on this machine, beside its own daemon", hint));
    }
    let mut stop = Stop::listen()?;
    log::start(&context.settings, log::ASIDE, context.global().verbose);
    let mut house = House::enter(context).await?;
    let ended = within(context, args, &mut house, &mut stop).await;
    house.leave().await;
    ended
}

async fn within(
    context: &Context,
    args: &Run,
    house: &mut House<'_>,
    stop: &mut Stop,
) -> Result<(), Failure> {
    claim::sweep(context, house.client()).await;
    let mut claim = Claim::make(context, house.client(), args.port).await?;
    let request = request(context, args, house, claim.port())?;
    let task = house.client().start_task(&request).await?;
    claim.holds(&task.id);
    let mut job = Job::new(context, args, task, claim.port());
    let ended = job.follow(house, &mut claim, stop).await;
    job.clear_away(house).await;
    claim.lets_go();
    ended
}

fn request(context: &Context, args: &Run, house: &House<'_>, port: u16) -> Result<TaskRequest, Failure> {
    let folder = std::env::current_dir().map_err(Failure::io("cannot tell the current folder"))?;
    let number = port.to_string();
    Ok(TaskRequest {
        session_id: context.session()?.to_string(),
        user_id: context.user()?.to_string(),
        command: args.command.iter().map(|word| word.replace("{port}", &number)).collect(),
        cwd: folder.display().to_string(),
        env: environment::of(context, house.template().base(), port),
        name: Some("preview run".to_owned()),
    })
}
