//! Records that could not be removed: remembered until they are.

use crate::cert::Failure;
use crate::cert::challenge::Solver;
use crate::cert::desk::Desk;
use crate::cert::journal::{Buried, Txt};
use crate::clock::wall;

/// Remembers a record that could not be removed.
pub(crate) async fn bury(desk: &Desk, txt: &Txt, failure: &Failure) -> Result<(), Failure> {
    let fqdn = &txt.record.fqdn;
    tracing::warn!(fqdn, %failure, "a TXT record cannot be removed now, it is tried again");
    let mut all = desk.graveyard().await?;
    if !all.iter().any(|it| it.record == txt.record && it.solver == txt.solver) {
        all.push(Buried { solver: txt.solver.clone(), record: txt.record.clone(), since: wall() });
        desk.keep_graveyard(all).await?;
    }
    Ok(())
}

/// Tries again to remove what is remembered; returns how many are left.
pub(crate) async fn sweep(desk: &Desk, solver: &dyn Solver) -> Result<usize, Failure> {
    let all = desk.graveyard().await?;
    let mut left = Vec::new();
    for buried in &all {
        if buried.solver != solver.name() {
            left.push(buried.clone());
            continue;
        }
        match solver.remove(&buried.record).await {
            Ok(()) => tracing::info!(fqdn = buried.record.fqdn, "a TXT record that was left is removed"),
            Err(failure) => {
                tracing::debug!(fqdn = buried.record.fqdn, %failure, "a TXT record still cannot be removed");
                left.push(buried.clone());
            }
        }
    }
    let count = left.len();
    if count < all.len() {
        desk.keep_graveyard(left).await?;
    }
    Ok(count)
}
