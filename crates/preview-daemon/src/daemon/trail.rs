//! The audit trail, as far as the caller may see it.

use preview_core::audit::Action;
use preview_core::command::Authority;
use preview_core::id::{SessionId, UserId};
use preview_core::wire::audit::{AuditPage, EntryView, LinkView};

use super::Daemon;
use crate::failure::Failure;
use crate::store::TrailFilter;

/// Which entries to read.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// After this number, the oldest first; absent: the newest.
    pub since: Option<u64>,
    /// Of this session alone.
    pub session: Option<SessionId>,
    /// Of this user alone.
    pub user: Option<UserId>,
    /// Of this action alone.
    pub action: Option<Action>,
    /// At most so many; no more than [`AuditFilter::MOST`].
    pub limit: Option<u32>,
}

impl AuditFilter {
    /// So many entries make a page at most.
    pub const MOST: u32 = 1_000;
    const USUAL: u32 = 100;
}

impl Daemon {
    /// A page of the audit trail: of a narrower key's own session or user alone. Only admins are told where the
    /// trail begins and ends.
    pub async fn audit(&self, by: &Authority, filter: AuditFilter) -> Result<AuditPage, Failure> {
        self.check_scope(by, filter.session.as_ref(), filter.user.as_ref())?;
        let mut wanted = TrailFilter {
            since: filter.since,
            session: filter.session.map(|it| it.to_string()),
            user: filter.user.map(|it| it.to_string()),
            action: filter.action.map(|it| it.as_str().to_owned()),
            most: filter.limit.unwrap_or(AuditFilter::USUAL).min(AuditFilter::MOST),
        };
        // A session that was freed and bound anew has entries of another user too: those stay theirs.
        match by {
            Authority::Admin => {}
            Authority::User(own) => wanted.user = Some(own.to_string()),
            Authority::Session(own) => {
                wanted.session = Some(own.to_string());
                wanted.user = self.live().user_of(own).map(|user| user.to_string()).or(wanted.user);
            }
        }
        let part = self.store().trail(wanted).await?;
        let is_admin = *by == Authority::Admin;
        Ok(AuditPage {
            anchor: is_admin.then(|| LinkView::from(&part.anchor)),
            head: is_admin.then(|| LinkView::from(&part.head)),
            entries: part.entries.iter().map(EntryView::from).collect(),
        })
    }
}
