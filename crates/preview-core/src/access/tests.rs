mod exempting;

use super::*;
use crate::grant::Grant;
use crate::id::{AttachmentId, UserId};
use crate::listener::{Listener, Loopback};
use crate::route::RouteOwner;
use crate::share::{Label, Shares, Wish};
use crate::template::Rendered;
use crate::token::{Token, Tokens};
use crate::verdict::{HostPolicy, ServerState};

const NOW: Wall = Wall::from_secs(1_000_000);
const HOUR: Duration = Duration::from_hours(1);

#[test]
fn a_stranger_learns_nothing_where_host_names_can_be_guessed() {
    let guessable = policy("https://preview-{port}.example.com");
    let nothing_there = guessable.decide(None, &Visit::default(), &[], no_sibling, NOW);
    let not_let_in = guessable.decide(Some(&route()), &Visit::default(), &[], no_sibling, NOW);
    assert_eq!(nothing_there, Decision::Refuse(Denial::Unknown));
    assert_eq!(not_let_in, nothing_there);
}

#[test]
fn with_an_id_a_known_host_without_a_grant_is_unauthorized() {
    assert_eq!(decide(&Visit::default(), &[]), Decision::Refuse(Denial::Unauthorized));
}

#[test]
fn a_token_with_its_session_is_exchanged_and_with_another_is_not() {
    let token = token();
    let visit = |session| Visit {
        token: Some(GivenToken::Query { session, token: token.reveal() }),
        ..Visit::default()
    };
    let grant = Grant::new(route().id, 3, NOW, HOUR);
    assert_eq!(decide(&visit("s"), &[]), Decision::Exchange(grant));
    assert_eq!(decide(&visit("t"), &[]), Decision::Refuse(Denial::Unauthorized));
    let header = Visit { token: Some(GivenToken::Header(token.reveal())), ..Visit::default() };
    assert_eq!(decide(&header, &[]), Decision::Allow(Pass::Token));
}

#[test]
fn a_valid_grant_wins_over_a_wrong_token() {
    let visit = Visit { token: Some(GivenToken::Query { session: "s", token: "wrong" }), ..Visit::default() };
    assert_eq!(decide(&visit, &[held(3, NOW)]), Decision::Allow(Pass::Granted(None)));
    assert_eq!(decide(&visit, &[]), Decision::Refuse(Denial::Unauthorized));
}

#[test]
fn a_grant_slides_while_it_is_used() {
    let issued = Wall::from_secs(NOW.as_secs() - 600);
    let renewed = Grant::new(route().id, 3, NOW, HOUR);
    assert_eq!(decide(&Visit::default(), &[held(3, issued)]), Decision::Allow(Pass::Granted(Some(renewed))));
}

#[test]
fn a_grant_of_another_epoch_or_time_has_expired_and_of_another_attachment_is_gone() {
    let old = Wall::from_secs(NOW.as_secs() - 3_600);
    assert_eq!(decide(&Visit::default(), &[held(2, NOW)]), Decision::Refuse(Denial::GrantExpired));
    assert_eq!(decide(&Visit::default(), &[held(3, old)]), Decision::Refuse(Denial::GrantExpired));
    let mut other = held(3, NOW);
    other.grant.id = AttachmentId::from_entropy([9; 17]);
    assert_eq!(decide(&Visit::default(), &[other]), Decision::Refuse(Denial::Gone));
    let policy = policy("https://{id}.example.com");
    let ended = policy.decide(None, &Visit::default(), &[held(3, NOW)], no_sibling, NOW);
    assert_eq!(ended, Decision::Refuse(Denial::Gone));
}

#[test]
fn the_unpartitioned_cookie_counts_for_pages_of_the_same_origin_alone() {
    let held = [HeldGrant { unpartitioned: true, ..held(3, NOW) }];
    let own = Some("https://a.example.com");
    let let_in = |visit: Visit<'_>| matches!(decide(&visit, &held), Decision::Allow(_));
    assert!(let_in(Visit { fetch_site: Some("same-origin"), ..Visit::default() }));
    assert!(let_in(Visit { kind: VisitKind::Upgrade, origin: own, ..Visit::default() }));
    assert!(!let_in(Visit { fetch_site: Some("same-site"), ..Visit::default() }));
    assert!(!let_in(Visit {
        fetch_site: Some("cross-site"),
        kind: VisitKind::Navigation,
        ..Visit::default()
    }));
    assert!(!let_in(Visit {
        kind: VisitKind::Upgrade,
        origin: Some("https://b.example.com"),
        ..Visit::default()
    }));
    assert!(!let_in(Visit { referer: Some("https://a.example.com/page"), ..Visit::default() }));
    assert!(!let_in(Visit::default()));
}

#[test]
fn an_upgrade_is_let_in_from_its_own_page_the_app_and_siblings_of_its_session_alone() {
    let friend = |host: &str, session: &SessionId| host == FRIEND && session.as_str() == "s";
    let friendly = format!("https://{FRIEND}");
    let cases: [(Option<&str>, bool); 6] = [
        (Some("https://a.example.com"), true),
        (Some("https://app.test"), true),
        (Some(&friendly), true),
        (Some("https://bbbbbbbbbbbbbbbbbbbbbbbbbb.example.com"), false),
        (Some("null"), false),
        (None, false),
    ];
    for (origin, let_in) in cases {
        let visit = Visit { kind: VisitKind::Upgrade, origin, ..Visit::default() };
        let decision =
            policy("https://{id}.example.com").decide(Some(&route()), &visit, &[held(3, NOW)], friend, NOW);
        let expected =
            if let_in { Decision::Allow(Pass::Granted(None)) } else { Decision::Refuse(Denial::Origin) };
        assert_eq!(decision, expected, "{origin:?}");
    }
}

#[test]
fn an_upgrade_without_origin_is_refused_only_where_a_cookie_is_the_credential() {
    let token = token();
    let visit = Visit {
        kind: VisitKind::Upgrade,
        token: Some(GivenToken::Header(token.reveal())),
        ..Visit::default()
    };
    assert_eq!(decide(&visit, &[]), Decision::Allow(Pass::Token));
    let foreign = Visit { origin: Some("https://evil.test"), ..visit };
    assert_eq!(decide(&foreign, &[]), Decision::Refuse(Denial::Origin));
}

#[test]
fn even_where_everybody_is_let_in_a_foreign_page_opens_no_socket() {
    let open = AccessPolicy { mode: AccessMode::Open, ..policy("https://{id}.example.com") };
    let decide = |visit: Visit<'_>| open.decide(Some(&route()), &visit, &[], no_sibling, NOW);
    assert_eq!(decide(Visit::default()), Decision::Allow(Pass::Open));
    let upgrade = Visit { kind: VisitKind::Upgrade, origin: Some("https://evil.test"), ..Visit::default() };
    assert_eq!(decide(upgrade), Decision::Refuse(Denial::Origin));
    let public = Route { visibility: Visibility::Public, ..route() };
    let policy = policy("https://{id}.example.com");
    let decision = policy.decide(Some(&public), &Visit::default(), &[], no_sibling, NOW);
    assert_eq!(decision, Decision::Allow(Pass::Open));
}

#[test]
fn a_sibling_of_another_session_uses_no_cookie() {
    let sibling = Some("https://bbbbbbbbbbbbbbbbbbbbbbbbbb.example.com");
    let held = [held(3, NOW)];
    let refused = Decision::Refuse(Denial::Origin);
    assert_eq!(decide(&Visit { origin: sibling, ..Visit::default() }, &held), refused);
    let post = Visit { kind: VisitKind::Navigation, origin: sibling, ..Visit::default() };
    assert_eq!(decide(&post, &held), refused);
    let image = Visit { fetch_site: Some("same-site"), reads_only: true, ..Visit::default() };
    assert_eq!(decide(&image, &held), refused);
    let link = Visit {
        kind: VisitKind::Navigation,
        reads_only: true,
        fetch_site: Some("same-site"),
        ..Visit::default()
    };
    assert_eq!(decide(&link, &held), Decision::Allow(Pass::Granted(None)));
}

#[test]
fn a_page_that_hides_where_it_is_uses_no_cookie_unless_the_browser_says_it_is_our_own() {
    let post = |kind, fetch_site| {
        let visit = Visit { kind, origin: Some("null"), fetch_site, ..Visit::default() };
        decide(&visit, &[held(3, NOW)])
    };
    let (allowed, refused) = (Decision::Allow(Pass::Granted(None)), Decision::Refuse(Denial::Origin));
    for kind in [VisitKind::Navigation, VisitKind::Subresource] {
        assert_eq!(post(kind, Some("same-origin")), allowed, "{kind:?}");
        for site in [Some("same-site"), Some("cross-site"), Some("none"), None] {
            assert_eq!(post(kind, site), refused, "{kind:?} {site:?}");
        }
    }
    assert_eq!(post(VisitKind::Upgrade, Some("same-origin")), refused);
    let link =
        Visit { kind: VisitKind::Navigation, origin: Some("null"), reads_only: true, ..Visit::default() };
    assert_eq!(decide(&link, &[held(3, NOW)]), allowed);
}

#[test]
fn service_workers_are_refused_where_host_names_are_used_again() {
    let visit = Visit { service_worker: true, fetch_site: Some("same-origin"), ..Visit::default() };
    let guessable = policy("https://preview-{port}.example.com");
    let decision = guessable.decide(Some(&route()), &visit, &[held(3, NOW)], no_sibling, NOW);
    assert_eq!(decision, Decision::Refuse(Denial::ServiceWorker));
    assert_eq!(decide(&visit, &[held(3, NOW)]), Decision::Allow(Pass::Granted(None)));
}

#[test]
fn a_preflight_of_any_host_the_template_could_render_is_answered_alike() {
    let preflight = |origin| Visit { kind: VisitKind::Preflight, origin: Some(origin), ..Visit::default() };
    let policy = policy("https://{id}.example.com");
    let from_ours = preflight("https://bbbbbbbbbbbbbbbbbbbbbbbbbb.example.com");
    let live = policy.decide(Some(&route()), &from_ours, &[], no_sibling, NOW);
    let dead = policy.decide(None, &from_ours, &[], no_sibling, NOW);
    assert_eq!((live, dead), (Decision::Preflight, Decision::Preflight));
    let foreign = policy.decide(Some(&route()), &preflight("https://evil.test"), &[], no_sibling, NOW);
    assert_eq!(foreign, Decision::Refuse(Denial::Unauthorized));
}

#[test]
fn a_shared_link_lets_in_until_it_ends_or_is_withdrawn_and_its_grant_no_longer() {
    let (route, secret) = shared(false);
    let share = route.shares.as_slice()[0].clone();
    let visit = Visit { token: Some(query(secret.reveal())), ..Visit::default() };
    let Decision::Exchange(grant) = decide_at(&route, &visit, &[], NOW) else { panic!("not exchanged") };
    assert_eq!((grant.share, grant.expires), (share.number, share.expires));
    let by_grant = [HeldGrant { grant, unpartitioned: false }];
    assert_eq!(decide_at(&route, &visit, &by_grant, NOW), Decision::Allow(Pass::Granted(None)));
    let ended = Decision::Refuse(Denial::GrantExpired);
    assert_eq!(decide_at(&route, &visit, &by_grant, share.expires), ended);
    let mut withdrawn = route.clone();
    withdrawn.shares.remove(share.number);
    assert_eq!(decide_at(&withdrawn, &visit, &by_grant, NOW), ended);
}

#[test]
fn a_link_that_lets_only_look_takes_no_post_but_a_socket() {
    let (route, secret) = shared(true);
    let visit = |reads_only, kind| Visit {
        token: Some(query(secret.reveal())),
        origin: Some("https://a.example.com"),
        reads_only,
        kind,
        ..Visit::default()
    };
    let is_let_in = |visit: &Visit<'_>| matches!(decide_at(&route, visit, &[], NOW), Decision::Exchange(_));
    assert!(is_let_in(&visit(true, VisitKind::Navigation)) && is_let_in(&visit(false, VisitKind::Upgrade)));
    let post = decide_at(&route, &visit(false, VisitKind::Subresource), &[], NOW);
    assert_eq!(post, Decision::Refuse(Denial::ReadOnly));
}

#[test]
fn the_widest_link_counts() {
    let (route, secret) = shared(true);
    let grant = Grant::new(route.id, 3, NOW, HOUR);
    let looks = HeldGrant { grant: grant.by(&route.shares.as_slice()[0]), unpartitioned: false };
    let post = Visit { reads_only: false, ..Visit::default() };
    assert_eq!(decide_at(&route, &post, &[looks], NOW), Decision::Refuse(Denial::ReadOnly));
    let own = HeldGrant { grant, unpartitioned: false };
    assert_eq!(decide_at(&route, &post, &[looks, own], NOW), Decision::Allow(Pass::Granted(None)));
    let own_token = token();
    let with_own_token = Visit { token: Some(query(own_token.reveal())), ..post };
    assert_eq!(decide_at(&route, &with_own_token, &[looks], NOW), Decision::Exchange(grant));
    let with_narrow_token = Visit { token: Some(query(secret.reveal())), ..post };
    assert_eq!(decide_at(&route, &with_narrow_token, &[own], NOW), Decision::Allow(Pass::Granted(None)));
}

#[test]
fn where_an_endpoint_decides_only_shared_links_stand_beside_it() {
    let mut policy = policy("https://{port}.example.com");
    policy.mode = AccessMode::Forward;
    let (route, secret) = shared(false);
    let visit = |token| Visit { token, ..Visit::default() };
    let own = token();
    for (visit, held) in [
        (visit(None), &[][..]),
        (visit(Some(query(own.reveal()))), &[][..]),
        (visit(None), &[held(3, NOW)][..]),
    ] {
        assert_eq!(policy.decide(Some(&route), &visit, held, no_sibling, NOW), Decision::Ask, "{visit:?}");
    }
    assert_eq!(policy.decide(None, &visit(None), &[], no_sibling, NOW), Decision::Ask);
    let shared = policy.decide(Some(&route), &visit(Some(query(secret.reveal()))), &[], no_sibling, NOW);
    assert!(matches!(shared, Decision::Exchange(_)), "{shared:?}");
    let foreign = Visit { kind: VisitKind::Upgrade, origin: Some("https://evil.test"), ..Visit::default() };
    let refused = policy.decide(Some(&route), &foreign, &[], no_sibling, NOW);
    assert_eq!(refused, Decision::Refuse(Denial::Origin));
}

/// A route with one link for somebody else, and that link's token.
fn shared(read_only: bool) -> (Route, Token) {
    let mut route = route();
    let secret = Token::from_entropy([6; 32]);
    let wish = Wish::new(Label::default(), read_only, Duration::from_mins(30)).expect("in bounds");
    route.shares.add(route.shares.make(&wish, secret.digest(), NOW).expect("room"));
    (route, secret)
}

fn query(token: &str) -> GivenToken<'_> {
    GivenToken::Query { session: "s", token }
}

fn decide_at(route: &Route, visit: &Visit<'_>, held: &[HeldGrant], now: Wall) -> Decision {
    policy("https://{id}.example.com").decide(Some(route), visit, held, no_sibling, now)
}

const FRIEND: &str = "cccccccccccccccccccccccccc.example.com";

fn decide(visit: &Visit<'_>, held: &[HeldGrant]) -> Decision {
    policy("https://{id}.example.com").decide(Some(&route()), visit, held, no_sibling, NOW)
}

fn no_sibling(_: &str, _: &SessionId) -> bool {
    false
}

fn policy(template: &str) -> AccessPolicy {
    AccessPolicy {
        mode: AccessMode::Token,
        app_origins: vec!["https://app.test".to_owned()],
        template: template.parse().unwrap_or_else(|error| panic!("{error}")),
        grant_life: HOUR,
        exempt: Exempt::default(),
    }
}

fn route() -> Route {
    Route {
        id: AttachmentId::from_entropy([1; 17]),
        session: SessionId::new("s").expect("valid"),
        user: UserId::new("u").expect("valid"),
        url: Rendered { origin: "https://a.example.com".to_owned(), host: "a.example.com".to_owned() },
        listener: Listener { address: Loopback::V4, port: "3000".parse().expect("valid") },
        owner: RouteOwner { uid: 0, inode: 1, cgroup: None },
        policy: HostPolicy::Loopback,
        state: ServerState::Live,
        visibility: Visibility::Private,
        tokens: Tokens::new(token().digest()),
        shares: Shares::default(),
        epoch: 3,
    }
}

fn held(epoch: u64, issued: Wall) -> HeldGrant {
    HeldGrant { grant: Grant::new(route().id, epoch, issued, HOUR), unpartitioned: false }
}

fn token() -> Token {
    Token::from_entropy([5; 32])
}
