//! Rehearsals at staging.

use super::*;

#[test]
fn the_first_certificate_is_rehearsed_and_then_ordered_at_once() {
    let (mut standing, policy) = (Standing::default(), policy());
    assert_eq!(next(&standing, None, &policy, at(0)), order(Whom::Staging, false));
    standing.issued(Whom::Staging, id(1), &policy, at(20));
    assert_eq!(next(&standing, None, &policy, at(20)), order(Whom::First, false));
    assert_eq!(standing.budget_left(&policy, at(20)), 4, "a rehearsal spends nothing");
}

#[test]
fn a_renewal_is_not_rehearsed_unless_a_validation_has_failed() {
    let (mut standing, facts, policy) = valid(90 * DAY);
    let due = facts.renewal();
    assert_eq!(next(&standing, Some(&facts), &policy, due), order(Whom::First, true));
    standing.failed(Whom::First, &down(), Some(&facts), &policy, due, 0);
    let after = |standing: &Standing| standing.pause.as_ref().unwrap().until;
    assert_eq!(next(&standing, Some(&facts), &policy, after(&standing)), order(Whom::First, true));
    standing.failed(Whom::First, &mismatch(), Some(&facts), &policy, after(&standing), 0);
    assert_eq!(next(&standing, Some(&facts), &policy, after(&standing)), order(Whom::Staging, false));
}

#[test]
fn where_no_authority_rehearses_the_first_is_asked_again() {
    let (mut standing, policy) = (Standing::default(), without_staging());
    standing.failed(Whom::First, &mismatch(), None, &policy, at(0), 0);
    assert_eq!(next(&standing, None, &policy, at(60)), order(Whom::First, false));
}

#[test]
fn rehearsals_that_pass_while_orders_fail_do_not_undo_the_waits() {
    let (mut standing, policy) = (Standing::default(), policy());
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..5 {
        standing.issued(Whom::Staging, id(1), &policy, now);
        standing.failed(Whom::First, &mismatch(), None, &policy, now, u64::MAX / 2);
        let until = standing.pause.as_ref().unwrap().until;
        waits.push(until.since(now).as_secs().div_ceil(60));
        now = until;
    }
    assert_eq!(waits, [1, 5, 30, 120, 360]);
}

#[test]
fn a_rehearsing_authority_that_is_down_is_passed_over_after_three_failures() {
    let (mut standing, policy) = (Standing::default(), policy());
    let mut now = at(0);
    for _ in 0..3 {
        assert_eq!(next(&standing, None, &policy, now), order(Whom::Staging, false));
        standing.failed(Whom::Staging, &down(), None, &policy, now, 0);
        now = standing.pause.as_ref().unwrap().until;
    }
    assert_eq!(next(&standing, None, &policy, now), order(Whom::First, false));
}

#[test]
fn a_record_that_is_not_seen_never_leads_past_the_rehearsal() {
    let (mut standing, policy) = (Standing::default(), policy());
    let unseen = Failure::TxtNotSeen { fqdn: "_acme-challenge.preview.test".into(), ns: "ns1".into() };
    for _ in 0..9 {
        standing.failed(Whom::Staging, &unseen, None, &policy, at(0), 0);
    }
    assert_eq!(standing.whom(&policy, at(0)), Whom::Staging);
}

#[test]
fn one_that_caa_records_forbid_is_passed_over_and_not_waited_for() {
    let (mut standing, policy) = (Standing::default(), policy());
    let forbidden = Failure::CaaForbids {
        domain: "preview.test".to_owned(),
        found: "issuewild \"ca.test; accounturi=https://ca.test/1\"".to_owned(),
        record: "preview.test. CAA 0 issuewild \"ca.test\"".to_owned(),
    };
    assert_eq!(next(&standing, None, &policy, at(0)), order(Whom::Staging, false));
    standing.failed(Whom::Staging, &forbidden, None, &policy, at(0), 0);
    assert_eq!((&standing.pause, standing.failures), (&None, 0));
    assert_eq!(next(&standing, None, &policy, at(0)), order(Whom::First, false));
    standing.failed(Whom::First, &forbidden, None, &policy, at(0), 0);
    assert!(standing.pause.is_some_and(|pause| pause.parked), "who issues is forbidden: a human is needed");
}
