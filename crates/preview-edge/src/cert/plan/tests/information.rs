//! What an authority says of renewal.

use super::*;

#[test]
fn it_is_asked_for_at_once_and_then_as_often_as_the_authority_says_within_bounds() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    for (retry_after, least, most) in
        [(1, HOUR, HOUR), (6 * HOUR, 6 * HOUR, 6 * HOUR), (DAY, 12 * HOUR, 12 * HOUR)]
    {
        let ask = Step::AskAri { whom: Whom::First };
        standing.ari = None;
        assert_eq!(next(&standing, Some(&facts), &policy, at(0)), ask);
        let wait = Some(Duration::from_secs(retry_after));
        standing.told_window(&facts, window(50 * DAY, 51 * DAY), wait, &policy.timers, at(0), 0);
        assert!(matches!(next(&standing, Some(&facts), &policy, at(least - 1)), Step::Wait { .. }));
        assert_eq!(next(&standing, Some(&facts), &policy, at(most)), ask);
    }
}

#[test]
fn the_moment_is_drawn_once_and_again_only_when_the_window_moves() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    let mut told = |window, draw| {
        standing.told_window(&facts, window, None, &policy.timers, at(0), draw);
        standing.renew_at(&facts)
    };
    let here = window(50 * DAY, 52 * DAY);
    assert_eq!(told(here, 0), at(50 * DAY));
    assert_eq!(told(here, u64::MAX), at(50 * DAY), "the same window keeps its moment");
    assert_eq!(told(window(40 * DAY, 42 * DAY), u64::MAX / 2), at(41 * DAY - 1) + Duration::from_millis(999));
    assert!(told(here, u64::MAX) <= at(52 * DAY));
}

#[test]
fn a_window_in_the_past_means_now() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    standing.told_window(&facts, window(DAY, 2 * DAY), None, &policy.timers, at(3 * DAY), 5);
    assert_eq!(next(&standing, Some(&facts), &policy, at(3 * DAY)), order(Whom::First, true));
}

#[test]
fn a_window_later_than_the_last_twentieth_of_life_does_not_count() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    standing.told_window(&facts, window(89 * DAY, 400 * DAY), None, &policy.timers, at(DAY), 5);
    let last_call = 90 * DAY - 90 * DAY / 20;
    assert_eq!(standing.renew_at(&facts), at(last_call));
    assert_eq!(next(&standing, Some(&facts), &policy, at(last_call)), order(Whom::First, true));
}

#[test]
fn where_there_is_none_the_lifetime_counts_and_what_was_told_before_still_holds() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    let failure = Failure::AriUnavailable("404".to_owned());
    standing.ari_failed(&facts, &failure, &policy.timers, at(0));
    assert_eq!(standing.renew_at(&facts), facts.renewal());
    assert_eq!(standing.ari.as_ref().map(|ari| ari.poll), Some(at(6 * HOUR)));
    standing.told_window(&facts, window(50 * DAY, 50 * DAY), None, &policy.timers, at(DAY), 5);
    standing.ari_failed(&facts, &failure, &policy.timers, at(2 * DAY));
    assert_eq!(standing.renew_at(&facts), at(50 * DAY));
}

#[test]
fn what_was_told_of_the_last_certificate_does_not_bind_the_next_one() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    standing.told_window(&facts, window(DAY, 2 * DAY), None, &policy.timers, at(3 * DAY), 5);
    let renewed = Facts { id: id(2), ..facts };
    assert_eq!(standing.renew_at(&renewed), renewed.renewal());
    standing.issued(Whom::First, renewed.id, &policy, at(3 * DAY));
    assert_eq!(next(&standing, Some(&renewed), &policy, at(3 * DAY)), Step::AskAri { whom: Whom::First });
}

#[test]
fn nobody_is_asked_about_a_certificate_whose_authority_is_not_known() {
    let step = next(&unknown_origin(), Some(&facts(1, 90 * DAY)), &policy(), at(0));
    assert_eq!(step, Step::Wait { until: at(600) });
}
