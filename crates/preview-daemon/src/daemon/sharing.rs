//! Links for others, and who may see an attachment.

use preview_core::attachment::Visibility;
use preview_core::command::{Authority, Command};
use preview_core::event::Event;
use preview_core::id::AttachmentId;
use preview_core::registry::Scope;
use preview_core::share::Wish;
use preview_core::wire::api::{AttachmentView, ShareList, ShareView, Unshared};

use super::Daemon;
use crate::clock;
use crate::failure::Failure;
use crate::store::Telling;

impl Daemon {
    /// Hands out a link to somebody else.
    pub async fn share(&self, by: &Authority, id: AttachmentId, wish: Wish) -> Result<ShareView, Failure> {
        let context = self.context(by, clock::entropy()?);
        let token = context.token();
        let done = self.store().transact(Command::Share(id, wish), context, Telling::default()).await?;
        let made = done.changes.iter().find_map(|change| match (&change.event, &change.attachment) {
            (Event::Shared(_, share), Some(it)) => {
                Some(ShareView { url: Some(it.iframe_url(token.reveal())), ..ShareView::from(&**share) })
            }
            _ => None,
        });
        made.ok_or(Failure::not_found("attachment"))
    }

    /// The links of an attachment that have not ended.
    pub fn shares(&self, by: &Authority, id: AttachmentId) -> Result<ShareList, Failure> {
        self.show(by, id)?;
        let now = clock::wall();
        let it = self.live().get(id).ok_or(Failure::not_found("attachment"))?;
        let live = it.shares.as_slice().iter().filter(|share| share.lives(now));
        Ok(ShareList { shares: live.map(ShareView::from).collect() })
    }

    /// Withdraws a link: who came in by it is out. An unknown number is `removed: false`.
    pub async fn unshare(&self, by: &Authority, id: AttachmentId, number: u32) -> Result<Unshared, Failure> {
        let context = self.context(by, clock::entropy()?);
        let done = self.store().transact(Command::Unshare(id, number), context, Telling::default()).await?;
        Ok(Unshared { number, removed: !done.changes.is_empty() })
    }

    /// Withdraws a link that has ended, so that all hear of it and edges close what came in by it.
    pub(crate) async fn withdraw_ended(&self, id: AttachmentId, number: u32) -> Result<(), Failure> {
        let still = move |scope: &Scope| {
            let shares = scope.attachments.get(&id).map(|it| it.shares.as_slice()).unwrap_or_default();
            shares.iter().any(|share| share.number == number && !share.lives(clock::wall()))
        };
        self.carry_out(Command::Unshare(id, number), Telling::default(), still).await.map(drop)
    }

    /// Changes who may see it, within what the operator allows.
    pub async fn set_visibility(
        &self,
        by: &Authority,
        id: AttachmentId,
        visibility: Visibility,
    ) -> Result<AttachmentView, Failure> {
        let context = self.context(by, clock::entropy()?);
        self.store().transact(Command::Show(id, visibility), context, Telling::default()).await?;
        self.show(by, id)
    }
}
