//! What of all that happens is kept in the audit trail, and in which words.

use preview_core::attachment::Attachment;
use preview_core::audit::{Action, Entry};
use preview_core::clock::Wall;
use preview_core::event::Event;
use preview_core::id::{SessionId, UserId};

use crate::store::Telling;

/// As whom the daemon acts of its own accord.
pub(crate) const ITSELF: &str = "daemon";

/// What is to be kept, but for its place in the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// Who.
    pub by: String,
    /// What.
    pub action: Action,
    /// The session it concerns.
    pub session: Option<String>,
    /// The user it concerns.
    pub user: Option<String>,
    /// The attachment, task, or target of a block.
    pub subject: Option<String>,
    /// The code of a refusal.
    pub code: Option<String>,
    /// What else there is to say.
    pub detail: Option<String>,
    /// How often.
    pub count: u64,
}

impl Note {
    /// That somebody did something, once.
    pub(crate) fn new(by: &str, action: Action) -> Self {
        Self {
            by: by.to_owned(),
            action,
            session: None,
            user: None,
            subject: None,
            code: None,
            detail: None,
            count: 1,
        }
    }

    /// That it concerns this session of this user.
    pub(crate) fn of(self, session: &SessionId, user: &UserId) -> Self {
        Self { session: Some(session.to_string()), user: Some(user.to_string()), ..self }
    }

    pub(crate) fn subject(self, subject: &impl ToString) -> Self {
        Self { subject: Some(subject.to_string()), ..self }
    }

    pub(crate) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// The entry with this number.
    pub(crate) fn entry(self, number: u64, at: Wall) -> Entry {
        let Self { by, action, session, user, subject, code, detail, count } = self;
        let action = action.as_str().to_owned();
        Entry { number, at, by, action, session, user, subject, code, detail, count }
    }
}

/// What is kept of an event about `attachment`; nothing of those that nobody brought about.
pub(crate) fn note(
    by: &str,
    event: &Event,
    attachment: Option<&Attachment>,
    telling: Telling,
) -> Option<Note> {
    let new = |action| Note::new(by, action);
    let about = |action| {
        let note = new(action);
        Some(attachment.map_or(note.clone(), |it| note.of(&it.session, &it.user).subject(&it.id)))
    };
    match event {
        Event::Attached { attachment: it, replaced } => {
            let again = if *replaced { " again" } else { "" };
            let detail = format!("{}{again} on {} as {}", it.name, it.listener, it.url.host);
            about(Action::Attached).map(|note| note.detail(detail))
        }
        Event::Detached { attachment: it, reason, .. } => {
            let task = it.task.as_ref().filter(|_| telling.ends_task);
            let task = task.map_or_else(String::new, |task| format!(", with task {task}"));
            about(Action::Detached).map(|note| note.detail(format!("{}: {}{task}", it.name, reason.as_str())))
        }
        Event::Rotated(..) => about(Action::Rotated),
        Event::Revoked(_, _, epoch) => {
            about(Action::Revoked).map(|note| note.detail(format!("epoch {epoch}")))
        }
        Event::Shared(_, share) => {
            let width = if share.read_only { ", to look only" } else { "" };
            let whom = share.label.as_str();
            let whom = if whom.is_empty() { String::new() } else { format!(" for {whom:?}") };
            about(Action::Shared).map(|note| note.detail(format!("link {}{whom}{width}", share.number)))
        }
        Event::Unshared(_, number) => {
            about(Action::Unshared).map(|note| note.detail(format!("link {number}")))
        }
        Event::Shown(_, visibility) => about(Action::Visibility).map(|note| note.detail(visibility.as_str())),
        Event::Blocked(block) => {
            let note = new(Action::Blocked).subject(&block.target);
            let reason = block.reason.as_str();
            Some(if reason.is_empty() { note } else { note.detail(reason) })
        }
        Event::Unblocked(target) => Some(new(Action::Unblocked).subject(target)),
        Event::Unbound(session) => {
            Some(Note { session: Some(session.to_string()), ..new(Action::SessionEnded) })
        }
        Event::TaskExited { session, user, task, exit_code, .. } => {
            let code = exit_code.map_or_else(|| "not known".to_owned(), |code| code.to_string());
            Some(new(Action::TaskExited).of(session, user).subject(task).detail(format!("exit code {code}")))
        }
        Event::Bound(..)
        | Event::Withheld(..)
        | Event::Settled(..)
        | Event::WentDown(_)
        | Event::Expiring(..)
        | Event::LimitHit(..) => None,
    }
}
