//! The route feed: a snapshot, then every change in order; resumed where that is possible.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use preview_core::command::Authority;
use preview_core::wire::watch::{FEED_VERSION, FeedLine};

use crate::house::{House, PATIENCE, id, listen, request};

const ADMIN: Authority = Authority::Admin;

#[tokio::test]
async fn an_edge_gets_keys_a_snapshot_and_then_every_change() {
    let house = House::open("").await;
    let (_listener, port) = listen();
    let view = house.attach(request(port)).await;
    let mut feed = house.daemon().routes_since(None);
    assert_eq!(next(&mut feed).await, FeedLine::Hello { version: FEED_VERSION, node: "box".into() });
    let FeedLine::Keys { keys } = next(&mut feed).await else { panic!("no keys") };
    assert_eq!(keys.len(), 1);
    let FeedLine::Snapshot { revision, count: 1 } = next(&mut feed).await else { panic!("no snapshot") };
    let FeedLine::Put { route, .. } = next(&mut feed).await else { panic!("no route") };
    assert_eq!((route.id, route.port, route.epoch), (view.id.clone(), port, 0));
    assert_eq!(next(&mut feed).await, FeedLine::SnapshotEnd { revision });

    house.daemon().revoke(&ADMIN, id(&view)).await.expect("revoked");
    let FeedLine::Put { revision: revoked, route } = next(&mut feed).await else { panic!("no change") };
    assert_eq!((revoked, route.epoch), (revision + 1, 1));
    house.daemon().detach(&ADMIN, id(&view)).await.expect("taken down");
    let gone = FeedLine::Remove { revision: revoked + 1, id: view.id };
    assert_eq!(next(&mut feed).await, gone);

    let mut resumed = house.daemon().routes_since(Some(revoked));
    next(&mut resumed).await;
    next(&mut resumed).await;
    assert_eq!(next(&mut resumed).await, gone);
    house.close().await;
}

#[tokio::test]
async fn after_a_restart_keys_are_the_same_and_an_edge_that_knows_all_gets_no_snapshot() {
    let mut house = House::open("").await;
    let (_listener, port) = listen();
    let view = house.attach(request(port)).await;
    let (keys, revision) = head(&house).await;
    house.reopen().await;
    let (again, same) = head(&house).await;
    assert_eq!((again, same), (keys, revision));
    let mut resumed = house.daemon().routes_since(Some(revision));
    next(&mut resumed).await;
    next(&mut resumed).await;
    house.daemon().rotate(&ADMIN, id(&view)).await.expect("rotated");
    assert!(matches!(next(&mut resumed).await, FeedLine::Put { .. }));
    // What came before the restart is not remembered: an edge that missed some of it begins anew.
    let mut behind = house.daemon().routes_since(Some(revision - 1));
    next(&mut behind).await;
    next(&mut behind).await;
    assert!(matches!(next(&mut behind).await, FeedLine::Snapshot { .. }));
    house.close().await;
}

/// The keys and the revision of a fresh snapshot.
async fn head(house: &House) -> (FeedLine, u64) {
    let mut feed = house.daemon().routes_since(None);
    next(&mut feed).await;
    let keys = next(&mut feed).await;
    let FeedLine::Snapshot { revision, .. } = next(&mut feed).await else { panic!("no snapshot") };
    (keys, revision)
}

async fn next(feed: &mut BoxStream<'static, FeedLine>) -> FeedLine {
    tokio::time::timeout(PATIENCE, feed.next()).await.expect("a line").expect("the daemon runs")
}
