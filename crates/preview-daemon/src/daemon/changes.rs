//! What changes what is attached, but for attaching itself.

use preview_core::attachment::Attachment;
use preview_core::command::{Authority, Command, DetachReason};
use preview_core::event::Event;
use preview_core::id::{AttachmentId, Name, SessionId, TaskId};
use preview_core::refusal::Refusal;
use preview_core::registry::decide;
use preview_core::wire::api::{AttachmentView, Detached, SessionEnded};
use preview_core::wire::watch::{ListenerAdmitted, ListenerSeen};

use super::Daemon;
use crate::failure::Failure;
use crate::reap::known_until;
use crate::store::{Committed, Telling};
use crate::{clock, listeners};

/// Whoever ends an attachment on purpose ends its task with it.
const WITH_TASK: Telling = Telling { took: std::time::Duration::ZERO, ends_task: true };

impl Daemon {
    /// Takes an attachment down; its tied task ends with it.
    pub async fn detach(&self, by: &Authority, id: AttachmentId) -> Result<Detached, Failure> {
        let (daemon, by) = (self.clone(), by.clone());
        self.see_through(async move {
            let command = Command::Detach(id, DetachReason::AgentRequest);
            let ended = daemon.end(&by, command, WITH_TASK).await?;
            let it = ended.first().ok_or(Failure::not_found("attachment"))?;
            Ok(Detached {
                name: it.name.to_string(),
                removed: true,
                previous: Some(Box::new(daemon.view(it))),
            })
        })
        .await
    }

    /// Takes down what the session calls by this name; an unknown name is `removed: false` (seed).
    pub async fn detach_named(
        &self,
        by: &Authority,
        session: SessionId,
        name: Name,
    ) -> Result<Detached, Failure> {
        let (daemon, by) = (self.clone(), by.clone());
        self.see_through(async move {
            let ended = daemon.end(&by, Command::DetachNamed(session, name.clone()), WITH_TASK).await?;
            let previous = ended.first().map(|it| Box::new(daemon.view(it)));
            Ok(Detached { name: name.to_string(), removed: previous.is_some(), previous })
        })
        .await
    }

    /// Ends a session: all its attachments, all its tasks.
    pub async fn end_session(&self, by: &Authority, session: SessionId) -> Result<SessionEnded, Failure> {
        let (daemon, by) = (self.clone(), by.clone());
        self.see_through(async move {
            let ended = daemon.end(&by, Command::EndSession(session.clone()), WITH_TASK).await?;
            let tied = ended.iter().filter_map(|it| it.task.clone());
            let tasks: Vec<_> = tied.chain(daemon.tasks().end_session(&session).await).collect();
            Ok(SessionEnded {
                session_id: session.to_string(),
                detached: ended.iter().map(|it| it.name.to_string()).collect(),
                tasks: tasks.iter().map(ToString::to_string).collect(),
            })
        })
        .await
    }

    /// Hands out a new token; the old one has a minute left.
    pub async fn rotate(&self, by: &Authority, id: AttachmentId) -> Result<AttachmentView, Failure> {
        self.with_new_token(by, Command::Rotate(id)).await
    }

    /// Puts every browser out, and hands out a new token.
    pub async fn revoke(&self, by: &Authority, id: AttachmentId) -> Result<AttachmentView, Failure> {
        self.with_new_token(by, Command::Revoke(id)).await
    }

    /// Lets silence start anew.
    pub fn keep_alive(&self, by: &Authority, id: AttachmentId) -> Result<AttachmentView, Failure> {
        self.show(by, id)?;
        self.activity().renew(id, clock::tick());
        self.show(by, id)
    }

    /// Looks who listens at an attachment's port now, and records it if it is still the attachment's server.
    pub async fn check_listener(
        &self,
        id: AttachmentId,
        seen: ListenerSeen,
    ) -> Result<ListenerAdmitted, Failure> {
        tracing::debug!(%id, inode = seen.inode, "an edge found another listener");
        listeners::readmit(self, id).await
    }

    /// Takes down an attachment that nobody visits, if that is still so when it is decided.
    pub(crate) async fn reap(&self, id: AttachmentId) -> Result<(), Failure> {
        let (daemon, policy) = (self.clone(), self.config().idle);
        let telling = Telling { ends_task: self.config().reap_kills_task, ..Telling::default() };
        self.see_through(async move {
            let judge = daemon.clone();
            let still = move |_: &_| judge.activity().is_due(id, policy, known_until(policy, clock::tick()));
            let command = Command::Detach(id, DetachReason::Reaped);
            let done = daemon.carry_out(command, telling, still).await?;
            daemon.end_tasks(&done, telling).await;
            Ok(())
        })
        .await
    }

    /// Carries out a command that takes attachments down, ends their tasks, and gives what was taken down.
    async fn end(
        &self,
        by: &Authority,
        command: Command,
        telling: Telling,
    ) -> Result<Vec<Attachment>, Failure> {
        let context = self.context(by, clock::entropy()?);
        let done = self.store().transact(command, context, telling).await?;
        self.end_tasks(&done, telling).await;
        Ok(detached(&done).cloned().collect())
    }

    async fn end_tasks(&self, done: &Committed, telling: Telling) {
        let tied: Vec<&TaskId> = detached(done).filter_map(|it| it.task.as_ref()).collect();
        for id in tied.into_iter().filter(|_| telling.ends_task) {
            self.tasks().end(id).await;
        }
    }

    async fn with_new_token(&self, by: &Authority, command: Command) -> Result<AttachmentView, Failure> {
        let context = self.context(by, clock::entropy()?);
        let token = context.token();
        let done = self.store().transact(command, context, Telling::default()).await?;
        let changed = done.changes.iter().find_map(|it| it.attachment.as_ref());
        let it = changed.ok_or(Failure::not_found("attachment"))?;
        Ok(AttachmentView {
            iframe_url: Some(it.iframe_url(token.reveal())),
            token: Some(token.reveal().to_owned()),
            ..self.view(it)
        })
    }

    /// Decides a command over what is attached now, without carrying it out: why it would be refused.
    pub(crate) fn foresee(
        &self,
        command: &Command,
        context: &preview_core::command::Context,
    ) -> Result<(), Refusal> {
        decide(context, &self.live().scope(&command.reads(context)), command).map(drop)
    }
}

fn detached(done: &Committed) -> impl Iterator<Item = &Attachment> {
    done.changes.iter().filter_map(|change| match &change.event {
        Event::Detached { attachment, .. } => Some(&**attachment),
        _ => None,
    })
}
