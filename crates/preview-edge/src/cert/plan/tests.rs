use super::*;
use crate::cert::Failure;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// When the tests' certificate begins.
const BEGIN: u64 = 1_800_000_000;

mod renewal {
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
            assert!(
                (share - life / 20..=share).contains(first) && (share - life / 20..=share).contains(last)
            );
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
}

mod information {
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
        assert_eq!(
            told(window(40 * DAY, 42 * DAY), u64::MAX / 2),
            at(41 * DAY - 1) + Duration::from_millis(999)
        );
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
}

mod rehearsal {
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
}

mod waits {
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
}

mod budget {
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
        assert_eq!(
            next(&standing, None, &policy, before(at(7 * DAY), Duration::from_millis(1))),
            wait(7 * DAY)
        );
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
}

mod second_choice {
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
}

mod clock {
    use super::*;

    #[test]
    fn what_was_noted_by_a_clock_that_ran_ahead_blocks_no_longer_than_it_should() {
        let (mut standing, policy) = (Standing::default(), policy());
        let ahead = at(3650 * DAY);
        (0..4).for_each(|_| standing.issued(Whom::First, id(1), &policy, ahead));
        standing.failed(Whom::First, &mismatch(), None, &policy, ahead, u64::MAX / 2);
        standing.ari_failed(&facts(1, 90 * DAY), &down(), &policy.timers, ahead);
        assert!(standing.mend(&policy.timers, at(0)));
        assert!(!standing.mend(&policy.timers, at(1)), "once is enough");
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
}

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
