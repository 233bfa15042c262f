//! The registry: decides commands over what the store has loaded, and applies the events that come of it.

mod blocking;
#[cfg(test)]
mod laws;

use std::collections::BTreeMap;

use crate::attachment::{Attachment, Visibility};
use crate::block::Blocks;
use crate::clock::{Now, Tick};
use crate::command::{Attach, Authority, Command, Context, DetachReason};
use crate::event::Event;
use crate::id::{AttachmentId, Name, NodeId, SessionId, UserId};
use crate::idle::{IdlePolicy, Traffic};
use crate::limits::Limits;
use crate::ports::PortPolicy;
use crate::refusal::{Held, Refusal};
use crate::template::UrlTemplate;
use crate::token::{Token, TokenDigest, Tokens};
use crate::verdict::ServerState;

/// The rules in force.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whether new attachments are admitted; old ones are served either way (seed).
    pub enabled: bool,
    /// How public URLs are made.
    pub template: UrlTemplate,
    /// The node they are made on.
    pub node: NodeId,
    /// Which ports may be attached.
    pub ports: PortPolicy,
    /// How many attachments there may be.
    pub limits: Limits,
    /// The widest visibility allowed.
    pub most_visible: Visibility,
}

/// What a command can see: the live attachments its reads asked for, and whose the sessions are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Live attachments by id.
    pub attachments: BTreeMap<AttachmentId, Attachment>,
    /// The user each known session is bound to.
    pub sessions: BTreeMap<SessionId, UserId>,
    /// Who is shut out.
    pub blocks: Blocks,
}

/// Decides a command: the events that carry it out, or why it is refused. Nothing is changed.
///
/// # Errors
/// [`Refusal`] with its code and hint.
pub fn decide(context: &Context, scope: &Scope, command: &Command) -> Result<Vec<Event>, Refusal> {
    let now = context.now;
    match command {
        Command::Attach(attach) => decide_attach(context, scope, attach),
        Command::Detach(id, reason) => Ok(vec![detached(scope.seen_by(&context.by, *id)?, *reason, now)]),
        Command::DetachNamed(session, name) => {
            scope.check_session(&context.by, session)?;
            Ok(scope
                .named(session, name)
                .map(|it| detached(it, DetachReason::AgentRequest, now))
                .into_iter()
                .collect())
        }
        Command::EndSession(session) => {
            scope.check_session(&context.by, session)?;
            let ended = scope.in_session(session).map(|it| detached(it, DetachReason::SessionEnd, now));
            Ok(ended.chain([Event::Unbound(session.clone())]).collect())
        }
        Command::Bind(session, user) => Ok(scope.bind(&context.by, session, user)?.into_iter().collect()),
        Command::Rotate(id) => {
            let it = scope.seen_by(&context.by, *id)?;
            Ok(vec![Event::Rotated(it.id, it.tokens.rotated(context.new_token(), now.wall))])
        }
        Command::Revoke(id) => {
            let it = scope.seen_by(&context.by, *id)?;
            Ok(vec![Event::Revoked(it.id, Tokens::new(context.new_token()), it.epoch + 1)])
        }
        Command::Share(id, wish) => {
            let it = scope.seen_by(&context.by, *id)?;
            let share = it.shares.make(wish, context.new_token(), now.wall);
            share.map(|share| vec![Event::Shared(it.id, Box::new(share))]).ok_or(Refusal::TooManyShares)
        }
        Command::Unshare(id, number) => {
            let it = scope.seen_by(&context.by, *id)?;
            let is_there = it.shares.as_slice().iter().any(|share| share.number == *number);
            Ok(is_there.then_some(Event::Unshared(it.id, *number)).into_iter().collect())
        }
        Command::Show(id, visibility) => {
            let it = scope.seen_by(&context.by, *id)?;
            if *visibility > context.rules.most_visible {
                return Err(Refusal::VisibilityRefused);
            }
            let is_news = it.visibility != *visibility;
            Ok(is_news.then_some(Event::Shown(it.id, *visibility)).into_iter().collect())
        }
        Command::Block(target, reason) => scope.decide_block(context, target, Some(reason)),
        Command::Unblock(target) => scope.decide_block(context, target, None),
        Command::Settle(id, settled) => {
            let it = scope.seen_by(&context.by, *id)?;
            it.owner.readmit(&settled.owner, &it.session, it.task.as_ref())?;
            Ok(vec![Event::Settled(it.id, settled.clone())])
        }
        Command::MarkDown(id) => {
            let it = scope.seen_by(&context.by, *id)?;
            let is_news = it.verdict.state != ServerState::Down;
            Ok(is_news.then_some(Event::WentDown(it.id)).into_iter().collect())
        }
    }
}

fn decide_attach(context: &Context, scope: &Scope, attach: &Attach) -> Result<Vec<Event>, Refusal> {
    let rules = &context.rules;
    if !rules.enabled {
        return Err(Refusal::Disabled);
    }
    let bound = scope.bind(&context.by, &attach.session, &attach.user)?;
    let tied =
        attach.task.is_some() && attach.owner.task.as_ref().map(|task| &task.id) == attach.task.as_ref();
    rules.ports.check(attach.listener.port, tied)?;
    if attach.visibility > rules.most_visible {
        return Err(Refusal::VisibilityRefused);
    }
    scope.check_listener(attach)?;

    let before = scope.named(&attach.session, &attach.name);
    if before.is_none() {
        scope.check_limits(context, attach)?;
    }
    let id = before.map_or_else(|| context.entropy.new_id(), |it| it.id);
    let url = attach.render(rules, id)?;
    if let Some(holder) = scope.attachments.values().find(|it| it.url.host == url.host && it.id != id) {
        let by = (holder.user == attach.user).then(|| holder.name.clone());
        return Err(Refusal::HostTaken { host: url.host, by });
    }
    scope.check_blocks(&attach.session, &attach.user, Some(&url.host))?;
    let token = context.new_token();
    let attachment = Attachment {
        id,
        name: attach.name.clone(),
        session: attach.session.clone(),
        user: attach.user.clone(),
        app: attach.app.clone(),
        listener: attach.listener,
        owner: attach.owner.clone(),
        task: attach.task.clone(),
        path: attach.path.clone(),
        visibility: attach.visibility,
        host_header: attach.host_header,
        verdict: attach.verdict.clone(),
        url,
        tokens: before.map_or_else(|| Tokens::new(token), |it| it.tokens.rotated(token, context.now.wall)),
        shares: before.map(|it| it.shares.clone()).unwrap_or_default(),
        epoch: before.map_or(0, |it| it.epoch),
        blocked: false,
        created: before.map_or(context.now.wall, |it| it.created),
    };
    let attached = Event::Attached { attachment: Box::new(attachment), replaced: before.is_some() };
    Ok(bound.into_iter().chain([attached]).collect())
}

/// Applies an event to what was loaded.
pub fn apply(scope: &mut Scope, event: &Event) {
    match event {
        Event::Bound(session, user) => {
            scope.sessions.insert(session.clone(), user.clone());
        }
        Event::Unbound(session) => {
            scope.sessions.remove(session);
        }
        Event::Attached { attachment, .. } => {
            scope.attachments.insert(attachment.id, (**attachment).clone());
        }
        Event::Detached { attachment, .. } => {
            scope.attachments.remove(&attachment.id);
        }
        Event::Rotated(id, tokens) => scope.change(*id, |it| it.tokens = *tokens),
        Event::Revoked(id, tokens, epoch) => scope.change(*id, |it| {
            it.tokens = *tokens;
            it.epoch = *epoch;
            it.shares.clear();
        }),
        Event::Shared(id, share) => scope.change(*id, |it| it.shares.add((**share).clone())),
        Event::Unshared(id, number) => scope.change(*id, |it| {
            it.shares.remove(*number);
        }),
        Event::Shown(id, visibility) => scope.change(*id, |it| it.visibility = *visibility),
        Event::Blocked(block) => scope.blocks.add((**block).clone()),
        Event::Unblocked(target) => {
            scope.blocks.remove(target);
        }
        Event::Withheld(id, blocked) => scope.change(*id, |it| it.blocked = *blocked),
        Event::Settled(id, settled) => scope.change(*id, |it| {
            it.owner = settled.owner.clone();
            it.verdict = settled.verdict.clone();
        }),
        Event::WentDown(id) => scope.change(*id, |it| it.verdict.state = ServerState::Down),
        Event::Expiring(..) | Event::LimitHit(..) | Event::TaskExited { .. } => {}
    }
}

/// The moment at which the reaper must look again, if anything is attached.
pub fn next_due(policy: IdlePolicy, traffic: impl IntoIterator<Item = Traffic>, now: Tick) -> Option<Tick> {
    traffic.into_iter().map(|traffic| policy.next_change(traffic, now)).min()
}

impl Scope {
    /// What a session calls by this name.
    #[must_use]
    pub fn named(&self, session: &SessionId, name: &Name) -> Option<&Attachment> {
        self.attachments.values().find(|it| it.session == *session && it.name == *name)
    }

    /// The attachments of a session.
    pub fn in_session<'a>(&'a self, session: &'a SessionId) -> impl Iterator<Item = &'a Attachment> {
        self.attachments.values().filter(move |it| it.session == *session)
    }

    /// The attachment with this id, if `by` may know of it.
    fn seen_by(&self, by: &Authority, id: AttachmentId) -> Result<&Attachment, Refusal> {
        self.attachments
            .get(&id)
            .filter(|it| by.covers(&it.session, &it.user))
            .ok_or(Refusal::NotFound("attachment"))
    }

    /// Whether `by` may act in a session that need not exist.
    fn check_session(&self, by: &Authority, session: &SessionId) -> Result<(), Refusal> {
        match (by, self.sessions.get(session)) {
            (Authority::User(user), Some(owner)) if user != owner => Err(Refusal::OutOfScope("session_id")),
            (Authority::Session(own), _) if own != session => Err(Refusal::OutOfScope("session_id")),
            _ => Ok(()),
        }
    }

    /// The event that binds a session to its user, if it is not bound yet.
    fn bind(&self, by: &Authority, session: &SessionId, user: &UserId) -> Result<Option<Event>, Refusal> {
        if !by.covers(session, user) {
            let field = if matches!(by, Authority::User(_)) { "user_id" } else { "session_id" };
            return Err(Refusal::OutOfScope(field));
        }
        self.check_blocks(session, user, None)?;
        match self.sessions.get(session) {
            Some(owner) if owner == user => Ok(None),
            Some(_) => Err(Refusal::SessionOfAnother(session.clone())),
            None => Ok(Some(Event::Bound(session.clone(), user.clone()))),
        }
    }

    /// Refuses a listener of another session's task, or one that another user's attachment holds.
    fn check_listener(&self, attach: &Attach) -> Result<(), Refusal> {
        let foreign_task = attach.owner.task.as_ref().is_some_and(|task| task.session != attach.session);
        let held =
            self.attachments.values().any(|it| it.listener == attach.listener && it.user != attach.user);
        if foreign_task || held { Err(Refusal::PortNotYours(attach.listener)) } else { Ok(()) }
    }

    fn check_limits(&self, context: &Context, attach: &Attach) -> Result<(), Refusal> {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let in_session = || self.in_session(&attach.session);
        let of_user = || self.attachments.values().filter(|it| it.user == attach.user);
        context.rules.limits.admit(count(in_session().count()), count(of_user().count())).map_err(|reached| {
            let held = |it: &Attachment| Held {
                name: it.name.clone(),
                session: it.session.clone(),
                age: context.now.wall.since(it.created),
            };
            let all: Vec<Held> = match reached.scope {
                crate::limits::LimitScope::Session => in_session().map(held).collect(),
                crate::limits::LimitScope::User => of_user().map(held).collect(),
            };
            Refusal::Limit(reached, all)
        })
    }

    fn change(&mut self, id: AttachmentId, change: impl FnOnce(&mut Attachment)) {
        if let Some(it) = self.attachments.get_mut(&id) {
            change(it);
        }
    }
}

impl Context {
    /// The token that an attach, rotation or revocation under this context hands out.
    #[must_use]
    pub fn token(&self) -> Token {
        Token::from_entropy(self.entropy.token)
    }

    fn new_token(&self) -> TokenDigest {
        self.token().digest()
    }
}

fn detached(it: &Attachment, reason: DetachReason, now: Now) -> Event {
    Event::Detached { attachment: Box::new(it.clone()), reason, lifetime: now.wall.since(it.created) }
}
