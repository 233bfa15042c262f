//! A year of a certificate, under the plan and a clock of the test's own, at small authorities that sign by that
//! clock. They keep the limits of real ones (ACME.md §4), and an edge that touches a limit fails the test.

mod authority;
mod memory;
mod trouble;

use std::path::Path;

use xtask::count::count;

use self::authority::Authority;
use self::memory::Memory;
use self::trouble::{Dice, Trouble, Troubles};
use super::*;
use crate::cert::pair;
use crate::cert::plan::tests::policy;
use crate::cert::vault::{Item, Vault as _, Version};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;
/// When the year begins, seconds since 1970.
const NEW_YEAR: u64 = 1_800_000_000;
/// How long an attempt takes.
const ATTEMPT: u64 = 20;

/// Days that a certificate lives, and how many are to be made within a year: at least (two thirds of 90 days, of 45,
/// half of 6), and at most (a twentieth of the life earlier, and the rest of the year begun).
const LIVES: [(u64, usize, usize); 3] = [(90, 6, 8), (45, 12, 14), (6, 121, 137)];

#[test]
fn a_quiet_year_has_no_lapse_and_no_certificate_too_many() {
    for (days, least, most) in LIVES {
        for information in [true, false] {
            let year = Year::run(days, Troubles { information, ..Troubles::none() }, 1);
            let made = year.first.made.len();
            assert!((least..=most).contains(&made), "{days} days, {information}: {made} certificates");
            assert_eq!((year.failures, year.staging.made.len(), year.fallback.made.len()), (0, 1, 0));
        }
    }
}

#[test]
fn a_day_without_the_authority_costs_no_lapse_and_no_certificate() {
    for (days, least, most) in LIVES {
        // In the middle of where a renewal falls due, whatever its dice.
        let due = if days == 6 { 100 * DAY } else { days * DAY * 2 / 3 - DAY };
        let year = Year::run(days, Troubles::one(due, DAY, Trouble::Down), 2);
        let made = year.first.made.len();
        assert!((least - 1..=most).contains(&made), "{days} days: {made} certificates");
    }
}

#[test]
fn an_authority_that_is_gone_for_ever_is_left_for_the_second_choice_before_the_certificate_ends() {
    for (days, ..) in LIVES {
        let year = Year::run(days, Troubles::one(50 * DAY, YEAR, Trouble::Down), 3);
        assert!(!year.fallback.made.is_empty());
        let left = year.fallback.made[0].left_of_the_one_before;
        assert!(left > days * DAY / 20, "{days} days: {left} s were left");
    }
}

#[test]
fn records_that_fail_for_half_of_each_day_are_rehearsed_until_they_are_right() {
    for (days, least, most) in LIVES {
        let list = (0..366).map(|day| (day * DAY, DAY / 2, Trouble::Unproved)).collect();
        let year = Year::run(days, Troubles { list, ..Troubles::none() }, 4);
        let (made, unproved) = (year.first.made.len(), year.first.unproved.len());
        assert!((least - 1..=most).contains(&made), "{days} days: {made} certificates");
        assert!(!year.staging.unproved.is_empty());
        assert!(unproved <= made + 2, "{days} days: {unproved} validations failed where they count");
    }
}

#[test]
fn what_is_to_be_revoked_is_replaced_within_a_day() {
    for (days, ..) in LIVES {
        let revoked = 130 * DAY + 5 * HOUR;
        let year = Year::run(days, Troubles::one(revoked, 0, Trouble::Revocation), 5);
        let moment = NEW_YEAR + revoked;
        assert!(
            year.first.made.iter().any(|made| (moment..moment + 13 * HOUR).contains(&made.at)),
            "{days} days"
        );
    }
}

#[test]
fn whoever_wants_more_certificates_than_are_needed_costs_no_lapse() {
    for trouble in [Trouble::Greed, Trouble::Asked] {
        for (days, ..) in LIVES {
            // From the first certificate on: later ones are a few days apart, and so leave the budget bit by bit.
            let year = Year::run(days, Troubles::one(0, 60 * DAY, trouble), 7);
            assert!(year.first.made.len() > 20, "{days} days, {trouble:?}");
        }
    }
}

#[test]
fn a_clock_two_days_off_costs_no_lapse() {
    for (days, least, most) in LIVES {
        for skew in [172_800, -172_800] {
            let year = Year::run(days, Troubles::one(99 * DAY, DAY, Trouble::Clock(skew)), 6);
            let made = year.first.made.len();
            assert!((least..=most).contains(&made), "{days} days, {skew} s: {made} certificates");
        }
    }
}

#[test]
fn no_year_of_any_troubles_has_a_lapse_or_touches_a_limit() {
    for seed in 0..u64::from(count("PREVIEW_YEARS", 3, 100)) {
        for (days, _, most) in LIVES {
            let mut dice = Dice::new(seed);
            let year = Year::run(days, Troubles::any(&mut dice), seed);
            let made = year.first.made.len() + year.fallback.made.len();
            assert!(
                made <= most + year.revocations + 2,
                "seed {seed}, {days} days: {made} certificates in {:?}",
                year.troubles
            );
        }
    }
}

/// The edge, what it keeps, and the world around it.
struct Year {
    first: Authority,
    staging: Authority,
    fallback: Authority,
    troubles: Troubles,
    policy: Policy,
    vault: Memory,
    /// The certificate in the vault, as the edge has read it.
    in_force: Option<Facts>,
    /// The true time, seconds since 1970.
    now: u64,
    standing: Standing,
    version: Version,
    dice: Dice,
    failures: usize,
    revocations: usize,
}

impl Year {
    fn run(days: u64, troubles: Troubles, seed: u64) -> Self {
        let authority = |name| Authority::new(name, days * DAY);
        let revocations = troubles.revocations();
        let mut year = Self {
            first: authority("first"),
            staging: authority("staging"),
            fallback: authority("fallback"),
            troubles,
            policy: policy(),
            vault: Memory::default(),
            in_force: None,
            now: NEW_YEAR,
            standing: Standing::default(),
            version: Version(None),
            dice: Dice::new(seed ^ 0x5eed),
            failures: 0,
            revocations,
        };
        while year.now < NEW_YEAR + YEAR {
            year.step();
        }
        year
    }

    /// One look, by an edge that remembers nothing but what it has kept.
    fn step(&mut self) {
        let clock = self.clock();
        let facts = self.in_force.clone();
        let Ok(mut changed) = self.standing.mend(facts.as_ref(), &self.policy, clock) else {
            return self.pass(60);
        };
        if self.troubles.is_asked(self.now) {
            changed |= self.standing.ask_now(facts.as_ref(), &self.policy, clock).is_ok();
        }
        match next(&self.standing, facts.as_ref(), &self.policy, clock) {
            Step::Wait { until } => {
                assert!(clock < until && until <= clock + self.policy.timers.scan);
                self.pass(until.since(clock).as_secs().max(1));
            }
            Step::AskAri { whom } => {
                changed = true;
                self.ask(whom, &facts.expect("it is asked about a certificate"), clock);
                self.pass(1);
            }
            Step::Order { whom, replaces } => {
                changed = true;
                self.order(whom, replaces, facts.as_ref());
            }
        }
        if changed {
            self.keep();
        }
    }

    fn keep(&mut self) {
        self.version = self.standing.save(&self.vault, "set", &self.version).expect("nobody else keeps it");
        (self.standing, self.version) = Standing::load(&self.vault, "set").expect("whole");
    }

    fn ask(&mut self, whom: Whom, facts: &Facts, clock: Wall) {
        let timers = &self.policy.timers;
        if let Some(window) = self.troubles.window(self.authority(whom).life_of(facts.id), self.now) {
            let wait = Some(Duration::from_secs(6 * HOUR));
            self.standing.told_window(facts, window, wait, timers, clock, self.dice.roll());
        } else {
            let failure = crate::cert::Failure::AriUnavailable("404".to_owned());
            self.standing.ari_failed(facts, &failure, timers, clock);
        }
    }

    fn order(&mut self, whom: Whom, replaces: bool, facts: Option<&Facts>) {
        assert!(!replaces || self.authority(whom).life_of(facts.expect("replaced").id).is_some());
        self.pass(ATTEMPT);
        let now = self.now;
        let left = facts.map_or(0, |facts| facts.not_after.as_secs().saturating_sub(now));
        let failure = self.troubles.failure(whom, now, self.clock());
        let names = self.policy.names.clone();
        let authority = match whom {
            Whom::First => &mut self.first,
            Whom::Staging => &mut self.staging,
            Whom::Fallback => &mut self.fallback,
        };
        let outcome = authority.order(&names, now, left, failure);
        let clock = self.clock();
        match outcome {
            Ok((made, pem)) => {
                self.standing.issued(whom, made.id, &self.policy, clock);
                if whom != Whom::Staging {
                    self.install(&pem);
                }
            }
            Err(failure) => {
                self.failures += 1;
                let draw = self.dice.roll();
                self.standing.failed(whom, &failure, facts, &self.policy, clock, draw);
            }
        }
    }

    /// Keeps the pair, and reads it back as the edge does at its start.
    fn install(&mut self, pem: &str) {
        let bundle = Item::Bundle("set".into());
        let (_, version) = self.vault.load(&bundle).expect("readable");
        self.vault.save(&bundle, pem.as_bytes(), &version).expect("room");
        let kept = self.vault.load(&bundle).expect("readable").0.expect("just kept");
        let path = Path::new("bundle.pem");
        let shown = pair::read_at_any_time((path, &kept), (path, &kept)).expect("a pair");
        self.in_force = Some(Facts::of(&shown, &self.policy.names));
    }

    /// Lets time pass; whatever certificate there is must not end meanwhile.
    fn pass(&mut self, seconds: u64) {
        self.now += seconds;
        if let Some(facts) = &self.in_force {
            let ended = facts.not_after.as_secs();
            assert!(self.now < ended, "it lapsed at {ended}: {:?}\n{:?}", self.troubles, self.standing);
        }
    }

    /// What the edge takes for the time.
    fn clock(&self) -> Wall {
        let skew = self.troubles.skew(self.now);
        Wall::from_secs(self.now.saturating_add_signed(skew))
    }

    fn authority(&self, whom: Whom) -> &Authority {
        match whom {
            Whom::First => &self.first,
            Whom::Staging => &self.staging,
            Whom::Fallback => &self.fallback,
        }
    }
}
