//! The audit trail: who did what, and who was refused, each entry bound to the one before.
//!
//! An entry's digest is the SHA-256 over the digest before it and all its own fields, so that a row that was changed,
//! taken out or put in breaks the chain there. What was pruned leaves an anchor: the last digest of what is gone.

use std::fmt;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::clock::Wall;

/// One entry, as it is kept. Texts are kept as they are, also those that this release would not write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its place, from 1, without gaps.
    pub number: u64,
    /// When.
    pub at: Wall,
    /// Who: the door, the peer there, and the scope they act in. Never a secret.
    pub by: String,
    /// What was done or refused, an [`Action`]'s word.
    pub action: String,
    /// The session it concerns.
    pub session: Option<String>,
    /// The user it concerns.
    pub user: Option<String>,
    /// The attachment, task, or target of a block.
    pub subject: Option<String>,
    /// The code of a refusal.
    pub code: Option<String>,
    /// What else there is to say, in words.
    pub detail: Option<String>,
    /// How often, within a minute.
    pub count: u64,
}

/// What is kept: the vocabulary of [`Entry::action`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// An attachment began, or took another listener.
    Attached,
    /// An attachment ended.
    Detached,
    /// A new token was handed out.
    Rotated,
    /// Every browser was put out.
    Revoked,
    /// A link was handed out to somebody else.
    Shared,
    /// A link was withdrawn.
    Unshared,
    /// Who may see an attachment was changed.
    Visibility,
    /// Somebody was shut out.
    Blocked,
    /// Somebody was let in again.
    Unblocked,
    /// A session ended.
    SessionEnded,
    /// A task was started.
    TaskStarted,
    /// Somebody ended a task.
    TaskEnded,
    /// A task ended by itself.
    TaskExited,
    /// A call of the API was refused.
    Refused,
    /// Visitors of a preview were refused by an edge.
    VisitRefused,
}

/// The digest of an entry and of all before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

/// A place in the chain: all up to this entry, and what it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The entry's number; 0 before the first.
    pub number: u64,
    /// Its digest.
    pub digest: Digest,
}

/// An entry with the digest that was kept for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The entry.
    pub entry: Entry,
    /// Its digest, as it was kept.
    pub digest: Digest,
}

/// Where a chain is broken first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Broken {
    /// An entry is not there.
    #[error("entry {0} is missing")]
    Missing(u64),
    /// An entry is not what it was when it was written, or one before it was put in or taken out.
    #[error("entry {0} was changed")]
    Changed(u64),
    /// All entries fit, and yet the last one is not the last that was written.
    #[error("entry {0} is not the one that the trail ends with")]
    End(u64),
}

impl Entry {
    /// Its digest after `previous`: a domain, then each field with its length before it, so that no two entries
    /// make the same bytes.
    #[must_use]
    pub fn digest(&self, previous: &Digest) -> Digest {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(previous.0);
        for number in [self.number, self.at.as_millis(), self.count] {
            hash.update(number.to_be_bytes());
        }
        let optional = [&self.session, &self.user, &self.subject, &self.code, &self.detail];
        let texts = [Some(&self.by), Some(&self.action)].into_iter().chain(optional.map(Option::as_ref));
        for text in texts {
            // Nothing and an empty text are two things.
            let length = text.map_or(u64::MAX, |text| u64::try_from(text.len()).unwrap_or(u64::MAX - 1));
            hash.update(length.to_be_bytes());
            hash.update(text.map_or(&[][..], |text| text.as_bytes()));
        }
        Digest(hash.finalize().into())
    }
}

/// Walks entries in the order of their numbers from `from` on; gives the place they lead to.
///
/// # Errors
/// [`Broken`] names the first entry that does not follow from those before it.
pub fn verify<'a>(from: Link, entries: impl IntoIterator<Item = &'a Sealed>) -> Result<Link, Broken> {
    let mut last = from;
    for it in entries {
        let expected = last.number.saturating_add(1);
        if it.entry.number > expected {
            return Err(Broken::Missing(expected));
        }
        if it.entry.number < expected || it.entry.digest(&last.digest) != it.digest {
            return Err(Broken::Changed(it.entry.number));
        }
        last = Link { number: it.entry.number, digest: it.digest };
    }
    Ok(last)
}

const DOMAIN: &[u8] = b"preview audit 1\n";

impl Link {
    /// The place before the first entry.
    #[must_use]
    pub fn start() -> Self {
        Self { number: 0, digest: Digest(Sha256::digest(DOMAIN).into()) }
    }
}

impl Digest {
    /// A digest that was kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()?))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Attached,
        Self::Detached,
        Self::Rotated,
        Self::Revoked,
        Self::Shared,
        Self::Unshared,
        Self::Visibility,
        Self::Blocked,
        Self::Unblocked,
        Self::SessionEnded,
        Self::TaskStarted,
        Self::TaskEnded,
        Self::TaskExited,
        Self::Refused,
        Self::VisitRefused,
    ];

    /// As entries call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::Detached => "detached",
            Self::Rotated => "rotated",
            Self::Revoked => "revoked",
            Self::Shared => "shared",
            Self::Unshared => "unshared",
            Self::Visibility => "visibility",
            Self::Blocked => "blocked",
            Self::Unblocked => "unblocked",
            Self::SessionEnded => "session_ended",
            Self::TaskStarted => "task_started",
            Self::TaskEnded => "task_ended",
            Self::TaskExited => "task_exited",
            Self::Refused => "refused",
            Self::VisitRefused => "visit_refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_whole_trail_leads_to_its_end_from_its_start_and_from_any_anchor() {
        let trail = trail(9);
        let end = verify(Link::start(), &trail).expect("whole");
        assert_eq!(end.number, 9);
        for at in 0..9 {
            let anchor = Link { number: trail[at].entry.number, digest: trail[at].digest };
            assert_eq!(verify(anchor, &trail[at + 1..]), Ok(end));
        }
    }

    #[test]
    fn the_first_entry_that_was_taken_out_put_in_or_moved_is_named() {
        let without = |at: usize| {
            let mut trail = trail(5);
            trail.remove(at);
            trail
        };
        assert_eq!(verify(Link::start(), &without(2)), Err(Broken::Missing(3)));
        assert_eq!(verify(Link::start(), &without(0)), Err(Broken::Missing(1)));
        let mut renumbered = without(2);
        for it in &mut renumbered[2..] {
            it.entry.number -= 1;
        }
        assert_eq!(verify(Link::start(), &renumbered), Err(Broken::Changed(3)));
        let mut swapped = trail(5);
        swapped.swap(1, 2);
        assert_eq!(verify(Link::start(), &swapped), Err(Broken::Missing(2)));
        let mut doubled = trail(5);
        doubled.insert(3, doubled[2].clone());
        assert_eq!(verify(Link::start(), &doubled), Err(Broken::Changed(3)));
    }

    #[test]
    fn every_word_is_another() {
        let words: std::collections::BTreeSet<_> = Action::ALL.map(Action::as_str).into();
        assert_eq!(words.len(), Action::ALL.len());
    }

    proptest! {
        #[test]
        fn any_change_of_any_field_is_found(entry in entry(), other in entry(), previous: [u8; 32]) {
            prop_assume!(entry != other);
            let previous = Digest(previous);
            prop_assert_ne!(entry.digest(&previous), other.digest(&previous));
        }

        #[test]
        fn a_change_anywhere_breaks_the_chain_there(at in 0..6_usize, other in entry()) {
            let mut trail = trail(6);
            let number = trail[at].entry.number;
            let changed = Entry { number, ..other };
            prop_assume!(changed != trail[at].entry);
            trail[at].entry = changed;
            prop_assert_eq!(verify(Link::start(), &trail), Err(Broken::Changed(number)));
        }
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let text = || "[a-c]{0,2}";
        let some = || prop::option::of(text());
        ((0..3_u64, 0..3_u64, 0..3_u64, text(), text()), (some(), some(), some(), some(), some())).prop_map(
            |((number, at, count, by, action), (session, user, subject, code, detail))| {
                let at = Wall::from_millis(at);
                Entry { number, at, by, action, session, user, subject, code, detail, count }
            },
        )
    }

    fn trail(length: u64) -> Vec<Sealed> {
        let mut last = Link::start();
        let mut trail = Vec::new();
        for number in 1..=length {
            let by = "api.sock uid 0 admin".to_owned();
            let entry = Entry { number, at: Wall::from_secs(number), by, count: 1, ..Entry::default() };
            let digest = entry.digest(&last.digest);
            last = Link { number, digest };
            trail.push(Sealed { entry, digest });
        }
        trail
    }
}
