//! What has happened to attachments. Events are the only thing that changes them.

use std::time::Duration;

use crate::attachment::{Attachment, Visibility};
use crate::block::{Block, Target};
use crate::command::{DetachReason, Settled};
use crate::id::{AttachmentId, SessionId, TaskId, UserId};
use crate::limits::LimitReached;
use crate::share::Share;
use crate::token::Tokens;

/// Something that has happened. The first group changes state, the second only tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A session was bound to its user.
    Bound(SessionId, UserId),
    /// A session ended and its id is free again.
    Unbound(SessionId),
    /// An attachment began, or took another listener under its name.
    Attached {
        /// The attachment as it is now.
        attachment: Box<Attachment>,
        /// Whether its name was in use before.
        replaced: bool,
    },
    /// An attachment ended.
    Detached {
        /// The attachment as it was.
        attachment: Box<Attachment>,
        /// Why.
        reason: DetachReason,
        /// How long it lived.
        lifetime: Duration,
    },
    /// A new token was handed out.
    Rotated(AttachmentId, Tokens),
    /// Every browser is out, and every link that was handed out has ended.
    Revoked(AttachmentId, Tokens, u64),
    /// A link was handed out.
    Shared(AttachmentId, Box<Share>),
    /// The link with this number was withdrawn.
    Unshared(AttachmentId, u32),
    /// Who may see it has changed.
    Shown(AttachmentId, Visibility),
    /// A user, session or host name is shut out.
    Blocked(Box<Block>),
    /// It is so no longer.
    Unblocked(Target),
    /// Whether an attachment is shut out has changed.
    Withheld(AttachmentId, bool),
    /// The probe came to a verdict.
    Settled(AttachmentId, Box<Settled>),
    /// Nothing listens there any more.
    WentDown(AttachmentId),

    /// It will be reaped so soon without a visit.
    Expiring(AttachmentId, Duration),
    /// An attach was refused for a limit.
    LimitHit(SessionId, UserId, LimitReached),
    /// A task ended by itself.
    TaskExited {
        /// Its session.
        session: SessionId,
        /// Its user.
        user: UserId,
        /// The task.
        task: TaskId,
        /// Its exit code, where it is known.
        exit_code: Option<i32>,
        /// The end of its output.
        last_lines: Vec<String>,
    },
}

impl Event {
    /// The attachment it is about.
    #[must_use]
    pub fn attachment_id(&self) -> Option<AttachmentId> {
        match self {
            Self::Attached { attachment, .. } | Self::Detached { attachment, .. } => Some(attachment.id),
            Self::Rotated(id, _)
            | Self::Revoked(id, _, _)
            | Self::Shared(id, _)
            | Self::Unshared(id, _)
            | Self::Shown(id, _)
            | Self::Withheld(id, _)
            | Self::Settled(id, _)
            | Self::WentDown(id)
            | Self::Expiring(id, _) => Some(*id),
            Self::Bound(..)
            | Self::Unbound(_)
            | Self::Blocked(_)
            | Self::Unblocked(_)
            | Self::LimitHit(..)
            | Self::TaskExited { .. } => None,
        }
    }
}
