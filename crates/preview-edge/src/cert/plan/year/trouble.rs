//! What goes wrong within a year, and the dice that choose it.

use std::time::Duration;

use preview_core::clock::Wall;

use super::{DAY, HOUR, MINUTE, NEW_YEAR, YEAR};
use crate::cert::Failure;
use crate::cert::plan::{Whom, Window};

/// An authority compares its clock with ours by its answer's `Date`; more than this apart is not worked with.
const CLOCKS_APART: u64 = 10 * MINUTE;

#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    /// The first authority and its rehearsals do not answer.
    Down,
    /// Nobody finds the records.
    Unproved,
    /// Some of the places that the authority looks from do not find them, while the rehearsal does.
    Partly,
    /// The first authority asks to wait for so many hours.
    Busy(u64),
    /// No renewal information is to be had.
    Silent,
    /// All certificates made until then shall be replaced at once.
    Revocation,
    /// The authority wants every certificate replaced at once, also those that it has just made.
    Greed,
    /// A human asks for a certificate again and again.
    Asked,
    /// The edge's clock is off by so many seconds.
    Clock(i64),
}

/// Each begins at a second of the year and lasts for some.
#[derive(Clone, Debug)]
pub(super) struct Troubles {
    pub(super) list: Vec<(u64, u64, Trouble)>,
    /// Whether there is any renewal information.
    pub(super) information: bool,
}

impl Troubles {
    pub(super) const fn none() -> Self {
        Self { list: Vec::new(), information: true }
    }

    pub(super) fn one(begin: u64, length: u64, trouble: Trouble) -> Self {
        Self { list: vec![(begin, length, trouble)], ..Self::none() }
    }

    /// Some of each kind, none for longer than a day, and with room between them: a six-day certificate has three
    /// days between its renewal and its end.
    pub(super) fn any(dice: &mut Dice) -> Self {
        let mut list = Vec::new();
        let mut begin = DAY + dice.below(20 * DAY);
        while begin < YEAR {
            let length = dice.below(DAY);
            let trouble = match dice.below(7) {
                0 => Trouble::Down,
                1 => Trouble::Unproved,
                2 => Trouble::Partly,
                3 => Trouble::Busy(1 + dice.below(24)),
                4 => Trouble::Silent,
                5 => Trouble::Revocation,
                _ => {
                    let ahead = i64::try_from(dice.below(2 * DAY)).expect("two days");
                    Trouble::Clock(if dice.below(2) == 0 { ahead } else { -ahead })
                }
            };
            list.push((begin, length, trouble));
            begin += length + 4 * DAY + dice.below(20 * DAY);
        }
        Self { list, information: dice.below(4) > 0 }
    }

    /// What fails an order at `now`, by the edge's `clock`.
    pub(super) fn failure(&self, whom: Whom, now: u64, clock: Wall) -> Option<Failure> {
        let apart = clock.as_secs().abs_diff(now);
        if apart > CLOCKS_APART {
            return Some(Failure::ClockWrong(Duration::from_secs(apart)));
        }
        self.at(now).find_map(|trouble| match trouble {
            Trouble::Down if whom != Whom::Fallback => {
                Some(Failure::CaTimeout { url: "https://ca.test".to_owned(), reason: "hangs".to_owned() })
            }
            Trouble::Unproved => Some(Failure::TxtMismatch("preview.test".to_owned())),
            Trouble::Partly if whom != Whom::Staging => Some(Failure::TxtMismatch("preview.test".to_owned())),
            Trouble::Busy(hours) if whom == Whom::First => Some(Failure::RateLimited {
                limit: "too many orders".to_owned(),
                until: clock + Duration::from_secs(hours * HOUR),
            }),
            _ => None,
        })
    }

    /// When the authority wants a certificate of this life renewed, if it says so at `now`.
    pub(super) fn window(&self, life: Option<(u64, u64)>, now: u64) -> Option<Window> {
        let (begin, end) = life.filter(|_| self.information)?;
        if self.at(now).any(|trouble| matches!(trouble, Trouble::Silent | Trouble::Down)) {
            return None;
        }
        let made = begin + super::authority::BACKDATED;
        let revoked = self.list.iter().any(|(at, _, trouble)| {
            matches!(trouble, Trouble::Revocation) && (made..=now).contains(&(NEW_YEAR + at))
        });
        let life = end - begin;
        let greedy = self.at(now).any(|trouble| matches!(trouble, Trouble::Greed));
        let revoked = revoked || greedy;
        let start = if revoked {
            begin
        } else if life < 10 * DAY {
            begin + life / 2
        } else {
            begin + life * 2 / 3
        };
        let length = if revoked { HOUR } else { life / 50 };
        Some(Window { start: Wall::from_secs(start), end: Wall::from_secs(start + length) })
    }

    /// By how much the edge's clock is off, seconds.
    pub(super) fn skew(&self, now: u64) -> i64 {
        let skews = self.at(now).map(|trouble| match trouble {
            Trouble::Clock(skew) => *skew,
            _ => 0,
        });
        skews.sum()
    }

    pub(super) fn is_asked(&self, now: u64) -> bool {
        self.at(now).any(|trouble| matches!(trouble, Trouble::Asked))
    }

    pub(super) fn revocations(&self) -> usize {
        self.list.iter().filter(|(.., trouble)| matches!(trouble, Trouble::Revocation)).count()
    }

    fn at(&self, now: u64) -> impl Iterator<Item = &Trouble> {
        let lasts = move |begin: u64, length: u64| (begin..begin + length).contains(&(now - NEW_YEAR));
        self.list.iter().filter(move |(begin, length, _)| lasts(*begin, *length)).map(|(.., trouble)| trouble)
    }
}

/// The same numbers for the same seed: splitmix64.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) const fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }
}
