//! What the plan decides, case by case.

mod renewal;
mod information;
mod rehearsal;
mod waits;
mod budget;
mod second_choice;
mod clock;

use super::*;
use crate::cert::Failure;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// When the tests' certificate begins.
const BEGIN: u64 = 1_800_000_000;

pub(super) fn policy() -> Policy {
    Policy {
        first: "first".to_owned(),
        staging: Some("staging".to_owned()),
        fallback: Some("fallback".to_owned()),
        names: vec!["*.preview.test".to_owned(), "daemon.preview.test".to_owned()],
        timers: Timers::default(),
    }
}

fn without_staging() -> Policy {
    Policy { staging: None, ..policy() }
}

fn no_fallback(policy: &Policy) -> Policy {
    Policy { fallback: None, ..policy.clone() }
}

fn facts(which: u8, life: u64) -> Facts {
    Facts { id: id(which), not_before: at(0), not_after: at(life), fits: true }
}

/// A certificate of the first authority in force.
fn valid(life: u64) -> (Standing, Facts, Policy) {
    let (mut standing, facts, policy) = (Standing::default(), facts(1, life), policy());
    standing.issued(Whom::First, facts.id, &policy, at(0));
    (standing, facts, policy)
}

fn unknown_origin() -> Standing {
    Standing { rehearsed: policy().names, ..Standing::default() }
}

fn id(which: u8) -> Fingerprint {
    Fingerprint::of(&[which])
}

fn window(start: u64, end: u64) -> Window {
    Window { start: at(start), end: at(end) }
}

fn at(second: u64) -> Wall {
    Wall::from_secs(BEGIN + second)
}

fn wait(until: u64) -> Step {
    Step::Wait { until: at(until) }
}

const fn order(whom: Whom, replaces: bool) -> Step {
    Step::Order { whom, replaces }
}

fn down() -> Failure {
    Failure::CaTimeout { url: "https://ca.test/dir".to_owned(), reason: "no answer".to_owned() }
}

fn mismatch() -> Failure {
    Failure::TxtMismatch("preview.test".to_owned())
}
