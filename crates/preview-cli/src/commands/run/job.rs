//! One command under way: its output, the search for its port, its attachment, its end.

use std::time::Duration;

use bytes::Bytes;
use preview_core::id::SessionId;
use preview_core::refusal::Code;
use preview_core::wire::api::{AttachRequest, AttachmentView, TaskView};
use preview_core::wire::{HostHeaderWord, StateWord};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::advice;
use super::claim::Claim;
use super::found::{Listener, Search};
use super::house::House;
use super::stream::Stream;
use crate::args::Run;
use crate::client::Client;
use crate::commands::attach::free_names;
use crate::commands::{browse, qr, view};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Progress;
use crate::stop::Stop;

/// How often the listeners are looked at: a person must not notice the wait.
const LOOK: Duration = Duration::from_millis(40);

/// How often after [`LONG`], or once it listens.
const LOOK_LATER: Duration = Duration::from_millis(250);

/// From when on a server is one of the slow ones.
const LONG: Duration = Duration::from_mins(1);

/// Characters of output in which URLs are looked for.
const HEARD: usize = 64 << 10;

/// Characters of a command that are shown.
const SPOKEN: usize = 60;

/// How long a tree may take to be gone once its end was asked for.
const GONE: Duration = Duration::from_secs(20);

pub(super) struct Job<'a> {
    context: &'a Context,
    args: &'a Run,
    task: TaskView,
    search: Search,
    stream: Stream,
    heard: String,
    is_mid_line: bool,
    waiting: Option<Progress>,
    attaching: Option<JoinHandle<Answer>>,
    attached: Option<AttachmentView>,
}

/// The answer to an attach: what is attached, and whether its name was in use.
type Answer = Result<(AttachmentView, bool), Failure>;

/// What happens next.
enum Next {
    Stop,
    Output(Option<Bytes>),
    Attached(Box<Answer>),
    Look,
}

impl<'a> Job<'a> {
    pub(super) fn new(context: &'a Context, args: &'a Run, task: TaskView, port: u16) -> Self {
        let command = shown(&args.command);
        if context.output.is_json() {
            context.output.json(&json!({ "event": "started", "task": task }));
        }
        let waiting = context.output.progress(format!("waiting for {command} to listen (PORT={port})"));
        Self {
            context,
            args,
            task,
            search: Search::new(port),
            stream: Stream::default(),
            heard: String::new(),
            is_mid_line: false,
            waiting: Some(waiting),
            attaching: None,
            attached: None,
        }
    }

    /// Goes along with the command until it ends or a stop is asked for.
    pub(super) async fn follow(
        &mut self,
        house: &mut House<'_>,
        claim: &mut Claim,
        stop: &mut Stop,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        self.stream.open(house.client(), &self.task.id).await?;
        loop {
            let is_late = self.attached.is_some() || started.elapsed() > LONG;
            let pause = if is_late { LOOK_LATER } else { LOOK };
            let is_pending = self.attached.as_ref().is_some_and(|it| it.verdict.state == StateWord::Pending);
            let is_looking = is_pending || self.attached.is_none() && self.attaching.is_none();
            let next = tokio::select! {
                biased;
                _ = stop.asked() => Next::Stop,
                attached = finished(&mut self.attaching) => Next::Attached(Box::new(attached)),
                bytes = self.stream.next() => Next::Output(bytes),
                () = sleep(pause), if is_looking => Next::Look,
            };
            match next {
                Next::Stop => return Err(Failure::Interrupted),
                Next::Output(Some(bytes)) => self.write(&bytes),
                Next::Output(None) => {
                    if let Some(ended) = self.silent(house).await? {
                        return ended;
                    }
                }
                Next::Attached(attached) => {
                    self.attaching = None;
                    self.arrived(house, *attached).await?;
                }
                Next::Look if is_pending => self.look_again(house).await,
                Next::Look => self.look(house, claim).await?,
            }
        }
    }

    /// Takes down what there is, and returns when no process is left.
    pub(super) async fn clear_away(&mut self, house: &mut House<'_>) {
        self.waiting = Some(self.context.output.progress("stopping"));
        if let Some(attaching) = self.attaching.take() {
            // It may be attached by now, which the task's end does not undo.
            self.attached = attaching.await.ok().and_then(Result::ok).map(|(view, _)| view);
        }
        let end = Instant::now() + GONE;
        while Instant::now() < end {
            match self.try_clear(house.client()).await {
                Ok(()) => break,
                Err(failure) if failure.is(Code::DaemonUnreachable) => {
                    if house.settle_again().await.is_err() {
                        break;
                    }
                }
                Err(failure) => {
                    self.context.output.failure(&failure);
                    break;
                }
            }
        }
        self.waiting = None;
        self.context.output.note("stopped");
    }

    async fn try_clear(&self, client: &Client) -> Result<(), Failure> {
        let gone = |done: Result<(), Failure>| match done {
            Err(failure) if failure.is(Code::NotFound) => Ok(()),
            done => done,
        };
        if let Some(view) = &self.attached {
            gone(client.detach(&view.id).await.map(|_| ()))?;
        }
        gone(client.end_task(&self.task.id).await.map(|_| ()))
    }

    fn write(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        if self.attached.is_none() {
            self.heard.push_str(&anstream::adapter::strip_str(&text).to_string());
            if self.heard.len() > HEARD {
                let start = self.heard.ceil_char_boundary(self.heard.len() - HEARD);
                self.heard.drain(..start);
            }
        }
        self.is_mid_line = bytes.last().is_some_and(|last| *last != b'\n');
        let output = self.context.output;
        self.aside(|| {
            if output.is_json() {
                output.json(&json!({ "event": "output", "text": text }));
            } else {
                let _ = output.bytes(bytes);
            }
        });
    }

    /// The output has ended: because the command did, or because the daemon did.
    async fn silent(&mut self, house: &mut House<'_>) -> Result<Option<Result<(), Failure>>, Failure> {
        match house.client().task(&self.task.id).await {
            Ok(task) if task.running => {}
            Ok(task) => return Ok(Some(self.ended(task.exit_code))),
            Err(failure) if failure.is(Code::NotFound) => return Ok(Some(self.ended(None))),
            Err(failure) if failure.is(Code::DaemonUnreachable) => {
                house.settle_again().await?;
                self.attaching = None;
                if house.is_own() {
                    let output = self.context.output;
                    self.aside(|| output.note("the run that served is gone: this one serves now"));
                }
                self.still_attached(house.client()).await?;
            }
            Err(failure) => return Err(failure),
        }
        match self.stream.open(house.client(), &self.task.id).await {
            Err(failure) if failure.is(Code::DaemonUnreachable) => sleep(LOOK).await,
            opened => opened?,
        }
        Ok(None)
    }

    /// An attachment that did not outlive its daemon is made again, under the same name.
    async fn still_attached(&mut self, client: &Client) -> Result<(), Failure> {
        let Some(view) = &self.attached else { return Ok(()) };
        match client.show(&view.id).await {
            Err(failure) if failure.is(Code::NotFound) => {
                let listener = Listener { host: view.host.clone(), port: view.port };
                self.attaching = Some(self.attach(client, &listener, view.name.clone())?);
                Ok(())
            }
            shown => shown.map(|_| ()),
        }
    }

    fn ended(&mut self, code: Option<i32>) -> Result<(), Failure> {
        self.waiting = None;
        let (output, command) = (self.context.output, shown(&self.args.command));
        if output.is_json() {
            output.json(&json!({ "event": "ended", "exit_code": code }));
        }
        match (code, &self.attached) {
            (Some(0), Some(_)) => Ok(()),
            (Some(0), None) => {
                output.warn(format_args!("{command} ended without ever listening"));
                Err(Failure::CommandEnded(1))
            }
            (Some(code), _) => {
                output.warn(format_args!("{command} ended with code {code}"));
                Err(Failure::CommandEnded(code))
            }
            (None, _) => {
                output.warn(format_args!("{command} ended; with which code is not known"));
                Err(Failure::CommandEnded(1))
            }
        }
    }

    async fn look(&mut self, house: &House<'_>, claim: &mut Claim) -> Result<(), Failure> {
        // That it cannot be asked now is for the output to notice.
        let Ok(task) = house.client().task(&self.task.id).await else { return Ok(()) };
        let Some(listener) = self.search.look(&task.listeners, &self.heard).await else { return Ok(()) };
        let session = self.context.session()?;
        let name = match &self.args.name {
            Some(name) => name.clone(),
            None => match house.client().list(Some(&session)).await {
                Ok(all) => claim.name(self.context, &session, free_names(&all, &session, None)),
                Err(_) => return Ok(()),
            },
        };
        if let Some(waiting) = &self.waiting {
            waiting.now(format!("asking {}:{} how it answers", listener.host, listener.port));
        }
        self.attaching = Some(self.attach(house.client(), &listener, name)?);
        Ok(())
    }

    /// Says how a server that was slow to answer came up in the end.
    async fn look_again(&mut self, house: &House<'_>) {
        let Some(id) = self.attached.as_ref().map(|it| it.id.clone()) else { return };
        // That it cannot be asked now is for the output to notice.
        let Ok(view) = house.client().show(&id).await else { return };
        if view.verdict.state == StateWord::Pending {
            return;
        }
        let output = self.context.output;
        if output.is_json() {
            output.json(&json!({ "event": "ready", "attachment": view }));
        } else {
            self.end_line();
            output.note(format_args!("{} is {} · {}", view.name, view::state(&view), view::policy(&view)));
        }
        self.attached = Some(view);
    }

    /// What we say begins on a line of its own.
    fn end_line(&mut self) {
        if std::mem::take(&mut self.is_mid_line) && !self.context.output.is_json() {
            self.context.output.line("");
        }
    }

    fn attach(
        &self,
        client: &Client,
        listener: &Listener,
        name: String,
    ) -> Result<JoinHandle<Answer>, Failure> {
        let session: SessionId = self.context.session()?;
        let request = AttachRequest {
            session_id: session.to_string(),
            user_id: self.context.user()?.to_string(),
            app_id: None,
            port: listener.port.into(),
            name,
            path: self.args.path.clone(),
            host: listener.host.clone(),
            bash_task_id: Some(self.task.id.clone()),
            wait_seconds: 0,
            health_check: true,
            host_header: HostHeaderWord::Auto,
            visibility: None,
        };
        let client = client.clone();
        Ok(tokio::spawn(async move { client.attach(&request).await }))
    }

    async fn arrived(&mut self, house: &House<'_>, attached: Answer) -> Result<(), Failure> {
        let view = match attached {
            Ok((view, _)) => view,
            // The server restarts, or the daemon is gone: both are looked at again.
            Err(failure) if failure.is(Code::PortNotListening) || failure.is(Code::DaemonUnreachable) => {
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        self.waiting = None;
        self.attached = Some(view.clone());
        self.announce(house, &view).await
    }

    async fn announce(&mut self, house: &House<'_>, view: &AttachmentView) -> Result<(), Failure> {
        let output = self.context.output;
        self.end_line();
        if output.is_json() {
            output.json(&json!({ "event": "attached", "attachment": view }));
        } else {
            view::link(output, view);
        }
        if self.args.qr && !output.is_json() {
            qr::print(output, view::url(view));
        }
        if self.args.open && !browse(view::url(view)) {
            output.note("no browser could be started: open the link yourself");
        }
        // What is only to be known must not end a run that serves.
        let _ = view::notes(output, house.client(), view).await;
        let listener = Listener { host: view.host.clone(), port: view.port };
        for advice in advice::on(&self.args.command, &listener, house.template()) {
            output.warn(advice);
        }
        output.note("Ctrl-C stops it");
        Ok(())
    }

    fn aside(&self, write: impl FnOnce()) {
        match &self.waiting {
            Some(waiting) => waiting.aside(write),
            None => write(),
        }
    }
}

/// A command as it is spoken of: its beginning.
fn shown(command: &[String]) -> String {
    let whole = command.join(" ").replace('\n', " ");
    match whole.char_indices().nth(SPOKEN) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole,
    }
}

/// The end of an attach that is under way; never, if none is.
async fn finished(attaching: &mut Option<JoinHandle<Answer>>) -> Answer {
    match attaching {
        Some(handle) => handle.await.unwrap_or_else(|error| Err(Failure::Garbled(error.to_string()))),
        None => std::future::pending().await,
    }
}
