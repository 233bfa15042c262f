//! What can happen at the authority, or between it and us.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use xtask::real::Authority;
use xtask::real::front::{Act, Answer, Request, Resource, When};

use super::super::edges::{Scaled, acme, cause, read};
use super::super::world::World;
use super::{failing, fails, fails_until_mended};

#[test]
fn an_authority_that_is_down_is_told_by_its_address() {
    let mut world = World::new();
    let roots = world.issuing_root();
    world.pebble.stop();
    let edge = Scaled::start(&world.config_with(json!({ "directory": world.pebble.directory() })));
    let cause = cause(&edge.doors, "cert_ca_timeout");
    assert!(cause.message.contains(&world.pebble.address().to_string()), "{cause:?}");
    assert!(cause.hint.contains("443"), "{cause:?}");
    assert!(edge.doors.shown(&roots).is_none());
}

#[test]
fn an_authority_that_hangs_is_waited_for_no_longer_than_the_time_for_one_exchange() {
    let world = World::new();
    world.front.on(Resource::NewOrder, When::Always, Act::Hang);
    let mut config = read(&world.config());
    acme(&mut config).timers.http = Duration::from_millis(500);
    let edge = Scaled::run(config);
    cause(&edge.doors, "cert_ca_timeout");
    world.front.clear();
    edge.doors.certificate(&world.issuing_root());
}

#[test]
fn html_of_a_proxy_is_told_by_its_status() {
    let world = World::new();
    let page = Answer::new(502, "text/html", "<html><h1>Bad Gateway</h1></html>");
    world.front.on(Resource::Directory, When::Always, Act::Answer(page));
    let cause = fails_until_mended(&world, &world.config(), "cert_ca_unavailable");
    assert!(cause.message.contains("502"), "{cause:?}");
    let world = World::new();
    let busy = Answer::problem(503, "serverInternal", "busy").with("Retry-After", 1);
    world.front.on(Resource::NewOrder, When::Always, Act::Answer(busy));
    let cause = fails_until_mended(&world, &world.config(), "cert_ca_unavailable");
    assert!(cause.message.contains("503"), "{cause:?}");
}

#[test]
fn a_rate_limit_is_waited_for_as_long_as_the_authority_asks() {
    let world = World::new();
    let limit =
        Answer::problem(429, "rateLimited", "too many certificates already issued for this exact set");
    world.front.on(Resource::NewOrder, When::Always, Act::Answer(limit.with("Retry-After", 3_600)));
    let (edge, cause) = failing(&world, &world.config(), "cert_rate_limited");
    assert!(cause.message.contains("exact set"), "{cause:?}");
    assert!(cause.hint.contains("Wait"), "{cause:?}");
    let next = number(&edge.doors.report(), "next_attempt").expect("it is told");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    assert!((now + 3_500..now + 3_700).contains(&next), "{next} at {now}");
    assert_eq!(world.front.count(Resource::NewOrder), 1);
}

#[test]
fn a_paused_name_is_told_with_the_link_that_lifts_the_pause() {
    let world = World::new();
    let link = "https://portal.example/sfe/v1/unpause?jwt=abc";
    let detail = format!(
        "Your account is temporarily prevented from requesting certificates for preview.test and possibly others. \
         Please visit: {link}"
    );
    world.front.on(
        Resource::NewOrder,
        When::Always,
        Act::Answer(Answer::problem(429, "rateLimited", &detail)),
    );
    let cause = fails(&world, &world.config(), "cert_paused");
    assert!(cause.hint.contains(link), "{cause:?}");
    assert_eq!(world.front.count(Resource::NewOrder), 1);
}

#[test]
fn nonces_that_are_refused_again_and_again_are_told_and_tried_again() {
    let world = World::new();
    let refusal = Answer::problem(400, "badNonce", "JWS has an invalid anti-replay nonce");
    world.front.on(Resource::NewOrder, When::Always, Act::Answer(refusal));
    let cause = fails_until_mended(&world, &world.config(), "cert_bad_nonce");
    assert!(cause.hint.contains("tried again"), "{cause:?}");
}

#[test]
fn with_sixty_of_a_hundred_nonces_refused_there_is_a_certificate_in_the_end() {
    let world = World::refusing_nonces(60);
    let edge = Scaled::start(&world.config());
    edge.doors.certificate(&world.issuing_root());
    assert_eq!((world.pebble.issued(), world.left()), (1, vec![]));
}

#[test]
fn an_order_that_turned_invalid_is_ordered_anew() {
    let world = World::new();
    let invalid =
        |_: &Request, answer: &mut Answer| answer.change(|order| order["status"] = json!("invalid"));
    world.front.on(Resource::Order, When::Always, Act::Rewrite(Box::new(invalid)));
    let cause = fails_until_mended(&world, &world.config(), "cert_order_expired");
    assert!(cause.hint.contains("anew"), "{cause:?}");
    assert!(world.pebble.orders() >= 2);
}

#[test]
fn a_caa_record_that_the_authority_finds_is_told_with_the_one_to_publish() {
    let world = World::new();
    let refused = |status: &'static str| {
        move |_: &Request, answer: &mut Answer| {
            answer.change(|it| {
                if it["status"] != "pending" {
                    it["status"] = json!(status);
                    let problem = json!({
                        "type": "urn:ietf:params:acme:error:caa",
                        "detail": "CAA record for preview.test prevents issuance",
                        "status": 403,
                    });
                    for challenge in it["challenges"].as_array_mut().into_iter().flatten() {
                        challenge["status"] = json!("invalid");
                        challenge["error"] = problem.clone();
                    }
                }
            });
        }
    };
    world.front.on(Resource::Authorization, When::Always, Act::Rewrite(Box::new(refused("invalid"))));
    world.front.on(Resource::Order, When::Always, Act::Rewrite(Box::new(refused("invalid"))));
    let cause = fails(&world, &world.config(), "cert_caa_forbids");
    assert!(cause.hint.contains("CAA"), "{cause:?}");
}

#[test]
fn a_chain_for_another_key_is_not_shown() {
    let world = World::new();
    let folder = world.scratch.join("other");
    std::fs::create_dir(&folder).expect("a folder");
    let other = Authority::new(&folder).and_then(|it| it.issue(&["*.preview.test"])).expect("openssl");
    let chain = std::fs::read(other.chain).expect("a chain");
    let exchange = move |_: &Request, answer: &mut Answer| answer.body.clone_from(&chain);
    world.front.on(Resource::Certificate, When::Always, Act::Rewrite(Box::new(exchange)));
    let cause = fails_until_mended(&world, &world.config(), "cert_bad_certificate");
    assert!(cause.hint.contains("ordered anew"), "{cause:?}");
}

/// The number of this name, wherever in the report it stands.
fn number(report: &Value, name: &str) -> Option<u64> {
    match report {
        Value::Object(fields) => fields
            .get(name)
            .and_then(Value::as_u64)
            .or_else(|| fields.values().find_map(|it| number(it, name))),
        Value::Array(items) => items.iter().find_map(|it| number(it, name)),
        _ => None,
    }
}
