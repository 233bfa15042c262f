//! All of it against real name servers.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use xtask::real::named::{Named, Setup};
use xtask::real::{TsigKey, Zone as Served, free_address};

use super::*;
use crate::cert::challenge::Record;
use crate::config::{Authority, Check, Propagation};

#[tokio::test]
async fn cnames_are_followed_into_another_zone_and_a_name_without_one_is_its_own_target() {
    let at = address();
    let preview = Served::primary("preview.test", &[at])
        .record("_acme-challenge CNAME hop")
        .record("hop CNAME Preview.ACME.test.")
        .record("*.preview.test. A 192.0.2.1");
    let server = serve(at, vec![preview, Served::primary("acme.test", &[at])]);
    let resolver = resolver(&["preview.test", "acme.test"], at, "");
    for lookup in [lookup(&server), lookup(&resolver)] {
        assert_eq!(lookup.target(CHALLENGE).await, Ok("preview.acme.test".to_owned()));
        assert_eq!(
            lookup.target("_acme-challenge.www.preview.test").await,
            Ok("_acme-challenge.www.preview.test".to_owned())
        );
    }
    let zone = lookup(&resolver).zone("preview.acme.test").await.expect("found");
    assert_eq!(zone.name, "acme.test");
}

#[tokio::test]
async fn a_wildcard_cname_that_captures_the_challenge_is_not_followed() {
    let at = address();
    let zone = Served::primary("preview.test", &[at]).record("* CNAME apps.elsewhere.test.");
    let server = serve(at, vec![zone]);
    let captured =
        Failure::ChallengeCaptured { fqdn: CHALLENGE.to_owned(), target: "apps.elsewhere.test".to_owned() };
    assert_eq!(lookup(&server).target(CHALLENGE).await, Err(captured));
}

#[tokio::test]
async fn a_record_of_its_own_beside_a_wildcard_cname_is_followed() {
    let at = address();
    let zone = Served::primary("preview.test", &[at])
        .record("* CNAME apps.preview.test.")
        .record("_acme-challenge CNAME own.preview.test.")
        .record("own TXT x\napps A 192.0.2.1");
    let server = serve(at, vec![zone]);
    assert_eq!(lookup(&server).target(CHALLENGE).await, Ok("own.preview.test".to_owned()));
}

#[tokio::test]
async fn cnames_in_a_circle_are_an_error_that_shows_it() {
    let at = address();
    let zone =
        Served::primary("preview.test", &[at]).record("_acme-challenge CNAME b\nb CNAME _acme-challenge");
    let server = serve(at, vec![zone]);
    let text = lookup(&server).target(CHALLENGE).await.expect_err("endless").to_string();
    assert!(
        text.contains("circle") && text.contains("b.preview.test -> _acme-challenge.preview.test"),
        "{text}"
    );
}

#[tokio::test]
async fn the_zone_is_the_nearest_one_upwards_with_all_addresses_of_all_its_servers() {
    let (first, second) = (address(), address());
    let outer = Served::primary("example.test", &[first]).record("inner NS ns1.inner\nns1.inner A 192.0.2.1");
    let inner = Served::primary("inner.example.test", &[first, second]).record("ns2 AAAA ::1");
    let server = serve(first, vec![outer, inner]);
    let lookup = lookup(&server);
    let zone = lookup.zone("_acme-challenge.a.b.inner.example.test").await.expect("found");
    let servers: Vec<String> = zone.servers.iter().map(Server::text).collect();
    assert_eq!(zone.name, "inner.example.test");
    assert_eq!(
        servers,
        [
            format!("ns1.inner.example.test ({first})"),
            format!("ns2.inner.example.test ({second})"),
            "ns2.inner.example.test (::1)".to_owned()
        ]
    );
    assert_eq!(lookup.zone("_acme-challenge.example.test").await.expect("found").name, "example.test");
}

#[tokio::test]
async fn a_registrys_zone_is_not_taken_for_the_domains() {
    let at = address();
    let server = serve(at, vec![Served::primary("test", &[at])]);
    let failure = lookup(&server).zone(CHALLENGE).await.expect_err("nobody's");
    assert!(
        matches!(&failure, Failure::DelegationMissing { found, .. } if found.ends_with("is test.")),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_record_that_was_written_where_the_world_does_not_look_is_told_with_the_first_server_that_lacks_it()
{
    let key = TsigKey::new("preview-key");
    let (at, inside) = (address(), address());
    let zone = Served::primary("preview.test", &[at]).record("_acme-challenge TXT stale");
    let server = serve(at, vec![zone.clone()]);
    let zones = vec![zone.grant(&key, CHALLENGE)];
    let hidden = Named::start(inside, Setup { zones, keys: vec![key.clone()], ..Setup::default() });
    hidden.expect("starts").add_txt(&key, CHALLENGE, VALUE).expect("is taken");
    let ns = format!("ns1.preview.test ({at})");
    let missing = Failure::TxtNotSeen { fqdn: CHALLENGE.to_owned(), ns };
    assert_eq!(seen(&lookup(&server), all(SHORT)).await, Err(missing));
}

#[tokio::test]
async fn one_of_several_values_is_seen_as_soon_as_the_last_server_has_it() {
    let key = TsigKey::new("preview-key");
    let (first, second) = (address(), address());
    let zone = Served::primary("preview.test", &[first, second])
        .grant(&key, CHALLENGE)
        .record("_acme-challenge TXT other");
    let setup = Setup { zones: vec![zone], keys: vec![key.clone()], ..Setup::default() };
    let primary = Named::start(first, setup).expect("starts");
    let _secondary = serve(second, vec![Served::secondary("preview.test", first)]);
    let lookup = lookup(&primary);
    let (waited, ()) = tokio::join!(seen(&lookup, all(PATIENCE)), async {
        tokio::time::sleep(LOOK * 2).await;
        primary.add_txt(&key, CHALLENGE, VALUE).expect("is taken");
    });
    assert_eq!(waited, Ok(()));
}

#[tokio::test]
async fn a_secondary_that_nobody_notifies_is_the_one_that_disagrees() {
    let key = TsigKey::new("preview-key");
    let (first, second) = (address(), address());
    let zone = Served::primary("preview.test", &[first, second]).grant(&key, CHALLENGE).option("notify no;");
    let setup = Setup { zones: vec![zone], keys: vec![key.clone()], ..Setup::default() };
    let primary = Named::start(first, setup).expect("starts");
    let _stale = serve(second, vec![Served::secondary("preview.test", first)]);
    primary.add_txt(&key, CHALLENGE, VALUE).expect("is taken");
    let ns = format!("ns2.preview.test ({second})");
    let behind = Failure::NsDisagree { fqdn: CHALLENGE.to_owned(), ns };
    assert_eq!(seen(&lookup(&primary), all(SHORT)).await, Err(behind));
    let by_resolver = Propagation { check: Check::Resolver, ..all(SHORT) };
    assert_eq!(seen(&lookup(&primary), by_resolver).await, Ok(()), "the resolver here is the primary");
}

#[tokio::test]
async fn forty_values_at_one_name_are_too_many_and_nobody_waits_for_fewer() {
    let at = address();
    let mut zone = Served::primary("preview.test", &[at]).record(&format!("_acme-challenge TXT {VALUE}"));
    for stale in 1..40 {
        zone = zone.record(&format!("_acme-challenge TXT {stale:043}"));
    }
    let server = serve(at, vec![zone]);
    let too_many = Failure::TxtTooMany { fqdn: CHALLENGE.to_owned(), count: 40 };
    assert_eq!(seen(&lookup(&server), all(PATIENCE)).await, Err(too_many));
}

#[tokio::test]
async fn a_server_that_is_silent_by_udp_is_named_unless_nobody_is_to_look() {
    let (at, hole) = (address(), address());
    let _hole = UdpSocket::bind((hole, zone::PORT)).expect("free");
    let zone = Served::primary("preview.test", &[at, hole]).record(&format!("_acme-challenge TXT {VALUE}"));
    let server = serve(at, vec![zone]);
    let impatient = Lookup::new(&[server.place()], Duration::from_millis(300)).expect("a resolver");
    let failure = seen(&impatient, all(Duration::ZERO)).await.expect_err("silent");
    let name = format!("ns2.preview.test ({hole})");
    let reason = "no answer by UDP within 0.3 s".to_owned();
    assert_eq!(failure, Failure::DnsUnreachable { server: name, reason });
    let off = Propagation { check: Check::Off, ..all(Duration::ZERO) };
    assert_eq!(seen(&impatient, off).await, Ok(()));
}

#[tokio::test]
async fn a_server_that_is_not_in_charge_is_named() {
    let (at, other) = (address(), address());
    let zone = Served::primary("preview.test", &[at, other]).record(&format!("_acme-challenge TXT {VALUE}"));
    let server = serve(at, vec![zone]);
    let _lame = serve(other, vec![Served::primary("other.test", &[other]), Served::stub(".", other)]);
    let failure = seen(&lookup(&server), all(Duration::ZERO)).await.expect_err("lame");
    assert!(
        matches!(&failure, Failure::DnsUnreachable { server, .. } if server.starts_with("ns2.")),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_resolver_that_is_gone_gives_way_to_the_next() {
    let at = address();
    let server = serve(at, vec![Served::primary("preview.test", &[at])]);
    let gone = SocketAddr::from((address(), zone::PORT));
    let both = Lookup::new(&[gone, server.place()], Duration::from_secs(2)).expect("resolvers");
    assert_eq!(both.target(CHALLENGE).await, Ok(CHALLENGE.to_owned()));
    let alone = Lookup::new(&[gone], Duration::from_millis(300)).expect("a resolver");
    let failure = alone.target(CHALLENGE).await.expect_err("gone");
    assert!(
        matches!(&failure, Failure::DnsUnreachable { server, .. } if *server == gone.to_string()),
        "{failure:?}"
    );
}

#[tokio::test]
async fn caa_is_looked_for_upwards_and_the_record_to_publish_stands_where_it_forbids() {
    let at = address();
    let zone = Served::primary("example.test", &[at])
        .record("@ CAA 0 issue \"letsencrypt.org\"\n@ CAA 0 issuewild \"other.example\"")
        .record("own CAA 0 issue \"letsencrypt.org; validationmethods=dns-01\"")
        .record("alias CNAME own");
    let server = serve(at, vec![zone]);
    let resolver = resolver(&["example.test"], at, "");
    let directory = "https://acme-v02.api.letsencrypt.org/directory".to_owned();
    let issuers = issuers(&Authority { name: "letsencrypt".to_owned(), directory, eab: None }, &[]);
    let lookup = lookup(&resolver);
    let ask = |domain, wildcard| Request { domain, wildcard, issuers: &issuers, account: None };
    assert_eq!(lookup.caa(&ask("www.example.test", false)).await, Ok(()));
    assert_eq!(lookup.caa(&ask("a.own.example.test", true)).await, Ok(()));
    assert_eq!(lookup.caa(&ask("alias.example.test", true)).await, Ok(()));
    let forbids = Failure::CaaForbids {
        domain: "example.test".to_owned(),
        found: "issuewild \"other.example\"".to_owned(),
        record: "example.test. CAA 0 issuewild \"letsencrypt.org\"".to_owned(),
    };
    assert_eq!(lookup.caa(&ask("preview.example.test", true)).await, Err(forbids));
    let nobody = Request { issuers: &[], ..ask("preview.example.test", true) };
    assert_eq!(lookup.caa(&nobody).await, Ok(()), "an authority that nobody knows is not judged");
    drop(server);
}

#[tokio::test]
async fn a_delegation_is_read_at_the_parent_and_compared_with_what_it_should_be() {
    let (above, below) = (address(), address());
    let parent = Served::primary("example.test", &[above])
        .record("preview NS ns1.preview\nns1.preview A 192.0.2.1\nother NS ns.other.test.")
        .record(&format!("preview DS 12345 13 2 {}", "ab".repeat(32)));
    let parent = serve(above, vec![parent]);
    let _child = serve(below, vec![Served::primary("preview.example.test", &[below])]);
    let lookup = lookup(&parent);
    let ours = ["ns1.preview.example.test".to_owned()];
    let delegation = lookup.delegated("preview.example.test", &ours).await.expect("delegated");
    assert_eq!(delegation.parent, "example.test");
    assert_eq!(
        delegation.glue,
        [("ns1.preview.example.test".to_owned(), Ipv4Addr::new(192, 0, 2, 1).into())]
    );
    assert!(delegation.signed);
    for (zone, found) in [
        ("other.example.test", "example.test delegates it to ns.other.test"),
        ("absent.example.test", "example.test has no NS record for it"),
    ] {
        let missing = Failure::DelegationMissing {
            zone: zone.to_owned(),
            found: found.to_owned(),
            record: format!("{zone}. NS ns1.preview.example.test."),
        };
        assert_eq!(lookup.delegated(zone, &ours).await, Err(missing));
    }
}

#[tokio::test]
async fn a_server_must_answer_by_udp_and_by_tcp() {
    let (at, udp_only) = (address(), address());
    let server = serve(at, vec![Served::primary("preview.test", &[at])]);
    let lookup = lookup(&server);
    let named = |at| Server { name: "ns1.preview.test".to_owned(), at };
    assert_eq!(lookup.answers(&named(server.place()), "preview.test").await, Ok(1));
    let relay = tokio::net::UdpSocket::bind((udp_only, zone::PORT)).await.expect("free");
    let relayed = named(relay.local_addr().expect("bound"));
    let failure = tokio::select! {
        judged = lookup.answers(&relayed, "preview.test") => judged.expect_err("TCP is closed"),
        () = pass_on(&relay, server.place()) => unreachable!("passes on for ever"),
    };
    assert!(
        matches!(&failure, Failure::DnsUnreachable { reason, .. } if reason.starts_with("by TCP")),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_stale_ds_record_at_the_parent_is_found_by_asking_with_and_without_validation() {
    let (above, below) = (address(), address());
    let parent = Served::primary("test", &[above])
        .record(&format!("sound NS ns1.sound\nns1.sound A {below}"))
        .record(&format!("broken NS ns1.broken\nns1.broken A {below}"))
        .record(&format!("broken DS 12345 13 2 {}", "ab".repeat(32)))
        .option("dnssec-policy default; inline-signing yes;");
    let parent = serve(above, vec![parent]);
    let zones = ["sound.test", "broken.test"].map(|name| Served::primary(name, &[below]));
    let _child = serve(below, zones.to_vec());
    let signed = || Ok(parent.ask("test", "DNSKEY")?.first().cloned());
    let key = xtask::real::poll("the parent's key", PATIENCE, signed).expect("is signed");
    let words: Vec<&str> = key.split(' ').collect();
    let anchor = format!("test. static-key {} \"{}\";", words[..3].join(" "), words[3..].concat());
    let resolver = resolver(&["test"], above, &anchor);
    let lookup = lookup(&resolver);
    assert_eq!(lookup.dnssec("sound.test").await, Ok(()));
    assert_eq!(lookup.dnssec("broken.test").await, Err(Failure::DnssecBroken("broken.test".to_owned())));
    let walked = lookup.zone("_acme-challenge.broken.test").await;
    assert!(matches!(walked, Err(Failure::DnssecBroken(_))), "{walked:?}");
}

const CHALLENGE: &str = "_acme-challenge.preview.test";
const VALUE: &str = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
/// Longer than any server of ours takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// As long as something is waited for that does not come.
const SHORT: Duration = Duration::from_millis(300);
const LOOK: Duration = Duration::from_millis(50);

fn address() -> Ipv4Addr {
    free_address().expect("free")
}

fn serve(at: Ipv4Addr, zones: Vec<Served>) -> Named {
    Named::start(at, Setup { zones, ..Setup::default() }).expect("starts")
}

/// A resolver that finds these zones at `server`, and validates if it has a trust anchor.
fn resolver(zones: &[&str], server: Ipv4Addr, anchor: &str) -> Named {
    let zones = zones.iter().map(|name| Served::stub(name, server)).collect();
    let setup = Setup { zones, recursion: true, trust_anchors: anchor.to_owned(), ..Setup::default() };
    Named::start(address(), setup).expect("starts")
}

fn lookup(resolver: &Named) -> Lookup {
    Lookup::new(&[resolver.place()], PATIENCE).expect("a resolver")
}

fn all(timeout: Duration) -> Propagation {
    Propagation { timeout, check: Check::All }
}

async fn seen(lookup: &Lookup, propagation: Propagation) -> Result<(), Failure> {
    let record = Record {
        fqdn: CHALLENGE.to_owned(),
        value: VALUE.to_owned(),
        domain: "preview.test".to_owned(),
        token: "token".to_owned(),
        key_authorization: "token.thumbprint".to_owned(),
    };
    lookup.seen(&record, propagation, LOOK).await
}

/// Passes questions by UDP on to a server, and its answers back.
async fn pass_on(relay: &tokio::net::UdpSocket, server: SocketAddr) {
    let beyond = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("free");
    let mut packet = [0; 1500];
    loop {
        let (len, client) = relay.recv_from(&mut packet).await.expect("a question");
        beyond.send_to(&packet[..len], server).await.expect("passed on");
        let len = beyond.recv(&mut packet).await.expect("an answer");
        relay.send_to(&packet[..len], client).await.expect("passed back");
    }
}
