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
