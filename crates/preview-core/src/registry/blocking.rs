//! Who is shut out: what is refused to them, and what of theirs is no longer served.

use super::{Authority, Context, Event, Refusal, Scope};
use crate::block::{Block, Reason, Target};
use crate::id::{SessionId, UserId};

impl Scope {
    /// Refuses what would begin for somebody who is shut out.
    pub(super) fn check_blocks(
        &self,
        session: &SessionId,
        user: &UserId,
        host: Option<&str>,
    ) -> Result<(), Refusal> {
        let block = self.blocks.covering(user, session, host);
        block.map_or(Ok(()), |block| Err(Refusal::Blocked(block.target.clone())))
    }

    /// Shuts a target out, or lets it in again: what other blocks cover stays out. The operator's alone.
    pub(super) fn decide_block(
        &self,
        context: &Context,
        target: &Target,
        reason: Option<&Reason>,
    ) -> Result<Vec<Event>, Refusal> {
        if context.by != Authority::Admin {
            return Err(Refusal::OutOfScope("blocks: they are the operator's"));
        }
        let mut after = self.blocks.clone();
        let first = match reason {
            Some(reason) => {
                let (target, reason) = (target.clone(), reason.clone());
                let block = Block { target, reason, since: context.now.wall };
                after.add(block.clone());
                Event::Blocked(Box::new(block))
            }
            None if after.remove(target) => Event::Unblocked(target.clone()),
            None => return Ok(Vec::new()),
        };
        let covered = self.attachments.values().filter(|it| target.covers(it));
        let changed = covered.filter(|it| it.blocked != after.cover(it));
        let withheld = changed.map(|it| Event::Withheld(it.id, !it.blocked));
        Ok(std::iter::once(first).chain(withheld).collect())
    }
}
