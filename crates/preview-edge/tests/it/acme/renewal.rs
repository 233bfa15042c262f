//! A certificate is followed by the next, and nobody notices.

use std::collections::{HashMap, HashSet};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use preview_core::clock::Wall;
use preview_core::route::Route;
use preview_core::wire::Timestamp;
use serde_json::{Value, json};
use xtask::real::front::{Answer, Request, Resource};
use xtask::real::{pebble, poll_for};

use super::edges::{Doors, Scaled};
use super::world::{HOST, PATIENCE, Special, World};
use crate::certificates::Load;
use crate::daemon::{FakeDaemon, route};
use crate::recorder::Recorder;

/// Renewals after the first certificate.
const RENEWALS: usize = 5;
/// How many of a hundred nonces Pebble refuses meanwhile, as it does by itself.
pub(super) const REFUSED_NONCES: u8 = 5;

#[test]
fn five_renewals_under_load_of_certificates_that_live_two_minutes_lose_no_handshake_and_no_request() {
    let world = living(Duration::from_mins(2), REFUSED_NONCES);
    let _edge = five_under_load(&world, &world.config(), Duration::from_secs(8));
    assert_eq!(world.left(), [""; 0]);
}

/// Renewal information wants each certificate renewed so long after it was first asked for. The edge goes on.
pub(super) fn five_under_load(world: &World, config: &Value, each_after: Duration) -> Scaled {
    let server = Recorder::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let _daemon = FakeDaemon::with_routes(&world.scratch, vec![secure(route("app", server.port))]);
    world.front.offer_renewal_info(after(each_after));
    let edge = Scaled::start(config);
    let roots = world.issuing_root();
    edge.doors.certificate(&roots);

    let runtime = runtime();
    let load = runtime.block_on(async { Load::start(edge.doors.https, HOST, roots, 200) });
    let heavy = Heavy::start(edge.doors);
    wait_for(&load, RENEWALS + 1, &edge);
    assert!(heavy.end() > 0);
    assert!(runtime.block_on(load.end()) > 0);

    // Each certificate was asked for once, and each but the first replaces its predecessor.
    let is_placed = |answer: &Answer| answer.status == 201;
    let asked = world.front.log().into_iter().filter(|it| it.request.resource == Resource::NewOrder);
    let orders = asked.filter(|it| it.answer.as_ref().is_some_and(is_placed));
    let replaced: Vec<_> = orders.map(|it| it.request.payload()["replaces"].clone()).collect();
    assert_eq!(replaced.len(), world.pebble.issued(), "{replaced:?}");
    let told: HashSet<_> = replaced.iter().skip(1).map(ToString::to_string).collect();
    assert!(told.len() == replaced.len() - 1 && !told.contains("null"), "{replaced:?}");
    edge
}

#[test]
fn renewals_by_lifetime_leave_no_gap_and_each_is_ordered_once() {
    // Half of their life, less up to a twentieth: a renewal every thirteen to fifteen seconds.
    let world = living(Duration::from_secs(30), 0);
    let edge = Scaled::start(&world.config());
    let roots = world.issuing_root();
    let first = edge.doors.certificate(&roots);
    let runtime = runtime();
    let load = runtime.block_on(async { Load::start(edge.doors.https, HOST, roots.clone(), 502) });
    wait_for(&load, 3, &edge);
    assert!(runtime.block_on(load.end()) > 0);
    let third = edge.doors.certificate(&roots);
    let between = begin(&third) - begin(&first);
    assert!((26..=40).contains(&between), "two renewals in {between} s");
    assert_eq!((world.pebble.orders(), world.pebble.issued()), (3, 3));
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime")
}

/// Waits until so many certificates were shown to a load.
fn wait_for(load: &Load, certificates: usize, edge: &Scaled) {
    let enough = || (load.shown() >= certificates).then_some(());
    poll_for("renewals", 2 * PATIENCE, enough)
        .unwrap_or_else(|error| panic!("{error}, seen {}: {:#}", load.shown(), edge.doors.report()));
}

/// Renewal information that has each certificate renewed at once.
pub(super) fn at_once() -> impl FnMut(&Request) -> Answer + Send + 'static {
    after(Duration::ZERO)
}

/// Renewal information whose window begins so long after a certificate is asked about first, and lasts a second.
fn after(wait: Duration) -> impl FnMut(&Request) -> Answer + Send + 'static {
    let mut windows = HashMap::new();
    move |request| {
        let begin = *windows.entry(request.path.clone()).or_insert_with(|| {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
            Wall::from_secs((since + wait).as_secs())
        });
        let window = json!({ "start": Timestamp(begin), "end": Timestamp(begin + Duration::from_secs(1)) });
        Answer::json(&json!({ "suggestedWindow": window })).with("Retry-After", 1)
    }
}

/// `h2load` again and again, of which no request may fail. It asks at a steady rate: what counts is that it never
/// stops, and the machine has other tests to run.
struct Heavy {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<usize>,
}

impl Heavy {
    fn start(doors: Doors) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut rounds = 0;
            while !stopping.load(Ordering::Relaxed) {
                let output = Command::new("h2load")
                    .args(["-n", "100", "-c", "5", "-m", "2", "--rps", "20"])
                    .args([&format!("--connect-to={}", doors.https), &format!("https://{HOST}/")])
                    .output()
                    .expect("h2load (Debian: nghttp2-client)");
                let text = String::from_utf8_lossy(&output.stdout);
                assert!(text.contains("100 succeeded, 0 failed, 0 errored, 0 timeout"), "{text}");
                rounds += 1;
            }
            rounds
        });
        Self { stop, thread }
    }

    /// How often it ran.
    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no request was lost")
    }
}

/// Where certificates live so long, and so many of a hundred nonces are refused.
fn living(validity: Duration, nonce_reject: u8) -> World {
    let special = Special::default();
    World::with(Special {
        pebble: pebble::Settings { validity: Some(validity), nonce_reject, ..special.pebble },
        ..special
    })
}

fn secure(mut route: Route) -> Route {
    route.url.origin = route.url.origin.replace("http://", "https://");
    route
}

/// When a certificate (DER) begins, seconds since 1970.
fn begin(certificate: &[u8]) -> i64 {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).expect("a certificate");
    parsed.validity().not_before.timestamp()
}
