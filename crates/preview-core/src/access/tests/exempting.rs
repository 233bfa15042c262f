//! What an option lets in without a credential, and what it does not.

use proptest::prelude::*;

use super::*;

const MANIFEST: Visit<'_> = exempt_visit("/manifest.json");

#[test]
fn a_manifest_and_its_icons_need_no_credential_only_where_the_option_names_them() {
    let exempt = Decision::Allow(Pass::Exempt(Denial::Unauthorized));
    for (target, decision) in [
        ("/manifest.json", exempt),
        ("/icons/192.png", exempt),
        ("/manifest.json?v=1", UNAUTHORIZED),
        ("/manifest.json?", UNAUTHORIZED),
        ("/manifest.json/", UNAUTHORIZED),
        ("/Manifest.json", UNAUTHORIZED),
        ("/manifest%2Ejson", UNAUTHORIZED),
        ("//manifest.json", UNAUTHORIZED),
        ("/./manifest.json", UNAUTHORIZED),
        ("/a/../manifest.json", UNAUTHORIZED),
        ("/icons/512.png", UNAUTHORIZED),
        ("/", UNAUTHORIZED),
        ("", UNAUTHORIZED),
    ] {
        assert_eq!(exempting(&exempt_visit(target), &[]), decision, "{target}");
        assert_eq!(decide(&exempt_visit(target), &[]), UNAUTHORIZED, "off by default: {target}");
    }
}

#[test]
fn nothing_but_a_browser_that_reads_a_manifest_of_its_own_page_is_exempt() {
    let wrong = query("wrong");
    for (visit, why) in [
        (Visit { reads_only: false, ..MANIFEST }, "it changes something"),
        (Visit { kind: VisitKind::Navigation, ..MANIFEST }, "a page"),
        (Visit { kind: VisitKind::Upgrade, ..MANIFEST }, "a socket"),
        (Visit { kind: VisitKind::Preflight, ..MANIFEST }, "a preflight"),
        (Visit { token: Some(wrong), ..MANIFEST }, "a guess"),
        (Visit { token: Some(GivenToken::Header("wrong")), ..MANIFEST }, "a guess by header"),
        (Visit { fetch_site: Some("cross-site"), ..MANIFEST }, "another site's page"),
        (Visit { fetch_site: Some("same-site"), ..MANIFEST }, "a sibling's page"),
        (Visit { origin: Some("https://evil.test"), ..MANIFEST }, "another origin"),
        (Visit { origin: Some("null"), fetch_site: None, ..MANIFEST }, "a page that hides"),
        (Visit { origin: Some("https://app.test"), ..MANIFEST }, "the app's"),
        (Visit { origin: Some("https://b.example.com"), ..MANIFEST }, "a sibling's"),
    ] {
        assert_eq!(exempting(&visit, &[]), UNAUTHORIZED, "{why}");
    }
    for site in ["same-origin", "none"] {
        let visit = Visit { fetch_site: Some(site), origin: Some("https://a.example.com"), ..MANIFEST };
        assert!(matches!(exempting(&visit, &[]), Decision::Allow(Pass::Exempt(_))), "{site}");
    }
}

#[test]
fn a_good_credential_is_used_before_an_exemption_and_an_ended_one_is_told_so() {
    assert_eq!(exempting(&MANIFEST, &[held(3, NOW)]), Decision::Allow(Pass::Granted(None)));
    let ended = Decision::Allow(Pass::Exempt(Denial::GrantExpired));
    assert_eq!(exempting(&MANIFEST, &[held(2, NOW)]), ended);
    let own_token = token();
    let given = Visit { token: Some(GivenToken::Header(own_token.reveal())), ..MANIFEST };
    assert_eq!(exempting(&given, &[]), Decision::Allow(Pass::Token));
}

#[test]
fn where_nothing_is_attached_nothing_is_exempt_and_a_login_is_not_asked_for_what_is() {
    let unknown = exempting_policy(AccessMode::Token).decide(None, &MANIFEST, &[], no_sibling, NOW);
    assert_eq!(unknown, Decision::Refuse(Denial::Unknown));
    let login = exempting_policy(AccessMode::Forward);
    let decision = login.decide(Some(&route()), &MANIFEST, &[], no_sibling, NOW);
    assert_eq!(decision, Decision::Allow(Pass::Exempt(Denial::Unauthorized)));
    assert_eq!(login.decide(None, &MANIFEST, &[], no_sibling, NOW), Decision::Ask);
}

proptest! {
    /// Whatever is asked, an option that names two paths changes nothing for any other.
    #[test]
    fn an_exemption_changes_the_answer_to_its_own_paths_alone(target in "[/.%?#a-z0-9]{0,24}", reads_only: bool) {
        prop_assume!(!["/manifest.json", "/icons/192.png"].contains(&&*target));
        let visit = Visit { reads_only, ..exempt_visit(&target) };
        for held in [&[][..], &[held(3, NOW)], &[held(2, NOW)]] {
            prop_assert_eq!(exempting(&visit, held), decide(&visit, held));
        }
    }
}

const UNAUTHORIZED: Decision = Decision::Refuse(Denial::Unauthorized);

/// What a browser sends for `<link rel=manifest>`, as far as access looks at it.
const fn exempt_visit(target: &str) -> Visit<'_> {
    Visit {
        kind: VisitKind::Subresource,
        target,
        reads_only: true,
        origin: None,
        referer: None,
        fetch_site: Some("same-origin"),
        service_worker: false,
        token: None,
    }
}

fn exempting(visit: &Visit<'_>, held: &[HeldGrant]) -> Decision {
    exempting_policy(AccessMode::Token).decide(Some(&route()), visit, held, no_sibling, NOW)
}

fn exempting_policy(mode: AccessMode) -> AccessPolicy {
    let policy = policy("https://{id}.example.com");
    let paths = ["/manifest.json", "/icons/192.png"].map(str::to_owned);
    let exempt = Exempt::new(&paths, &policy.template).expect("manifests and icons");
    AccessPolicy { mode, exempt, ..policy }
}
