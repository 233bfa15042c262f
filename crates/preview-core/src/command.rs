//! What can be asked of the registry, by whom, and what must be looked at to decide it.

use std::sync::Arc;

use crate::attachment::{StartPath, Visibility};
use crate::block::{Reason, Target};
use crate::clock::Now;
use crate::id::{AppId, AttachmentId, Name, SessionId, TaskId, UserId};
use crate::listener::{Listener, Owner};
use crate::registry::Rules;
use crate::share::Wish;
use crate::template::{Facts, MissingAppId, Rendered};
use crate::verdict::{HostHeader, Verdict};

/// Something asked of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make a listener public, or move a name to it.
    Attach(Box<Attach>),
    /// Take down the attachment with this id.
    Detach(AttachmentId, DetachReason),
    /// Take down what the session calls by this name; an unknown name is no error (seed).
    DetachNamed(SessionId, Name),
    /// Take down all of a session and let it go.
    EndSession(SessionId),
    /// Bind a session to its user, as the first attach or task does.
    Bind(SessionId, UserId),
    /// Hand out a new token.
    Rotate(AttachmentId),
    /// Raise the epoch: every browser is out.
    Revoke(AttachmentId),
    /// Hand out a link to somebody else.
    Share(AttachmentId, Wish),
    /// Withdraw the link with this number; an unknown one is no error.
    Unshare(AttachmentId, u32),
    /// Change who may see it.
    Show(AttachmentId, Visibility),
    /// Shut a user, session or host name out.
    Block(Target, Reason),
    /// Let it in again; one that is not shut out is no error.
    Unblock(Target),
    /// Record what the probe found, and who listens now.
    Settle(AttachmentId, Box<Settled>),
    /// Record that nothing listens there any more.
    MarkDown(AttachmentId),
}

/// A listener that was found, to be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attach {
    /// For this session,
    pub session: SessionId,
    /// of this user,
    pub user: UserId,
    /// for this app,
    pub app: Option<AppId>,
    /// under this name;
    pub name: Name,
    /// the listener that is really there,
    pub listener: Listener,
    /// and whose it is.
    pub owner: Owner,
    /// The task to tie it to.
    pub task: Option<TaskId>,
    /// The path a viewer starts at.
    pub path: StartPath,
    /// Who may see it.
    pub visibility: Visibility,
    /// What the caller wishes for the host header.
    pub host_header: HostHeader,
    /// What the probe found so far.
    pub verdict: Verdict,
}

/// What a later probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Who listens now.
    pub owner: Owner,
    /// How it answers.
    pub verdict: Verdict,
}

/// Why an attachment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetachReason {
    /// Somebody asked for it.
    AgentRequest,
    /// Its session ended.
    SessionEnd,
    /// Nobody visited it.
    Reaped,
    /// Its host is gone.
    NodeLost,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// May do everything: the operator, and the service itself.
    Admin,
    /// May act for this user.
    User(UserId),
    /// May act in this session.
    Session(SessionId),
}

/// Randomness for one command, drawn whether it is needed or not.
#[derive(Clone, PartialEq, Eq)]
pub struct Entropy {
    /// For an attachment's id.
    pub id: [u8; 17],
    /// For a token.
    pub token: [u8; 32],
}

/// What a decision depends on besides command and state; drawn once, so that a retried transaction decides alike.
#[derive(Clone)]
pub struct Context {
    /// The rules in force.
    pub rules: Rules,
    /// Who asks.
    pub by: Authority,
    /// By which door and as whom they ask, in words, for the audit trail.
    pub asked: Arc<str>,
    /// When.
    pub now: Now,
    /// Randomness.
    pub entropy: Entropy,
}

/// What the store must load into a scope before a command can be decided: all live attachments with one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// These ids.
    pub ids: Vec<AttachmentId>,
    /// Of these sessions, and their users.
    pub sessions: Vec<SessionId>,
    /// Of these users.
    pub users: Vec<UserId>,
    /// With these host names.
    pub hosts: Vec<String>,
    /// At these listeners.
    pub listeners: Vec<Listener>,
    /// Besides, the blocks of these targets.
    pub blocks: Vec<Target>,
    /// Besides, all blocks.
    pub all_blocks: bool,
}

impl Command {
    /// What must be loaded to decide it.
    #[must_use]
    pub fn reads(&self, context: &Context) -> Reads {
        match self {
            Self::Attach(attach) => {
                let rendered = attach.render(&context.rules, context.entropy.new_id()).map(|url| url.host);
                let hosts: Vec<String> = rendered.into_iter().collect();
                let of_hosts = hosts.iter().map(|host| Target::Host(host.as_str().into()));
                Reads {
                    sessions: vec![attach.session.clone()],
                    users: vec![attach.user.clone()],
                    listeners: vec![attach.listener],
                    blocks: owners(&attach.session, &attach.user).into_iter().chain(of_hosts).collect(),
                    hosts,
                    ..Reads::default()
                }
            }
            Self::Bind(session, user) => Reads {
                sessions: vec![session.clone()],
                blocks: owners(session, user).into(),
                ..Reads::default()
            },
            Self::Block(target, _) | Self::Unblock(target) => Reads {
                sessions: if let Target::Session(it) = target { vec![it.clone()] } else { Vec::new() },
                users: if let Target::User(it) = target { vec![it.clone()] } else { Vec::new() },
                hosts: if let Target::Host(it) = target { vec![it.to_string()] } else { Vec::new() },
                all_blocks: true,
                ..Reads::default()
            },
            Self::DetachNamed(session, _) | Self::EndSession(session) => {
                Reads { sessions: vec![session.clone()], ..Reads::default() }
            }
            Self::Detach(id, _)
            | Self::Rotate(id)
            | Self::Revoke(id)
            | Self::Share(id, _)
            | Self::Unshare(id, _)
            | Self::Show(id, _)
            | Self::Settle(id, _)
            | Self::MarkDown(id) => Reads { ids: vec![*id], ..Reads::default() },
        }
    }
}

fn owners(session: &SessionId, user: &UserId) -> [Target; 2] {
    [Target::Session(session.clone()), Target::User(user.clone())]
}

impl Attach {
    /// The URL it gets under `rules` with this id.
    ///
    /// # Errors
    /// [`MissingAppId`] if the template wants an app and there is none.
    pub fn render(&self, rules: &Rules, id: AttachmentId) -> Result<Rendered, MissingAppId> {
        rules.template.render(&Facts {
            id,
            name: &self.name,
            session: &self.session,
            app: self.app.as_ref(),
            port: self.listener.port,
            node: &rules.node,
        })
    }
}

impl Authority {
    /// Whether it covers what belongs to this session of this user.
    #[must_use]
    pub fn covers(&self, session: &SessionId, user: &UserId) -> bool {
        match self {
            Self::Admin => true,
            Self::User(own) => own == user,
            Self::Session(own) => own == session,
        }
    }
}

impl Entropy {
    /// The id it makes.
    #[must_use]
    pub fn new_id(&self) -> AttachmentId {
        AttachmentId::from_entropy(self.id)
    }
}

impl DetachReason {
    /// As events call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AgentRequest => "agent_request",
            Self::SessionEnd => "session_end",
            Self::Reaped => "reaped",
            Self::NodeLost => "node_lost",
        }
    }
}
