//! Events: replayed, then told as they happen, each once, to those whom they concern.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use preview_core::command::Authority;
use preview_core::wire::api::AttachRequest;
use preview_core::wire::events::{EventView, EventWord};
use preview_daemon::daemon::EventFilter;

use crate::house::{House, PATIENCE, id, listen, request, session, user};

const ADMIN: Authority = Authority::Admin;

#[tokio::test]
async fn a_follower_gets_what_he_missed_and_then_what_happens() {
    let mut house = House::open("").await;
    let (_listener, port) = listen();
    let mut live = house.daemon().events_since(&ADMIN, EventFilter::default(), None).expect("told");
    let view = house.attach(request(port)).await;
    let attached = next(&mut live).await;
    assert!(matches!(attached.what, EventWord::Attached { replaced: false, .. }));
    assert_eq!(attached.subject.as_ref().map(|it| &it.id), Some(&view.id));
    drop(live);

    house.daemon().rotate(&ADMIN, id(&view)).await.expect("rotated");
    house.reopen().await;
    let since = Some(attached.revision);
    let mut live = house.daemon().events_since(&ADMIN, EventFilter::default(), since).expect("told");
    assert_eq!(next(&mut live).await.what, EventWord::Rotated);
    house.daemon().detach(&ADMIN, id(&view)).await.expect("taken down");
    let detached = next(&mut live).await;
    let EventWord::Detached { reason, killed_task, .. } = detached.what else { panic!("{detached:?}") };
    assert_eq!((reason.as_str(), killed_task), ("agent_request", None));
    house.close().await;
}

#[tokio::test]
async fn nobody_is_told_of_others() {
    let house = House::open("").await;
    let by = Authority::User(user("v"));
    let mut theirs = house.daemon().events_since(&by, EventFilter::default(), Some(0)).expect("told");
    let filter = EventFilter { session: Some(session("t")), user: None };
    let mut of_t = house.daemon().events_since(&ADMIN, filter, Some(0)).expect("told");
    let ((_one, first), (_two, second)) = (listen(), listen());
    house.attach(request(first)).await;
    let other = AttachRequest { session_id: "t".into(), user_id: "v".into(), ..request(second) };
    house.attach(other).await;
    assert_eq!(next(&mut theirs).await.session_id, "t");
    assert_eq!(next(&mut of_t).await.user_id, "v");
    let foreign = EventFilter { session: Some(session("s")), user: None };
    assert!(house.daemon().events_since(&by, foreign, None).is_err());
    house.close().await;
}

#[tokio::test]
async fn a_limit_that_was_reached_is_told_with_its_count() {
    let house = House::open("limits: { per_session: 1 }").await;
    let ((_one, first), (_two, second)) = (listen(), listen());
    house.attach(request(first)).await;
    let mut live = house.daemon().events_since(&ADMIN, EventFilter::default(), None).expect("told");
    let sixth = AttachRequest { name: "more".into(), ..request(second) };
    house.daemon().attach(&ADMIN, sixth).await.expect_err("one is the limit");
    let told = next(&mut live).await;
    assert_eq!(told.what, EventWord::Limit { scope: "session".into(), count: 1, limit: 1 });
    assert_eq!((told.session_id.as_str(), told.subject), ("s", None));
    house.close().await;
}

#[tokio::test]
async fn a_follower_who_is_slow_misses_nothing() {
    const ROTATIONS: usize = 1_500;
    let house = House::open("").await;
    let (_listener, port) = listen();
    let view = house.attach(request(port)).await;
    let mut slow = house.daemon().events_since(&ADMIN, EventFilter::default(), None).expect("told");
    let rotations = (0..ROTATIONS).map(|_| house.daemon().rotate(&ADMIN, id(&view)));
    futures_util::future::join_all(rotations).await;
    let mut last = 0;
    for _ in 0..ROTATIONS {
        let told = next(&mut slow).await;
        assert!(last == 0 || told.revision == last + 1, "{last} then {}", told.revision);
        last = told.revision;
    }
    house.close().await;
}

pub(crate) async fn next(events: &mut BoxStream<'static, EventView>) -> EventView {
    tokio::time::timeout(PATIENCE, events.next()).await.expect("an event").expect("the daemon runs")
}
