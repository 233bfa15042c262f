//! The keys that sign grants: made here, kept in the store, handed to edges over the route feed.

use std::time::Duration;

use preview_core::clock::Wall;
use preview_core::grant::{GrantKey, GrantKeys};
use tokio::sync::watch;

use crate::clock;
use crate::failure::Failure;
use crate::store::Store;

/// A grant key, and when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRecord {
    /// The key.
    pub key: GrantKey,
    /// When it was made.
    pub made: Wall,
}

/// The keys in force.
pub(crate) struct Keys {
    current: watch::Sender<GrantKeys>,
    /// From its successor's making on, a key stays so long: it must tell an ended grant from none for as long as
    /// a browser keeps the cookie.
    overlap: Duration,
}

/// How long a key signs.
const SIGNS: Duration = Duration::from_hours(30 * 24);

/// How long a browser keeps a grant's cookie beyond the grant's life (`docs/contract.md` §1).
const COOKIE_OUTLIVES: Duration = Duration::from_hours(7 * 24);

impl Keys {
    /// The keys of the store; the first one is made if there is none.
    pub(crate) async fn load(store: &Store, grant_life: Duration) -> Result<Self, Failure> {
        let keys = Self {
            current: watch::Sender::new(GrantKeys::default()),
            overlap: grant_life.saturating_add(COOKIE_OUTLIVES),
        };
        keys.renew(store).await?;
        Ok(keys)
    }

    /// Makes a new key when the newest has signed long enough, and withdraws what nobody can hold any more.
    pub(crate) async fn renew(&self, store: &Store) -> Result<(), Failure> {
        let kept = store.keys().await?;
        let next = next(&kept, clock::wall(), self.overlap, clock::random()?);
        if next != kept {
            store.put_keys(next.clone()).await?;
        }
        let keys = GrantKeys::new(next.into_iter().map(|it| it.key).collect());
        self.current.send_if_modified(|current| {
            let is_new = *current != keys;
            *current = keys;
            is_new
        });
        Ok(())
    }

    /// The keys now.
    pub(crate) fn now(&self) -> GrantKeys {
        self.current.borrow().clone()
    }

    /// The keys, now and later.
    pub(crate) fn follow(&self) -> watch::Receiver<GrantKeys> {
        self.current.subscribe()
    }
}

/// The keys that should be in force at `now`, of which `kept` (newest first) are; a new one has `secret`.
fn next(kept: &[KeyRecord], now: Wall, overlap: Duration, secret: [u8; 32]) -> Vec<KeyRecord> {
    let newest = kept.first();
    let fresh = newest.is_none_or(|it| now.since(it.made) >= SIGNS).then(|| KeyRecord {
        key: GrantKey::new(newest.map_or(1, |it| it.key.number + 1), secret),
        made: now,
    });
    let all: Vec<_> = fresh.into_iter().chain(kept.iter().cloned()).collect();
    let succeeded = all.iter().map(|it| Some(it.made));
    let successors = std::iter::once(None).chain(succeeded);
    all.iter()
        .zip(successors)
        .filter(|(_, succeeded)| succeeded.is_none_or(|at| now.since(at) < overlap))
        .map(|(it, _)| it.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use preview_core::grant::Grant;
    use preview_core::id::AttachmentId;

    use super::*;

    #[test]
    fn a_key_signs_for_thirty_days_and_verifies_until_no_browser_holds_its_grants() {
        let (day, overlap) = (Duration::from_hours(24), Duration::from_hours(7 * 24 + 8));
        let start = Wall::from_secs(1_800_000_000);
        let mut keys = next(&[], start, overlap, [1; 32]);
        assert_eq!(numbers(&keys), [1]);
        keys = next(&keys, start + day * 29, overlap, [2; 32]);
        assert_eq!(numbers(&keys), [1]);
        keys = next(&keys, start + day * 30, overlap, [2; 32]);
        assert_eq!(numbers(&keys), [2, 1]);
        keys = next(&keys, start + day * 37, overlap, [3; 32]);
        assert_eq!(numbers(&keys), [2, 1]);
        keys = next(&keys, start + day * 38, overlap, [3; 32]);
        assert_eq!(numbers(&keys), [2]);
    }

    #[test]
    fn a_grant_is_told_from_none_as_long_as_a_browser_keeps_it_and_no_key_stays_longer_than_that() {
        let day = Duration::from_hours(24);
        let id = AttachmentId::from_entropy([7; 17]);
        // The shortest life, the usual one, the longest.
        for life in [Duration::from_mins(1), Duration::from_hours(8), day * 30] {
            let overlap = life.saturating_add(COOKIE_OUTLIVES);
            let (mut keys, mut held) = (Vec::new(), Vec::new());
            for turn in 0..400_u32 {
                let now = Wall::from_secs(1_800_000_000) + day * turn;
                let mut secret = [0; 32];
                secret[..4].copy_from_slice(&turn.to_be_bytes());
                keys = next(&keys, now, overlap, secret);
                let newest = keys.first().expect("one signs");
                assert!(now.since(newest.made) < SIGNS, "day {turn}: an old key signs");
                let oldest = keys.last().expect("one");
                assert!(now.since(oldest.made) < SIGNS + overlap, "day {turn}: an old key stays");
                let in_force = GrantKeys::new(keys.iter().map(|it| it.key.clone()).collect());
                held.retain(|(made, _)| now.since(*made) < overlap);
                let grant = Grant::new(id, 0, now, life);
                held.push((now, in_force.seal(&grant, "a.example").expect("a key")));
                for (made, sealed) in &held {
                    let opened = in_force.open(sealed, "a.example");
                    assert_eq!(opened.map(|it| it.issued), Some(*made), "day {turn}: a grant is lost");
                }
            }
        }
    }

    fn numbers(keys: &[KeyRecord]) -> Vec<u32> {
        keys.iter().map(|it| it.key.number).collect()
    }
}
