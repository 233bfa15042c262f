//! What the edge allows itself.

use super::*;

#[test]
fn the_fifth_certificate_of_a_week_waits_until_the_first_is_a_week_old_whoever_asks() {
    let (mut standing, policy) = (Standing::default(), policy());
    for hour in 0..4 {
        assert_eq!(standing.budget_left(&policy, at(hour * HOUR)), 4 - u32::try_from(hour).unwrap());
        standing.issued(Whom::First, id(1), &policy, at(hour * HOUR));
    }
    let now = at(5 * HOUR);
    let limited = standing.ask_now(None, &policy, now).expect_err("it is used up");
    assert!(matches!(&limited, Failure::RateLimited { until, .. } if *until == at(7 * DAY)));
    assert_eq!(standing.cause(None, &policy, now).expect("none is there").code, "cert_rate_limited");
    assert_eq!(standing.free_at(Whom::First, None, &policy, now), at(7 * DAY));
    assert_eq!(next(&standing, None, &policy, before(at(7 * DAY), Duration::from_millis(1))), wait(7 * DAY));
    assert_eq!(next(&standing, None, &policy, at(7 * DAY)), order(Whom::First, false));
}

#[test]
fn nobody_who_could_wait_takes_the_last_certificate_that_a_short_life_will_need() {
    let (mut standing, mut facts, policy) = valid(6 * DAY);
    for hour in [1, 2] {
        standing.ask_now(Some(&facts), &policy, at(hour * HOUR)).expect("three are spare");
        facts = Facts { id: id(7), not_before: at(hour * HOUR), not_after: at(6 * DAY), fits: true };
        standing.issued(Whom::First, facts.id, &policy, at(hour * HOUR));
    }
    let limited = standing.ask_now(Some(&facts), &policy, at(3 * HOUR)).expect_err("it is the last");
    assert!(limited.to_string().contains("only the one left"), "{limited}");
    let renewal = facts.renewal();
    assert_eq!(next(&standing, Some(&facts), &policy, renewal), order(Whom::First, true));
    let long = Facts { not_after: at(90 * DAY), ..facts };
    standing.ask_now(Some(&long), &policy, at(3 * HOUR)).expect("a long life has time");
}

#[test]
fn a_certificate_that_cannot_be_used_is_spent_all_the_same() {
    let (mut standing, policy) = (Standing::default(), policy());
    let bad = Failure::BadCertificate("another key".to_owned());
    standing.failed(Whom::Staging, &bad, None, &policy, at(0), 0);
    assert_eq!(standing.budget_left(&policy, at(0)), 4);
    standing.failed(Whom::First, &bad, None, &policy, at(0), 0);
    assert_eq!(standing.budget_left(&policy, at(0)), 3);
}

#[test]
fn other_names_have_a_budget_of_their_own() {
    let (mut standing, mut policy) = (Standing::default(), policy());
    let first = policy.names.clone();
    (0..4).for_each(|_| standing.issued(Whom::First, id(1), &policy, at(0)));
    policy.names = vec!["*.other.test".to_owned()];
    assert_eq!(standing.budget_left(&policy, at(0)), 4);
    policy.names = first;
    assert_eq!(standing.budget_left(&policy, at(0)), 0, "coming back does not make it whole");
}

#[test]
fn after_three_failed_validations_within_an_hour_only_rehearsals_go_on() {
    let (mut standing, policy) = (Standing::default(), policy());
    for minute in [0, 10, 20] {
        assert_eq!(standing.budget(Whom::First, None, &policy, at(minute * 60)), None);
        standing.failed(Whom::First, &mismatch(), None, &policy, at(minute * 60), 0);
        standing.failed(Whom::Staging, &mismatch(), None, &policy, at(minute * 60), 0);
    }
    assert_eq!(standing.budget(Whom::Staging, None, &policy, at(30 * 60)), None);
    let limited = standing.budget(Whom::First, None, &policy, at(30 * 60));
    assert!(matches!(limited, Some(Failure::RateLimited { until, .. }) if until == at(HOUR)));
    assert_eq!(standing.budget(Whom::First, None, &policy, at(HOUR)), None);
}

#[test]
fn a_wildcard_with_its_apex_fails_twice_at_one_domain() {
    let (mut standing, mut policy) = (Standing::default(), policy());
    policy.names = vec!["*.preview.test".to_owned(), "preview.test".to_owned()];
    standing.failed(Whom::First, &mismatch(), None, &policy, at(0), 0);
    assert_eq!(standing.budget(Whom::First, None, &policy, at(1)), None);
    standing.failed(Whom::First, &mismatch(), None, &policy, at(60), 0);
    assert!(standing.budget(Whom::First, None, &policy, at(61)).is_some(), "a third could make six");
}
