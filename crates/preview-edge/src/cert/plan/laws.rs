//! Laws of the plan, held against any sequence of outcomes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::cert::Failure;

const HOUR: Duration = Duration::from_hours(1);

proptest! {
    #[test]
    fn no_order_is_placed_before_a_wait_is_over_unless_a_human_asks(moves in moves(), names in names()) {
        for event in World::after(&moves, names).log {
            prop_assert!(event.asked || event.paused_until <= event.at, "{event:?}");
        }
    }

    #[test]
    fn no_authority_is_asked_while_it_wants_to_be_left_alone_unless_a_human_asks(moves in moves(), names in names()) {
        for event in World::after(&moves, names).log {
            prop_assert!(event.asked || event.held_until <= event.at, "{event:?}");
        }
    }

    #[test]
    fn no_span_holds_more_certificates_than_the_budget(moves in moves(), names in names()) {
        let world = World::after(&moves, names);
        let made: Vec<_> = world.log.iter().filter(|event| event.whom != Whom::Staging && event.made).collect();
        let Timers { budget, budget_span, .. } = world.policy.timers;
        for (nth, event) in made.iter().enumerate() {
            let within = made[nth..].iter().filter(|later| later.at < event.at + budget_span).count();
            prop_assert!(within <= budget as usize, "{within} from {:?} on", event.at);
        }
    }

    #[test]
    fn no_hour_holds_five_failed_validations_of_a_domain(moves in moves(), names in names()) {
        let world = World::after(&moves, names);
        let failed = world.log.iter().filter(|event| event.whom != Whom::Staging && event.unproved);
        let failed: Vec<_> = failed.map(|event| event.at).collect();
        for (nth, first) in failed.iter().enumerate() {
            let within = failed[nth..].iter().filter(|at| **at < *first + HOUR).count();
            prop_assert!(within * world.policy.challenges() < 5, "{within} from {first:?} on");
        }
    }

    #[test]
    fn what_was_rehearsed_well_is_ordered_next_and_never_shown(moves in moves(), names in names()) {
        let world = World::after(&moves, names);
        for pair in world.log.windows(2) {
            let passed = pair[0].whom == Whom::Staging && pair[0].then_paused.is_none();
            prop_assert!(!passed || pair[1].whom != Whom::Staging, "{pair:?}");
        }
        let origin = world.standing.origin.map(|origin| origin.authority);
        prop_assert!(origin != world.policy.staging || origin.is_none());
        prop_assert_eq!(world.facts.is_some(), origin.is_some());
    }

    #[test]
    fn a_wait_after_a_failure_leaves_half_of_the_certificates_rest(moves in moves(), names in names()) {
        let world = World::after(&moves, names);
        for event in world.log {
            let Some((until, rest)) = event.then_paused.zip(event.rest) else { continue };
            let most = (rest / 2).max(world.policy.timers.backoff[0]);
            let is_asked = until <= event.held_at_most;
            prop_assert!(rest.is_zero() || is_asked || until.since(event.at) <= most, "{event:?}");
        }
    }

    #[test]
    fn a_look_always_ends_and_the_next_one_is_never_far(moves in moves(), names in names()) {
        // World::after asserts it of every wait.
        World::after(&moves, names);
    }

    #[test]
    fn a_renewal_falls_within_the_life_of_the_certificate(
        id in any::<[u8; 32]>(), begin in 0..4_000_000_000_u64, life in 100..400 * 86_400_u64
    ) {
        let (not_before, not_after) = (Wall::from_secs(begin), Wall::from_secs(begin + life));
        let facts = Facts { id: Fingerprint(id), not_before, not_after, fits: true };
        let done = facts.renewal().since(not_before);
        prop_assert!(done >= facts.life() * 9 / 20 && done <= facts.life() * 2 / 3, "after {done:?}");
        prop_assert!(facts.renewal() < facts.last_call() && facts.last_call() < not_after);
    }

    #[test]
    fn a_moment_is_drawn_from_the_whole_window_and_from_nowhere_else(
        start in 0..4_000_000_000_u64, length in 0..4_000_000_u64, draw: u64
    ) {
        let window = Window { start: Wall::from_secs(start), end: Wall::from_secs(start + length) };
        let not_after = Wall::from_secs(9_000_000_000);
        let facts = Facts { id: Fingerprint([0; 32]), not_before: window.start, not_after, fits: true };
        let mut standing = Standing::default();
        standing.told_window(&facts, window, None, &Timers::default(), window.start, draw);
        let moment = standing.renew_at(&facts);
        prop_assert!(window.start <= moment && moment <= window.end);
        standing.told_window(&facts, window, None, &Timers::default(), window.start, !draw);
        prop_assert_eq!(standing.renew_at(&facts), moment);
    }
}

/// What comes of the next order, and what happens before it.
#[derive(Clone, Debug)]
struct Move {
    /// How long nobody looks, in minutes.
    gap: u64,
    /// Whether a human asks for a certificate.
    asks: bool,
    outcome: Outcome,
    /// Whether a rehearsal goes well all the same: only then is it the authorities' turn to fail.
    rehearses: bool,
    draw: u64,
}

#[derive(Clone, Debug)]
enum Outcome {
    Made { days: u64 },
    Down,
    Busy { hours: u64 },
    Unproved,
    Forbidden,
    Unseen,
    Unusable,
}

#[derive(Debug)]
struct Event {
    at: Wall,
    whom: Whom,
    asked: bool,
    paused_until: Wall,
    /// Until when this authority had asked to be left alone the last time.
    held_until: Wall,
    /// Until when any authority asks to be left alone, after it.
    held_at_most: Wall,
    /// Whether the authority made a certificate, usable or not.
    made: bool,
    unproved: bool,
    earliest: Option<Wall>,
    then_paused: Option<Wall>,
    rest: Option<Duration>,
    #[expect(dead_code, reason = "shown where a law fails")]
    outcome: String,
}

pub(crate) struct World {
    pub(crate) standing: Standing,
    facts: Option<Facts>,
    policy: Policy,
    now: Wall,
    count: u64,
    log: Vec<Event>,
}

impl World {
    fn after(moves: &[Move], names: Vec<String>) -> Self {
        let policy = Policy {
            first: "first".to_owned(),
            staging: Some("staging".to_owned()),
            fallback: Some("fallback".to_owned()),
            names,
            timers: Timers::default(),
        };
        let now = Wall::from_secs(1_800_000_000);
        let standing = Standing::default();
        let mut world = Self { standing, facts: None, policy, now, count: 0, log: Vec::new() };
        for it in moves {
            world.now = world.now + Duration::from_mins(it.gap);
            if it.asks {
                let _ = world.standing.ask_now(world.facts.as_ref(), &world.policy, world.now);
            }
            let (whom, replaces) = world.wait_for_order();
            let well = Outcome::Made { days: 90 };
            let outcome = if whom == Whom::Staging && it.rehearses { &well } else { &it.outcome };
            world.order(whom, outcome, it.draw);
            assert!(!replaces || world.log.last().is_some_and(|event| event.whom != Whom::Staging));
        }
        world
    }

    fn wait_for_order(&mut self) -> (Whom, bool) {
        loop {
            match next(&self.standing, self.facts.as_ref(), &self.policy, self.now) {
                Step::Order { whom, replaces } => return (whom, replaces),
                Step::AskAri { .. } => {
                    let facts = self.facts.as_ref().expect("it is asked about a certificate");
                    let failure = Failure::AriUnavailable("404".to_owned());
                    self.standing.ari_failed(facts, &failure, &self.policy.timers, self.now);
                }
                Step::Wait { until } => {
                    assert!(self.now < until && until <= self.now + self.policy.timers.scan);
                    // Nothing happens before the latest of these: a look at every ten minutes would take long.
                    let whom = self.standing.whom(&self.policy, self.now);
                    let due = self.standing.due(self.facts.as_ref(), &self.policy);
                    let free = self.standing.free_at(whom, self.facts.as_ref(), &self.policy, self.now);
                    let soon = before(due.max(free), self.policy.timers.scan);
                    self.now = until.max(soon);
                }
            }
        }
    }

    fn order(&mut self, whom: Whom, outcome: &Outcome, draw: u64) {
        let paused_until = self.standing.pause.as_ref().map(|pause| pause.until).unwrap_or_default();
        let (at, asked) = (self.now, self.standing.asked);
        let failure = outcome.failure(at);
        match (&failure, outcome) {
            (Some(failure), _) => {
                let facts = self.facts.clone();
                self.standing.failed(whom, failure, facts.as_ref(), &self.policy, at, draw);
            }
            (None, Outcome::Made { days }) => {
                self.count += 1;
                let id = Fingerprint::of(&self.count.to_be_bytes());
                self.standing.issued(whom, id, &self.policy, at);
                let not_after = at + Duration::from_hours(24 * days);
                if whom != Whom::Staging {
                    self.facts = Some(Facts { id, not_before: at, not_after, fits: true });
                }
            }
            (None, _) => unreachable!("every other outcome is a failure"),
        }
        let before = self.log.iter().rev().find(|event| event.whom == whom && event.earliest.is_some());
        let held_until = before.and_then(|event| event.earliest).unwrap_or_default();
        self.log.push(Event {
            at,
            whom,
            asked,
            paused_until,
            held_until,
            held_at_most: self.standing.held.values().max().copied().unwrap_or_default(),
            made: matches!(outcome, Outcome::Made { .. } | Outcome::Unusable),
            unproved: matches!(outcome, Outcome::Unproved),
            earliest: failure.as_ref().and_then(|failure| failure.not_before(at)),
            then_paused: self.standing.pause.as_ref().map(|pause| pause.until),
            rest: self.facts.as_ref().map(|facts| facts.not_after.since(at)),
            outcome: format!("{outcome:?}"),
        });
    }
}

impl Outcome {
    fn failure(&self, now: Wall) -> Option<Failure> {
        Some(match self {
            Self::Made { .. } => return None,
            Self::Down => {
                Failure::CaTimeout { url: "https://ca.test".to_owned(), reason: "hangs".to_owned() }
            }
            Self::Busy { hours } => {
                Failure::RateLimited { limit: "orders".to_owned(), until: now + Duration::from_hours(*hours) }
            }
            Self::Unproved => Failure::TxtMismatch("preview.test".to_owned()),
            Self::Forbidden => Failure::NameForbidden("preview.test".to_owned()),
            Self::Unseen => Failure::TxtNotSeen { fqdn: "_acme-challenge".to_owned(), ns: "ns1".to_owned() },
            Self::Unusable => Failure::BadCertificate("another key".to_owned()),
        })
    }
}

/// A standing that some sequence of outcomes has led to.
pub(crate) fn standings() -> impl Strategy<Value = Standing> {
    (moves(), names()).prop_map(|(moves, names)| World::after(&moves, names).standing)
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let outcome = prop_oneof![
        4 => prop_oneof![Just(6), Just(45), Just(90)].prop_map(|days| Outcome::Made { days }),
        2 => Just(Outcome::Down),
        1 => (1..72_u64).prop_map(|hours| Outcome::Busy { hours }),
        4 => Just(Outcome::Unproved),
        1 => Just(Outcome::Forbidden),
        1 => Just(Outcome::Unseen),
        1 => Just(Outcome::Unusable),
    ];
    let gap = prop_oneof![3 => Just(0), 2 => 0..60_u64, 1 => 0..10_000_u64];
    let (asks, rehearses) = (prop::bool::weighted(0.2), prop::bool::weighted(0.7));
    let one = (gap, asks, outcome, rehearses, any::<u64>());
    let one =
        one.prop_map(|(gap, asks, outcome, rehearses, draw)| Move { gap, asks, outcome, rehearses, draw });
    vec(one, 0..40)
}

fn names() -> impl Strategy<Value = Vec<String>> {
    let sets = [&["*.preview.test"][..], &["*.preview.test", "preview.test"]];
    prop::sample::select(sets.to_vec()).prop_map(|set| set.iter().map(ToString::to_string).collect())
}
