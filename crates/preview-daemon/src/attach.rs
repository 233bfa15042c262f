//! The way of one attach: read the wish, find the listener, ask it, decide, store, tell.

use std::time::Duration;

use preview_core::attachment::{Attachment, StartPath, Visibility};
use preview_core::clock::Tick;
use preview_core::command::{Attach, Authority, Command, Context};
use preview_core::event::Event;
use preview_core::id::{AppId, Name, SessionId, TaskId, UserId};
use preview_core::listener::{Listener, Loopback, Owner, OwningTask};
use preview_core::ports::Port;
use preview_core::refusal::Refusal;
use preview_core::template::Scheme;
use preview_core::verdict::{HostHeader, HostPolicy, PolicyReason, ServerState, Verdict};
use preview_core::wire::api::{AttachRequest, AttachmentView};

use crate::clock;
use crate::config::Config;
use crate::daemon::{Attached, Daemon};
use crate::failure::Failure;
use crate::listeners;
use crate::probe::{Asked, Found, HostAsked, InvalidHost, Question, Rest, Wanted, ask, guess};
use crate::store::{Committed, Telling};

/// Makes a listener public, or moves a name to it.
pub(crate) async fn attach(
    daemon: &Daemon,
    by: &Authority,
    request: AttachRequest,
) -> Result<Attached, Failure> {
    let began = clock::tick();
    let wish = Wish::read(&request, daemon.config())?;
    let context = daemon.context(by, clock::entropy()?);
    foresee(daemon, &wish, &context).await?;
    let found = daemon.probe().wait(&wish.wanted()).await?;
    let (verdict, rest) = question(daemon, &wish, &found, &context).await;
    let attach = wish.attach(&found, verdict);
    let context = Context { now: clock::now(), ..context };
    let committed = decide(daemon, &attach, &context, began).await?;
    let attached = answer(daemon, &committed, &context, &found)?;
    listeners::settle_later(daemon, &attached.0, rest);
    Ok(attached.1)
}

/// An attach request, read.
#[derive(Clone, Debug)]
struct Wish {
    session: SessionId,
    user: UserId,
    app: Option<AppId>,
    name: Name,
    host: HostAsked,
    port: Port,
    path: StartPath,
    task: Option<TaskId>,
    wait: Duration,
    ask: bool,
    host_header: HostHeader,
    visibility: Visibility,
}

impl Wish {
    fn read(request: &AttachRequest, config: &Config) -> Result<Self, Failure> {
        let no_port = || Failure::invalid("port", format!("{} is not a port from 1 to 65535", request.port));
        let port = u16::try_from(request.port).ok().and_then(|number| Port::new(number).ok());
        Ok(Self {
            session: SessionId::new(&request.session_id).map_err(Refusal::from)?,
            user: UserId::new(&request.user_id).map_err(Refusal::from)?,
            app: request.app_id.as_deref().map(AppId::new).transpose().map_err(Refusal::from)?,
            name: Name::new(&request.name).map_err(Refusal::from)?,
            host: request
                .host
                .parse()
                .map_err(|error: InvalidHost| Failure::invalid("host", error.to_string()))?,
            port: port.ok_or_else(no_port)?,
            path: StartPath::new(&request.path).map_err(Refusal::from)?,
            task: request.bash_task_id.as_deref().map(TaskId::new).transpose().map_err(Refusal::from)?,
            wait: wait(request.wait_seconds, config)?,
            ask: request.health_check && config.attach.health_check,
            host_header: match request.host_header.into() {
                HostHeader::Auto => config.attach.host_header,
                pinned @ HostHeader::Pinned(_) => pinned,
            },
            visibility: request.visibility.map_or(config.default_visibility, Visibility::from),
        })
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            host: self.host,
            port: self.port,
            session: self.session.clone(),
            tied: self.task.clone(),
            wait: self.wait,
        }
    }

    fn attach(&self, found: &Found, verdict: Verdict) -> Attach {
        Attach {
            session: self.session.clone(),
            user: self.user.clone(),
            app: self.app.clone(),
            name: self.name.clone(),
            listener: found.listener,
            owner: found.owner.clone(),
            task: self.task.clone(),
            path: self.path.clone(),
            visibility: self.visibility,
            host_header: self.host_header,
            verdict,
        }
    }
}

fn wait(seconds: u64, config: &Config) -> Result<Duration, Failure> {
    let most = config.attach.max_wait;
    match Duration::from_secs(seconds) {
        Duration::ZERO => Ok(config.attach.wait),
        longer if longer > most => {
            Err(Failure::invalid("wait_seconds", format!("{seconds} is more than {}", most.as_secs())))
        }
        wait => Ok(wait),
    }
}

/// Refuses at once what would be refused whoever listens, so that nobody waits for a bind in vain.
async fn foresee(daemon: &Daemon, wish: &Wish, context: &Context) -> Result<(), Failure> {
    if let Some(id) = &wish.task {
        let is_known = daemon.tasks().get(id).is_some_and(|task| task.session == wish.session);
        is_known.then_some(()).ok_or(Failure::not_found("task"))?;
    }
    let attach = wish.attach(&supposed(wish), supposed_verdict());
    match daemon.foresee(&Command::Attach(Box::new(attach)), context) {
        // Which loopback it will be, and whose, is not known yet.
        Ok(()) | Err(Refusal::PortNotYours(_)) => Ok(()),
        Err(refusal) => Err(refused(daemon, wish.session.clone(), wish.user.clone(), refusal).await),
    }
}

/// The verdict where it does not matter.
fn supposed_verdict() -> Verdict {
    Verdict::pending(HostPolicy::Loopback, PolicyReason::NotAsked)
}

/// The listener that would be admitted if any is.
fn supposed(wish: &Wish) -> Found {
    let address = match wish.host {
        HostAsked::Address(address) => address,
        HostAsked::Localhost => Loopback::V4,
    };
    let task = wish.task.clone().map(|id| OwningTask { id, session: wish.session.clone() });
    Found {
        listener: Listener { address, port: wish.port },
        owner: Owner { uid: 0, inode: 0, cgroup: None, exe: None, task },
        command: Vec::new(),
        notes: Vec::new(),
    }
}

/// Asks the server how it takes its public name; what is not answered in time goes on in the background.
async fn question(daemon: &Daemon, wish: &Wish, found: &Found, context: &Context) -> (Verdict, Option<Rest>) {
    let before = daemon.live().named(&wish.session, &wish.name);
    let id = before.map_or_else(|| context.entropy.new_id(), |it| it.id);
    let attach = wish.attach(found, supposed_verdict());
    let Ok(public) = attach.render(&context.rules, id) else {
        // The decision will refuse it, and say why.
        return (attach.verdict, None);
    };
    let question = Question {
        listener: found.listener,
        public,
        path: wish.path.clone(),
        command: found.command.clone(),
        host_header: wish.host_header,
    };
    if !wish.ask {
        return (not_asked(&question), None);
    }
    match ask(question, daemon.config().attach.probe).await {
        Asked::Settled(verdict) => (verdict, None),
        Asked::Pending(verdict, rest) => (verdict, Some(rest)),
    }
}

/// The verdict on a server that listens and is not to be asked.
fn not_asked(question: &Question) -> Verdict {
    let guessed = guess(question);
    let reason = match guessed.reason {
        PolicyReason::GuessedFromCommand => PolicyReason::NotAsked,
        other => other,
    };
    Verdict { state: ServerState::Live, reason, ..guessed }
}

/// Decides, stores and tells. Silence starts anew before: a reaper that comes first ends what was, never this.
async fn decide(
    daemon: &Daemon,
    attach: &Attach,
    context: &Context,
    began: Tick,
) -> Result<Committed, Failure> {
    if let Some(before) = daemon.live().named(&attach.session, &attach.name) {
        daemon.activity().renew(before.id, context.now.tick);
    }
    let telling = Telling { took: clock::tick().since(began), ends_task: false };
    let command = Command::Attach(Box::new(attach.clone()));
    match daemon.store().transact(command, context.clone(), telling).await {
        Err(Failure::Refused(refusal)) => {
            Err(refused(daemon, attach.session.clone(), attach.user.clone(), refusal).await)
        }
        done => done,
    }
}

/// A refusal; that of a limit is told to those who watch the session.
async fn refused(daemon: &Daemon, session: SessionId, user: UserId, refusal: Refusal) -> Failure {
    if let Refusal::Limit(reached, _) = &refusal {
        daemon.tell(Event::LimitHit(session, user, *reached)).await;
    }
    refusal.into()
}

fn answer(
    daemon: &Daemon,
    committed: &Committed,
    context: &Context,
    found: &Found,
) -> Result<(Attachment, Attached), Failure> {
    let attached = committed.changes.iter().find_map(|change| match &change.event {
        Event::Attached { attachment, replaced } => Some((attachment, *replaced)),
        _ => None,
    });
    let (it, replaced) = attached.ok_or(Failure::not_found("attachment"))?;
    daemon.activity().renew(it.id, context.now.tick);
    let token = context.token();
    let view = AttachmentView {
        iframe_url: Some(it.iframe_url(token.reveal())),
        token: Some(token.reveal().to_owned()),
        hint: hint(it, daemon.config(), &found.notes),
        ..daemon.view(it)
    };
    Ok(((**it).clone(), Attached { view, replaced }))
}

/// What the caller should know or do, in sentences.
fn hint(it: &Attachment, config: &Config, notes: &[String]) -> Option<String> {
    let pending = (it.verdict.state == ServerState::Pending).then(|| {
        "The server listens and has not answered yet: the event web_preview:ready will tell.".into()
    });
    let not_http = it.verdict.not_http.then(|| {
        "The listener answered with something that is not HTTP: attach the port that serves pages.".into()
    });
    let template = &config.rules.template;
    let is_local = it.url.host == "localhost" || it.url.host.ends_with(".localhost");
    let plain = (template.scheme() == Scheme::Http && !is_local).then(|| {
        "Over plain http it opens in a tab of its own; a frame of another site needs an https template."
            .into()
    });
    let all: Vec<String> = [pending, not_http, plain].into_iter().flatten().chain(notes.to_vec()).collect();
    (!all.is_empty()).then(|| all.join(" "))
}
