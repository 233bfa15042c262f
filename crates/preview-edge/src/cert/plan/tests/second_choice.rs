//! The authority to turn to.

use super::*;

#[test]
fn it_is_asked_when_the_first_has_failed_for_a_day_and_then_they_take_turns() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    let due = facts.renewal();
    let mut now = due;
    let mut asked = Vec::new();
    while now < due + Duration::from_secs(100 * HOUR) {
        match next(&standing, Some(&facts), &policy, now) {
            Step::Order { whom, .. } => {
                asked.push((whom, (now.since(due).as_secs() + HOUR / 2) / HOUR));
                standing.failed(whom, &down(), Some(&facts), &policy, now, u64::MAX / 2);
            }
            Step::Wait { until } => now = until,
            Step::AskAri { .. } => unreachable!("it is due"),
        }
    }
    let (first, fallback) = (Whom::First, Whom::Fallback);
    let within_a_day = [0, 0, 0, 1, 3, 9, 21].map(|hour| (first, hour));
    assert_eq!(asked[..7], within_a_day);
    assert_eq!(asked[7..], [(fallback, 24), (first, 48), (fallback, 72), (first, 96)]);
}

#[test]
fn it_need_not_wait_for_what_the_first_has_asked_for() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    let due = facts.renewal();
    let until = due + Duration::from_secs(6 * DAY);
    let limited = Failure::RateLimited { limit: "a week".to_owned(), until };
    standing.failed(Whom::First, &limited, Some(&facts), &policy, due, 0);
    let turn = due + Duration::from_secs(DAY);
    assert_eq!(next(&standing, Some(&facts), &policy, turn), order(Whom::Fallback, false));
    let alone = no_fallback(&policy);
    let mut standing = Standing { pause: None, ..standing };
    standing.failed(Whom::First, &limited, Some(&facts), &alone, due, 0);
    assert_eq!(standing.free_at(Whom::First, None, &alone, turn), until);
}

#[test]
fn its_certificate_is_renewed_by_the_first_again() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    standing.issued(Whom::Fallback, facts.id, &policy, at(0));
    assert_eq!(next(&standing, Some(&facts), &policy, at(1)), Step::AskAri { whom: Whom::Fallback });
    assert_eq!(next(&standing, Some(&facts), &policy, facts.renewal()), order(Whom::First, false));
}

#[test]
fn what_one_authority_asks_for_neither_holds_back_the_other_nor_is_forgotten_meanwhile() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    let due = facts.renewal();
    let free = due + Duration::from_secs(6 * DAY);
    let limited = Failure::RateLimited { limit: "a week".to_owned(), until: free };
    let mut now = due;
    let mut asked = Vec::new();
    while now < due + Duration::from_secs(9 * DAY) {
        match next(&standing, Some(&facts), &policy, now) {
            Step::Order { whom: Whom::First, .. } => {
                asked.push((Whom::First, now.since(due).as_secs() / DAY));
                let failure = if now < free { &limited } else { &down() };
                standing.failed(Whom::First, failure, Some(&facts), &policy, now, u64::MAX / 2);
            }
            Step::Order { whom, .. } => {
                asked.push((whom, now.since(due).as_secs() / DAY));
                standing.failed(whom, &down(), Some(&facts), &policy, now, u64::MAX / 2);
            }
            Step::Wait { until } => now = until,
            Step::AskAri { .. } => unreachable!("it is due"),
        }
    }
    let firsts: Vec<_> = asked.iter().filter(|(whom, _)| *whom == Whom::First).map(|(_, day)| *day).collect();
    assert_eq!(firsts[..2], [0, 6], "{asked:?}");
    let seconds = asked.iter().filter(|(whom, day)| *whom == Whom::Fallback && *day < 6).count();
    assert!(seconds >= 5, "{asked:?}");
}

#[test]
fn no_authority_is_left_alone_for_longer_than_its_limits_last() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    let (policy, due) = (no_fallback(&policy), facts.renewal());
    let until = due + Duration::from_secs(1000 * DAY);
    let limited = Failure::RateLimited { limit: "for ever".to_owned(), until };
    standing.failed(Whom::First, &limited, Some(&facts), &policy, due, 0);
    let week = due + Duration::from_secs(7 * DAY);
    assert_eq!(standing.free_at(Whom::First, Some(&facts), &policy, due), week);
    assert_eq!(next(&standing, Some(&facts), &policy, week), order(Whom::First, true));
}

#[test]
fn a_rehearsal_that_is_put_off_for_days_is_dispensed_with_after_one() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    let policy = Policy { staging: Some("staging".to_owned()), ..policy };
    standing.rehearsed.clear();
    let due = facts.renewal();
    assert_eq!(next(&standing, Some(&facts), &policy, due), order(Whom::Staging, false));
    let until = due + Duration::from_secs(6 * DAY);
    let limited = Failure::RateLimited { limit: "a week".to_owned(), until };
    standing.failed(Whom::Staging, &limited, Some(&facts), &policy, due, 0);
    let turn = due + Duration::from_secs(DAY);
    let before = due + Duration::from_secs(DAY - 1);
    assert!(matches!(next(&standing, Some(&facts), &policy, before), Step::Wait { .. }));
    assert_eq!(next(&standing, Some(&facts), &policy, turn), order(Whom::First, true));
}
