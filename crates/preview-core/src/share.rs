//! Links for others: each lets into one attachment, for a while, perhaps only to look, and is withdrawn alone.

use std::time::Duration;

use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::clock::Wall;
use crate::token::TokenDigest;

/// A link that was handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its number within the attachment, from 1; never used again there.
    pub number: u32,
    /// Its token's digest.
    pub digest: TokenDigest,
    /// Whom it is for, as the sharer wrote it.
    pub label: Label,
    /// Whether it lets only look: GET, HEAD, and the sockets that pages listen on.
    pub read_only: bool,
    /// When it was made.
    pub created: Wall,
    /// From when it is refused, and every grant that came of it.
    pub expires: Wall,
}

/// The links of one attachment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    last: u32,
    live: Vec<Share>, // Invariant: ascending numbers, none above `last`, at most `MOST`.
}

/// Whom a link is for: up to 64 characters, none of them a control character. May be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label(Box<str>);

/// A text that is no label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("label must have at most {} characters, none of them a control character", Label::MOST)]
pub struct InvalidLabel;

/// A life that no link may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("ttl must be from 1 min to 30 days, not {0:?}")]
pub struct InvalidTtl(pub Duration);

/// What a link is to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Whom it is for.
    pub label: Label,
    /// Whether it lets only look.
    pub read_only: bool,
    ttl: Duration, // Invariant: LEAST..=MOST.
}

impl Wish {
    /// How long a link lives if nothing is said.
    pub const DEFAULT: Duration = Duration::from_hours(1);
    /// The shortest life.
    pub const LEAST: Duration = Duration::from_mins(1);
    /// The longest.
    pub const MOST: Duration = Duration::from_hours(30 * 24);

    /// A link for `label` that lives for `ttl`.
    ///
    /// # Errors
    /// [`InvalidTtl`] unless `ttl` lies within [`Self::LEAST`] and [`Self::MOST`].
    pub fn new(label: Label, read_only: bool, ttl: Duration) -> Result<Self, InvalidTtl> {
        if (Self::LEAST..=Self::MOST).contains(&ttl) {
            Ok(Self { label, read_only, ttl })
        } else {
            Err(InvalidTtl(ttl))
        }
    }
}

impl Shares {
    /// Links that one attachment can have at a time.
    pub const MOST: usize = 20;

    /// What was stored: the last number given, and the links.
    #[must_use]
    pub fn restore(last: u32, mut live: Vec<Share>) -> Self {
        live.sort_by_key(|share| share.number);
        live.truncate(Self::MOST);
        let highest = live.last().map_or(0, |share| share.number);
        Self { last: last.max(highest), live }
    }

    /// The links, those that have ended included until the next change.
    #[must_use]
    pub fn as_slice(&self) -> &[Share] {
        &self.live
    }

    /// The last number that was given.
    #[must_use]
    pub const fn last(&self) -> u32 {
        self.last
    }

    /// The link that a further wish makes; `None` while there are [`Self::MOST`] that have not ended.
    #[must_use]
    pub fn make(&self, wish: &Wish, digest: TokenDigest, now: Wall) -> Option<Share> {
        let live = self.live.iter().filter(|share| share.lives(now)).count();
        (live < Self::MOST).then(|| Share {
            number: self.last.saturating_add(1),
            digest,
            label: wish.label.clone(),
            read_only: wish.read_only,
            created: now,
            expires: now + wish.ttl,
        })
    }

    /// With a link more; those that had ended when it was made are forgotten.
    pub fn add(&mut self, share: Share) {
        self.live.retain(|it| it.lives(share.created) && it.number != share.number);
        self.last = self.last.max(share.number);
        self.live.push(share);
    }

    /// Without this one; whether it was there.
    pub fn remove(&mut self, number: u32) -> bool {
        let before = self.live.len();
        self.live.retain(|share| share.number != number);
        self.live.len() < before
    }

    /// Without any.
    pub fn clear(&mut self) {
        self.live.clear();
    }

    /// The link with this number, if it has not ended.
    #[must_use]
    pub fn get(&self, number: u32, now: Wall) -> Option<&Share> {
        self.live.iter().find(|share| share.number == number && share.lives(now))
    }

    /// The link with this token, if it has not ended. Takes the same time for every wrong token.
    #[must_use]
    pub fn find(&self, given: &TokenDigest, now: Wall) -> Option<&Share> {
        let mut found = None;
        for share in &self.live {
            if bool::from(share.digest.as_bytes().ct_eq(given.as_bytes())) & share.lives(now) {
                found = Some(share);
            }
        }
        found
    }
}

impl Share {
    /// Whether it has not ended.
    #[must_use]
    pub fn lives(&self, now: Wall) -> bool {
        now < self.expires
    }
}

impl Label {
    /// The most characters it may have.
    pub const MOST: usize = 64;

    /// Reads it from text.
    ///
    /// # Errors
    /// [`InvalidLabel`] for a text that is too long or would disturb a terminal.
    pub fn new(text: &str) -> Result<Self, InvalidLabel> {
        let fits = text.chars().count() <= Self::MOST && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.into())) } else { Err(InvalidLabel) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_lets_in_until_it_ends_or_is_withdrawn() {
        let mut shares = Shares::default();
        let share = shares.make(&wish(3_600), digest("a"), at(0)).expect("room");
        shares.add(share);
        assert_eq!(shares.find(&digest("a"), at(3_599)).map(|it| it.number), Some(1));
        assert_eq!(shares.find(&digest("a"), at(3_600)), None);
        assert_eq!(shares.find(&digest("b"), at(1)), None);
        assert!(shares.remove(1) && !shares.remove(1));
        assert_eq!(shares.get(1, at(1)), None);
    }

    #[test]
    fn a_number_is_never_used_again() {
        let mut shares = Shares::default();
        shares.add(shares.make(&wish(60), digest("a"), at(0)).expect("room"));
        shares.clear();
        assert_eq!(shares.make(&wish(60), digest("b"), at(1)).expect("room").number, 2);
        let restored = Shares::restore(shares.last(), Vec::new());
        assert_eq!(restored.make(&wish(60), digest("b"), at(1)).expect("room").number, 2);
    }

    #[test]
    fn twenty_live_at_a_time_and_those_that_ended_do_not_count() {
        let mut shares = Shares::default();
        for n in 0..20 {
            shares.add(shares.make(&wish(60), digest(&n.to_string()), at(0)).expect("room"));
        }
        assert_eq!(shares.make(&wish(60), digest("more"), at(59)), None);
        let share = shares.make(&wish(60), digest("more"), at(60)).expect("the others have ended");
        shares.add(share);
        assert_eq!(shares.as_slice().len(), 1);
    }

    #[test]
    fn a_life_and_a_label_have_bounds() {
        for secs in [0, 59, 30 * 86_400 + 1] {
            assert!(Wish::new(Label::default(), false, Duration::from_secs(secs)).is_err(), "{secs}");
        }
        assert!(Label::new("Zoë, design").is_ok());
        assert!(Label::new("a\x1b[31m").is_err() && Label::new(&"x".repeat(65)).is_err());
    }

    fn wish(secs: u64) -> Wish {
        Wish::new(Label::default(), false, Duration::from_secs(secs)).expect("in bounds")
    }

    fn digest(text: &str) -> TokenDigest {
        TokenDigest::of(text)
    }

    fn at(secs: u64) -> Wall {
        Wall::from_secs(secs)
    }
}
