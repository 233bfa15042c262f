//! Ends what nobody visits, and tells of what ends by itself.

use std::sync::Arc;
use std::time::Duration;

use preview_core::attachment::Attachment;
use preview_core::clock::{Tick, Wall};
use preview_core::event::Event;
use preview_core::idle::{IdlePolicy, Verdict};
use preview_core::registry::next_due;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::clock;
use crate::daemon::Daemon;
use crate::tasks::TaskExit;

/// How often old events are forgotten, grant keys renewed and the store copied.
const HOUSEKEEPING: Duration = Duration::from_mins(10);

/// How long events can be replayed (`docs/contract.md` §3).
const REPLAY: Duration = Duration::from_hours(24);

/// How old a visit may be before its edge reports it (`docs/contract.md` §3).
const REPORT_LAG: Duration = Duration::from_secs(5);

/// How often links for others are looked at: the wall clock, by which they end, may jump.
const LINKS: Duration = Duration::from_secs(1);

/// Reaps until the daemon stops.
pub(crate) async fn reap(daemon: Daemon) {
    loop {
        let (all, now) = (daemon.live().all(), clock::tick());
        daemon.activity().keep(|id| all.binary_search_by_key(&id, |it| it.id).is_ok());
        for it in &all {
            look(&daemon, it, now).await;
        }
        sleep(rest(&daemon, &all)).await;
    }
}

/// The moment up to which all visits are known: the reaper judges as of then, and is late by half of what it may be
/// at most.
pub(crate) fn known_until(policy: IdlePolicy, now: Tick) -> Tick {
    now.minus(REPORT_LAG.min(policy.slack() / 2))
}

async fn look(daemon: &Daemon, it: &Arc<Attachment>, now: Tick) {
    let (policy, traffic) = (daemon.config().idle, daemon.activity().of(it.id, now));
    match policy.judge(traffic, known_until(policy, now)) {
        Verdict::KeepUntil(_) => {}
        Verdict::Warn(due) => {
            if daemon.activity().warn_once(it.id) {
                daemon.tell(Event::Expiring(it.id, due.since(now))).await;
            }
        }
        Verdict::Reap => {
            // Ending a stubborn task takes seconds, which others must not be late for.
            let (daemon, id) = (daemon.clone(), it.id);
            daemon.clone().spawn(async move {
                if let Err(error) = daemon.reap(id).await {
                    tracing::warn!(%id, %error, "not reaped");
                }
            });
        }
    }
}

/// Until the next attachment falls due, in steps of a quarter of what the reaper may be late by: another may come,
/// and this does not count while the machine sleeps.
fn rest(daemon: &Daemon, all: &[Arc<Attachment>]) -> Duration {
    let (policy, now) = (daemon.config().idle, clock::tick());
    let (step, known) = (policy.slack() / 4, known_until(policy, now));
    let traffic = all.iter().map(|it| daemon.activity().of(it.id, now));
    let due = next_due(policy, traffic, known).map_or(step, |due| due.since(known));
    due.clamp(Duration::from_millis(10), step)
}

/// Withdraws links for others as they end, until the daemon stops. Within a second also where the clock was set.
pub(crate) async fn withdraw_ended(daemon: Daemon) {
    loop {
        let (all, now) = (daemon.live().all(), clock::wall());
        let mut rest = LINKS;
        for it in &all {
            for share in it.shares.as_slice() {
                if share.lives(now) {
                    rest = rest.min(share.expires.since(now));
                } else if let Err(error) = daemon.withdraw_ended(it.id, share.number).await {
                    tracing::warn!(id = %it.id, number = share.number, %error, "an ended link is not withdrawn");
                }
            }
        }
        sleep(rest.max(Duration::from_millis(10))).await;
    }
}

/// Tells of tasks that end by themselves, until the daemon stops.
pub(crate) async fn tell_exits(daemon: Daemon, mut exits: UnboundedReceiver<TaskExit>) {
    while let Some(TaskExit { task, last_lines }) = exits.recv().await {
        let (session, user, exit_code) = (task.session, task.user, task.exit_code);
        daemon.tell(Event::TaskExited { session, user, task: task.id, exit_code, last_lines }).await;
    }
}

/// Forgets old events, prunes the audit trail, renews grant keys and copies the store, until the daemon stops.
pub(crate) async fn keep_house(daemon: Daemon) {
    let mut ticks = interval(HOUSEKEEPING);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut copied = 0;
    loop {
        ticks.tick().await;
        if let Err(error) = daemon.store().forget_told(ago(REPLAY)).await {
            tracing::warn!(%error, "old events are kept");
        }
        if let Err(error) = daemon.store().prune_trail(ago(daemon.config().audit.keep_for)).await {
            tracing::warn!(%error, "the audit trail is not pruned");
        }
        if let Err(error) = daemon.keys().renew(daemon.store()).await {
            tracing::warn!(%error, "grant keys are not renewed");
        }
        let revision = daemon.live().revision();
        if revision != copied {
            match daemon.store().keep_copy().await {
                Ok(()) => copied = revision,
                Err(error) => tracing::warn!(%error, "the store is not copied"),
            }
        }
    }
}

/// The moment so long ago, by the calendar.
fn ago(back: Duration) -> Wall {
    let back = u64::try_from(back.as_millis()).unwrap_or(u64::MAX);
    Wall::from_millis(clock::wall().as_millis().saturating_sub(back))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use futures_util::StreamExt as _;
    use futures_util::stream::BoxStream;
    use preview_core::access::{Decision, GivenToken, Pass, Visit, VisitKind};
    use preview_core::audit::{self, Action};
    use preview_core::clock::Now;
    use preview_core::command::{Authority, Command};
    use preview_core::settings::{Settings, Sources};
    use preview_core::share::{Label, Wish};
    use preview_core::wire::api::AttachRequest;
    use preview_core::wire::events::EventWord;
    use preview_core::wire::watch::FeedLine;

    use super::*;
    use crate::audit::Note;
    use crate::config::Config;
    use crate::daemon::{EventFilter, VisitAnswer, VisitAsked};
    use crate::keys::KeyRecord;
    use crate::store::{Telling, TrailFilter, TrailPart};

    const DAY: Duration = Duration::from_hours(24);

    #[tokio::test]
    async fn a_link_that_has_ended_is_withdrawn_within_a_second_and_told() {
        let scratch = tempfile::tempdir().expect("a folder");
        let running = crate::start(config(scratch.path(), "")).await.expect("starts");
        let daemon = running.daemon();
        let (_server, port) = listen();
        let view = daemon.attach(&Authority::Admin, request(port)).await.expect("admitted").view;
        let id = view.id.parse().expect("an id");
        let mut told = daemon.events_since(&Authority::Admin, EventFilter::default(), None).expect("told");

        // Of a minute's life, all but a moment is over.
        let wish = Wish::new(Label::default(), false, Wish::LEAST).expect("in bounds");
        let mut context = daemon.context(&Authority::Admin, clock::entropy().expect("random"));
        let made = context.now.wall.as_millis() - 59_700;
        context.now = Now { wall: Wall::from_millis(made), ..context.now };
        let share = Command::Share(id, wish);
        daemon.store().transact(share, context, Telling::default()).await.expect("shared");
        assert_eq!(daemon.shares(&Authority::Admin, id).expect("listed").shares.len(), 1);

        let mut next = async || tokio::time::timeout(Duration::from_secs(5), told.next()).await;
        let shared = next().await.expect("in time").expect("told");
        assert!(matches!(shared.what, EventWord::Shared { number: 1, .. }), "{shared:?}");
        let ended = next().await.expect("in time").expect("told");
        assert_eq!(ended.what, EventWord::Unshared { number: 1 });
        let late = clock::wall().as_millis() - (made + 60_000);
        assert!(late < 1_500, "{late} ms late");
        assert_eq!(daemon.live().get(id).expect("live").shares.as_slice(), []);
        running.stop().await;
    }

    #[tokio::test]
    async fn a_running_daemon_makes_a_new_grant_key_and_withdraws_the_old_once_no_browser_holds_its_grants() {
        let scratch = tempfile::tempdir().expect("a folder");
        let running = crate::start(config(scratch.path(), "")).await.expect("starts");
        let daemon = running.daemon();
        let (_server, port) = listen();
        let view = daemon.attach(&Authority::Admin, request(port)).await.expect("admitted").view;
        let host = view.url.parse::<http::Uri>().expect("a URL").host().expect("a host").to_owned();
        let token = view.token.expect("a token");
        let token = Visit { token: Some(GivenToken::Query { session: "s", token: &token }), ..page() };
        let mut feed = daemon.routes_since(None);
        assert_eq!(keys(&mut feed).await, [1]);
        let first = visit(daemon, &host, token, &[]).grant.expect("handed out");
        assert_eq!(signed_by(&first), "1");

        // What is in force is as old as after a month.
        make_older(daemon, DAY * 30).await;
        housekeeping_falls_due().await;
        assert_eq!(keys(&mut feed).await, [2, 1]);
        let held = visit(daemon, &host, page(), &[(&first, false)]);
        assert!(matches!(held.decision, Decision::Allow(Pass::Granted(_))), "{held:?}");
        let second = visit(daemon, &host, token, &[]).grant.expect("handed out");
        assert_eq!(signed_by(&second), "2");

        // So is the new one after the eight hours of a grant and the week that a browser keeps it beyond them.
        make_older(daemon, DAY * 7 + Duration::from_hours(8)).await;
        housekeeping_falls_due().await;
        assert_eq!(keys(&mut feed).await, [2]);
        let lost = visit(daemon, &host, page(), &[(&first, false)]);
        assert!(!matches!(lost.decision, Decision::Allow(_)), "{lost:?}");
        let held = visit(daemon, &host, page(), &[(&second, false)]);
        assert!(matches!(held.decision, Decision::Allow(Pass::Granted(_))), "{held:?}");
        running.stop().await;
    }

    #[tokio::test]
    async fn a_running_daemon_prunes_the_audit_trail_of_what_is_too_old_and_what_is_left_is_whole() {
        let scratch = tempfile::tempdir().expect("a folder");
        let running =
            crate::start(config(scratch.path(), "  audit: { keep_for: 24h }\n")).await.expect("starts");
        let daemon = running.daemon();
        let old = Note::new("somebody", Action::Attached);
        for age in [DAY * 31, DAY + Duration::from_mins(1)] {
            daemon.store().note(old.clone(), ago(age)).await.expect("noted");
        }
        daemon.store().note(old, ago(Duration::from_hours(23))).await.expect("noted");
        let (_server, port) = listen();
        daemon.attach(&Authority::Admin, request(port)).await.expect("admitted");

        housekeeping_falls_due().await;
        let trail = pruned_through(daemon, 2).await;
        let left: Vec<_> = trail.entries.iter().map(|it| it.entry.number).collect();
        assert_eq!(left, [3, 4]);
        assert_eq!(audit::verify(trail.anchor, &trail.entries), Ok(trail.head));
        running.stop().await;
    }

    /// Lets the daemon's timers believe that so much time has passed: none but the timers go by it.
    async fn housekeeping_falls_due() {
        tokio::time::pause();
        tokio::time::advance(HOUSEKEEPING).await;
        tokio::time::resume();
    }

    /// Keeps all keys as if they had been made so much earlier.
    async fn make_older(daemon: &Daemon, by: Duration) {
        let kept = daemon.store().keys().await.expect("read");
        let by = u64::try_from(by.as_millis()).expect("few");
        let earlier = |it: KeyRecord| KeyRecord { made: Wall::from_millis(it.made.as_millis() - by), ..it };
        daemon.store().put_keys(kept.into_iter().map(earlier).collect()).await.expect("kept");
    }

    /// The numbers of the keys that the feed tells next.
    async fn keys(feed: &mut BoxStream<'static, FeedLine>) -> Vec<u32> {
        let told = async {
            loop {
                if let FeedLine::Keys { keys } = feed.next().await.expect("the daemon runs") {
                    return keys.iter().map(|it| it.number).collect();
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), told).await.expect("no keys are told")
    }

    /// The trail, once it has been pruned as far as this entry.
    async fn pruned_through(daemon: &Daemon, last: u64) -> TrailPart {
        let all = TrailFilter { since: Some(0), most: 100, ..TrailFilter::default() };
        let pruned = async {
            loop {
                let part = daemon.store().trail(all.clone()).await.expect("read");
                if part.anchor.number >= last {
                    return part;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), pruned).await.expect("it is not pruned")
    }

    fn visit(daemon: &Daemon, host: &str, visit: Visit<'_>, cookies: &[(&str, bool)]) -> VisitAnswer {
        daemon.verify_visit(&VisitAsked { host, visit, cookies })
    }

    fn page() -> Visit<'static> {
        Visit { kind: VisitKind::Navigation, target: "/", reads_only: true, ..Visit::default() }
    }

    /// The number of a sealed grant's key.
    fn signed_by(grant: &str) -> &str {
        grant.split('.').nth(1).expect("a number")
    }

    fn listen() -> (std::net::TcpListener, u16) {
        let port = xtask::real::free_port().expect("a port");
        (std::net::TcpListener::bind(("127.0.0.1", port)).expect("free"), port)
    }

    fn config(scratch: &Path, keys: &str) -> Config {
        let text = format!("web_preview:\n  state_dir: {}\n{keys}", scratch.join("state").display());
        let settings = Settings::load(Sources { file: Some(("test", &text)), ..Sources::default() });
        Config::from_settings(&settings.expect("valid"), scratch, "box").expect("valid")
    }

    fn request(port: u16) -> AttachRequest {
        serde_json::from_value(serde_json::json!({
            "session_id": "s", "user_id": "u", "port": port, "health_check": false,
        }))
        .expect("a request")
    }
}
