//! A clock that is set.

use super::*;

#[test]
fn what_was_noted_by_a_clock_that_ran_ahead_blocks_no_longer_than_it_should() {
    let (mut standing, policy) = (Standing::default(), policy());
    let ahead = at(3650 * DAY);
    (0..4).for_each(|_| standing.issued(Whom::First, id(1), &policy, ahead));
    standing.failed(Whom::First, &mismatch(), None, &policy, ahead, u64::MAX / 2);
    standing.ari_failed(&facts(1, 90 * DAY), &down(), &policy.timers, ahead);
    assert_eq!(standing.mend(None, &policy, at(0)), Ok(true));
    assert_eq!(standing.mend(None, &policy, at(1)), Ok(false), "once is enough");
    let pause = standing.pause.clone().unwrap();
    assert_eq!((pause.since, pause.until.since(at(0)).as_secs()), (at(0), 59));
    assert_eq!(
        standing.free_at(Whom::First, None, &policy, at(0)),
        at(7 * DAY),
        "the budget is not forgotten"
    );
    assert_eq!(standing.ari.as_ref().map(|ari| ari.poll), Some(at(12 * HOUR)));
    assert_eq!(standing.failing_since, Some(at(0)));
}

#[test]
fn a_clock_that_was_not_set_yet_costs_nothing_of_what_is_remembered() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    standing.failed(Whom::First, &mismatch(), Some(&facts), &policy, facts.renewal(), 0);
    let whole = standing.clone();
    for (facts, now) in [
        (Some(&facts), Wall::from_secs(0)),
        (None, Wall::from_secs(5)),
        (Some(&facts), before(at(0), Duration::from_secs(2 * DAY))),
    ] {
        let mended = standing.mend(facts, &policy, now);
        assert!(matches!(mended, Err(Failure::ClockWrong(_))), "{mended:?}");
        assert_eq!(standing, whole);
    }
}
