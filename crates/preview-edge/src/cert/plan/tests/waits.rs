//! How long nothing is tried after a failure.

use super::*;

#[test]
fn they_grow_by_the_list_and_its_last_one_repeats_give_or_take_a_fifth() {
    for (draw, percent) in [(0, 80), (u64::MAX / 2, 100), (u64::MAX, 120)] {
        let (mut standing, facts, policy) = valid(90 * DAY);
        let mut now = facts.renewal();
        for minutes in [1, 5, 30, 2 * 60, 6 * 60, 12 * 60, 24 * 60, 24 * 60] {
            standing.failed(Whom::First, &down(), Some(&facts), &no_fallback(&policy), now, draw);
            let until = standing.pause.as_ref().unwrap().until;
            let took = until.since(now).as_millis().div_ceil(1000);
            assert_eq!(took, u128::from(minutes * 60 * percent / 100_u64));
            now = until;
        }
    }
}

#[test]
fn no_order_is_placed_before_they_end() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    let due = facts.renewal();
    standing.failed(Whom::First, &down(), Some(&facts), &policy, due, 0);
    let wait = Step::Wait { until: due + Duration::from_secs(48) };
    assert_eq!(next(&standing, Some(&facts), &policy, due), wait);
    assert_eq!(next(&standing, Some(&facts), &policy, due + Duration::from_secs(47)), wait);
    let over = due + Duration::from_secs(48);
    assert_eq!(next(&standing, Some(&facts), &policy, over), order(Whom::First, true));
}

#[test]
fn they_last_at_least_as_long_as_the_authority_asks() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    let due = facts.renewal();
    let busy = Failure::CaUnavailable { status: 503, retry_after: Some(Duration::from_secs(3 * HOUR)) };
    standing.failed(Whom::First, &busy, Some(&facts), &policy, due, 0);
    assert_eq!(standing.free_at(Whom::First, None, &policy, due), due + Duration::from_secs(3 * HOUR));
    let until = due + Duration::from_secs(5 * HOUR);
    let limited = Failure::RateLimited { limit: "too many".to_owned(), until };
    standing.failed(Whom::First, &limited, Some(&facts), &policy, due, 0);
    assert_eq!(standing.free_at(Whom::First, None, &policy, due), until);
}

#[test]
fn near_the_end_they_are_no_longer_than_six_hours_nor_than_half_of_what_is_left() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    standing.failures = 20;
    let mut wait = |now: u64| {
        standing.failed(Whom::First, &down(), Some(&facts), &no_fallback(&policy), at(now), u64::MAX);
        standing.pause.as_ref().unwrap().until.since(at(now)).as_secs()
    };
    assert!(wait(70 * DAY) > 24 * HOUR);
    assert_eq!(wait(81 * DAY), 6 * HOUR);
    assert_eq!(wait(90 * DAY - 2 * HOUR), HOUR);
    assert_eq!(wait(90 * DAY - 30), 60);
    assert_eq!(wait(91 * DAY), 6 * HOUR);
}

#[test]
fn what_only_a_human_can_mend_is_tried_once_a_day_or_when_a_human_asks() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    let due = facts.renewal();
    let forbidden = Failure::NameForbidden("preview.test".to_owned());
    standing.failed(Whom::First, &forbidden, Some(&facts), &no_fallback(&policy), due, 0);
    let pause = standing.pause.clone().unwrap();
    assert!(pause.parked && pause.cause.code == "cert_name_forbidden");
    assert_eq!(pause.until, due + Duration::from_secs(DAY));
    assert!(matches!(next(&standing, Some(&facts), &policy, due), Step::Wait { .. }));
    standing.ask_now(Some(&facts), &policy, due).expect("the budget is whole");
    assert_eq!(next(&standing, Some(&facts), &policy, due), order(Whom::First, true));
    standing.failed(Whom::First, &forbidden, Some(&facts), &policy, due, 0);
    assert!(
        matches!(next(&standing, Some(&facts), &policy, due), Step::Wait { .. }),
        "asked once, tried once"
    );
}

#[test]
fn another_configuration_is_tried_at_once() {
    let (mut standing, policy) = (Standing::default(), without_staging());
    assert!(standing.begin_under("these settings"));
    standing.failed(Whom::First, &Failure::TosNotAccepted { url: None }, None, &policy, at(0), 0);
    assert_eq!(next(&standing, None, &policy, at(60)), wait(60 + 600));
    assert!(!standing.begin_under("these settings"), "a restart alone changes nothing");
    assert_eq!(next(&standing, None, &policy, at(60)), wait(60 + 600));
    assert!(standing.begin_under("others"));
    assert_eq!(next(&standing, None, &policy, at(60)), order(Whom::First, false));
    standing.failed(Whom::First, &down(), None, &policy, at(60), 0);
    assert!(matches!(next(&standing, None, &policy, at(60)), Step::Wait { .. }));
}

#[test]
fn a_human_gets_a_renewal_before_it_is_due_and_after_its_rehearsal() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    standing.rehearsed.clear();
    standing.ask_now(Some(&facts), &policy, at(DAY)).expect("the budget is whole");
    assert_eq!(next(&standing, Some(&facts), &policy, at(DAY)), order(Whom::Staging, false));
    standing.issued(Whom::Staging, id(3), &policy, at(DAY));
    assert_eq!(next(&standing, Some(&facts), &policy, at(DAY)), order(Whom::First, true));
    standing.issued(Whom::First, id(2), &policy, at(DAY));
    assert!(!standing.asked);
}

#[test]
fn a_failure_before_anything_is_due_counts_for_nothing_when_it_is() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    standing.ask_now(Some(&facts), &policy, at(DAY)).expect("budget");
    standing.failed(Whom::First, &down(), Some(&facts), &policy, at(DAY), 0);
    assert_eq!((standing.failures, standing.failing_since), (0, None));
    let minute = at(DAY) + Duration::from_mins(1);
    assert_eq!(standing.pause.as_ref().map(|pause| pause.until), Some(minute), "whoever asked is told");
    assert_eq!(standing.mend(Some(&facts), &policy, before(minute, Duration::from_secs(1))), Ok(false));
    assert_eq!(standing.mend(Some(&facts), &policy, minute), Ok(true));
    assert_eq!((&standing.pause, standing.cause(Some(&facts), &policy, minute)), (&None, None));
    assert_eq!(next(&standing, Some(&facts), &policy, facts.renewal()), order(Whom::First, true));
    standing.failed(Whom::First, &down(), Some(&facts), &policy, facts.renewal(), 0);
    let over = standing.pause.clone().expect("it was due").until;
    assert_eq!(standing.mend(Some(&facts), &policy, over), Ok(false), "this one is still told");
    assert_eq!(
        next(&standing, Some(&facts), &policy, over),
        order(Whom::First, true),
        "not the fallback yet"
    );
}
