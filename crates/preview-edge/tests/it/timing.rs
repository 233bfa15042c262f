//! How long it takes to refuse a token says nothing of it, and nothing of how near it is to the right one.

use std::hint::black_box;
use std::time::Duration;

use preview_core::access::{
    AccessMode, AccessPolicy, Decision, Denial, Exempt, GivenToken, Visit, VisitKind,
};
use preview_core::clock::Wall;
use preview_core::route::Route;
use preview_core::share::{Label, Wish};
use preview_core::token::{Token, Tokens};
use rustix::time::{ClockId, clock_gettime};

use crate::viewer::private;

/// Tries of each kind.
const TRIES: usize = 10_000;

/// What the medians of two kinds may differ by: a part of the median of all. A refusal before the digest is made
/// differs by most of it.
const ALIKE: f64 = 0.1;

const NOW: Wall = Wall::from_secs(1_000_000);

#[test]
fn a_token_is_refused_and_admitted_in_the_same_time_however_wrong_it_is() {
    let (right, tokens) = tokens();
    let medians = medians(&kinds(&right), |given| tokens.admit(given, NOW));
    let spread = spread(&medians);
    assert!(spread < ALIKE, "the medians differ by {spread:.2}: {medians:?}");
}

#[test]
fn the_whole_decision_on_a_link_takes_the_same_time_however_wrong_it_is() {
    let (right, tokens) = tokens();
    let mut route = Route { tokens, ..private("app", 1) };
    let wish = Wish::new(Label::default(), false, Duration::from_hours(1)).expect("in bounds");
    for guest in 1..=3 {
        let digest = Token::from_entropy([guest; 32]).digest();
        route.shares.add(route.shares.make(&wish, digest, NOW).expect("room"));
    }
    let policy = AccessPolicy {
        mode: AccessMode::Token,
        app_origins: Vec::new(),
        template: "http://{id}.preview.test".parse().expect("a template"),
        grant_life: Duration::from_hours(8),
        exempt: Exempt::default(),
    };
    // Session and token, a space between them.
    let decide = |link: &str| {
        let (session, token) = link.split_once(' ').expect("both");
        let given = GivenToken::Query { session, token };
        let visit = Visit { kind: VisitKind::Navigation, token: Some(given), ..Visit::default() };
        policy.decide(Some(&route), &visit, &[], |_, _| false, NOW)
    };
    let mut wrong = kinds(&right);
    wrong.retain_mut(|(kind, token)| {
        token.insert_str(0, "s ");
        *kind != "right"
    });
    wrong.push(("right, of another session", format!("t {right}")));
    for (kind, link) in &wrong {
        assert_eq!(decide(link), Decision::Refuse(Denial::Unauthorized), "{kind}");
    }
    assert!(matches!(decide(&format!("s {right}")), Decision::Exchange(_)));
    let medians = medians(&wrong, |link| matches!(decide(link), Decision::Exchange(_)));
    let spread = spread(&medians);
    assert!(spread < ALIKE, "the medians differ by {spread:.2}: {medians:?}");
}

#[test]
fn a_rule_that_gives_itself_away_is_found_by_the_same_measure() {
    let (right, tokens) = tokens();
    // What length or first character refuses is refused at once.
    let hasty = |given: &str| {
        given.len() == right.len() && given.as_bytes()[0] == right.as_bytes()[0] && tokens.admit(given, NOW)
    };
    let spread = spread(&medians(&kinds(&right), hasty));
    assert!(spread > ALIKE, "not found: {spread:.2}");
}

/// Tokens of each kind, by what they are.
fn kinds(right: &str) -> Vec<(&'static str, String)> {
    let with = |at: usize| {
        let mut text = right.to_owned();
        let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
        text.replace_range(at..=at, other);
        text
    };
    vec![
        ("right", right.to_owned()),
        ("another of the right length", Token::from_entropy([9; 32]).reveal().to_owned()),
        ("wrong at its first character", with(0)),
        ("wrong at its last character", with(right.len() - 1)),
        ("empty", String::new()),
        ("one character short", right[1..].to_owned()),
        ("too long", right.repeat(1_500)),
    ]
}

/// The median time of each kind, nanoseconds of this thread. One try of each in turn, so that whatever else the
/// machine does falls on all alike; and a thread that has to wait counts no time.
fn medians(kinds: &[(&'static str, String)], admit: impl Fn(&str) -> bool) -> Vec<(&'static str, u64)> {
    let mut times = vec![Vec::with_capacity(TRIES); kinds.len()];
    for turn in 0..TRIES {
        for place in 0..kinds.len() {
            // No kind always follows the same one: what that leaves in the caches would count as its own.
            let at = (place + turn) % kinds.len();
            let began = cpu_time();
            black_box(admit(black_box(&kinds[at].1)));
            times[at].push(cpu_time() - began);
        }
    }
    let median = |times: &mut Vec<u64>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    kinds.iter().zip(&mut times).map(|((kind, _), times)| (*kind, median(times))).collect()
}

/// By what part of the middle one the medians differ at most.
fn spread(medians: &[(&'static str, u64)]) -> f64 {
    let mut all: Vec<u64> = medians.iter().map(|(_, median)| *median).collect();
    all.sort_unstable();
    let [least, middle, most] = [0, all.len() / 2, all.len() - 1].map(|at| all[at]);
    let float = |nanos: u64| f64::from(u32::try_from(nanos).expect("less than four seconds"));
    float(most - least) / float(middle)
}

fn cpu_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).expect("time since the thread began")
}

fn tokens() -> (String, Tokens) {
    let token = Token::from_entropy([7; 32]);
    // With a previous one in its grace: both are compared.
    let tokens = Tokens::new(Token::from_entropy([8; 32]).digest()).rotated(token.digest(), NOW);
    (token.reveal().to_owned(), tokens)
}
