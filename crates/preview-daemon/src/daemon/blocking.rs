//! Who is shut out. Edges have such routes taken away as if they were detached.

use preview_core::block::{Reason, Target};
use preview_core::command::{Authority, Command};
use preview_core::refusal::Refusal;
use preview_core::wire::api::{BlockList, BlockView, Unblocked};

use super::Daemon;
use crate::clock;
use crate::failure::Failure;
use crate::store::Telling;

impl Daemon {
    /// Shuts a user, session or host name out: its previews are served no more, and nothing new begins.
    pub async fn block(&self, by: &Authority, target: Target, reason: Reason) -> Result<BlockView, Failure> {
        let context = self.context(by, clock::entropy()?);
        let command = Command::Block(target.clone(), reason);
        self.store().transact(command, context, Telling::default()).await?;
        let blocks = self.live().blocks();
        blocks.get(&target).map(BlockView::from).ok_or(Failure::not_found("block"))
    }

    /// Lets it in again; one that is not shut out is `removed: false`.
    pub async fn unblock(&self, by: &Authority, target: Target) -> Result<Unblocked, Failure> {
        let context = self.context(by, clock::entropy()?);
        let command = Command::Unblock(target.clone());
        let done = self.store().transact(command, context, Telling::default()).await?;
        Ok(Unblocked::of(&target, !done.changes.is_empty()))
    }

    /// All who are shut out. The operator's alone.
    pub fn blocks(&self, by: &Authority) -> Result<BlockList, Failure> {
        if *by != Authority::Admin {
            return Err(Refusal::OutOfScope("blocks: they are the operator's").into());
        }
        Ok(BlockList { blocks: self.live().blocks().iter().map(BlockView::from).collect() })
    }
}
