//! When a certificate is renewed, and what is said to be replaced.

use super::*;

#[test]
fn without_a_certificate_one_is_ordered_at_once_and_nothing_is_replaced() {
    let step = next(&Standing::default(), None, &without_staging(), at(0));
    assert_eq!(step, Step::Order { whom: Whom::First, replaces: false });
}

#[test]
fn by_lifetime_it_comes_after_two_thirds_or_half_of_a_short_life_and_up_to_a_twentieth_earlier() {
    for (days, share) in [(90, 60 * DAY), (45, 30 * DAY), (6, 3 * DAY)] {
        let life = days * DAY;
        let renewals: Vec<_> = (0..=255).map(|id| facts(id, life).renewal().as_secs() - BEGIN).collect();
        let (first, last) = (renewals.iter().min().unwrap(), renewals.iter().max().unwrap());
        assert!((share - life / 20..=share).contains(first) && (share - life / 20..=share).contains(last));
        assert!(last - first > life / 25, "{days} days: they are spread over {} s", last - first);
    }
}

#[test]
fn it_waits_for_the_moment_and_no_longer_than_a_look_at_a_time() {
    let (standing, facts, policy) = (unknown_origin(), facts(7, 90 * DAY), without_staging());
    let renewal = facts.renewal();
    let just_before = before(renewal, Duration::from_secs(10));
    assert_eq!(next(&standing, Some(&facts), &policy, just_before), Step::Wait { until: renewal });
    assert_eq!(next(&standing, Some(&facts), &policy, at(0)), Step::Wait { until: at(600) });
    assert!(matches!(next(&standing, Some(&facts), &policy, renewal), Step::Order { .. }));
}

#[test]
fn a_certificate_with_other_names_is_replaced_at_once_after_a_rehearsal_of_the_new_ones() {
    let (mut standing, mut facts, mut policy) = valid(90 * DAY);
    facts.fits = false;
    policy.names = vec!["*.elsewhere.test".to_owned()];
    let step = |standing: &_, whom, replaces| {
        assert_eq!(next(standing, Some(&facts), &policy, at(60)), Step::Order { whom, replaces });
    };
    step(&standing, Whom::Staging, false);
    standing.issued(Whom::Staging, id(9), &policy, at(60));
    step(&standing, Whom::First, true);
}

#[test]
fn a_certificate_of_an_authority_that_is_no_longer_wanted_is_replaced_at_once() {
    let (standing, facts, mut policy) = valid(90 * DAY);
    policy.first = "another".to_owned();
    let step = next(&standing, Some(&facts), &policy, at(60));
    assert_eq!(step, Step::Order { whom: Whom::First, replaces: false });
}

#[test]
fn replacing_is_said_to_the_authority_and_account_that_issued_and_to_no_other() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    let due = facts.renewal();
    assert_eq!(next(&standing, Some(&facts), &policy, due), order(Whom::First, true));
    standing.account_lost("fallback");
    assert_eq!(next(&standing, Some(&facts), &policy, due), order(Whom::First, true));
    standing.account_lost("first");
    assert_eq!(next(&standing, Some(&facts), &policy, due), order(Whom::First, false));
    let (mut standing, facts, policy) = valid(90 * DAY);
    standing.failed(Whom::First, &down(), Some(&facts), &policy, due, 0);
    let later = due + Duration::from_secs(2 * DAY);
    assert_eq!(next(&standing, Some(&facts), &policy, later), order(Whom::Fallback, false));
}
