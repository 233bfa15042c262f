//! Servers that end, come back, or make way for somebody else's.

use preview_core::command::Authority;
use preview_core::refusal::Code;
use preview_core::wire::StateWord;
use preview_core::wire::api::AttachRequest;
use preview_core::wire::events::EventWord;
use preview_core::wire::watch::ListenerSeen;
use preview_daemon::daemon::EventFilter;

use crate::house::{House, id, request, until};
use crate::telling::next;

const ADMIN: Authority = Authority::Admin;
const SEEN: ListenerSeen = ListenerSeen { uid: 0, inode: 1, cgroup: None };

#[tokio::test]
async fn a_server_that_ends_is_told_down_and_ready_when_it_is_back() {
    let house = House::open("").await;
    let (mut server, port) = house.server();
    let view = house.attach(AttachRequest { health_check: true, ..request(port) }).await;
    let mut events = house.daemon().events_since(&ADMIN, EventFilter::default(), None).expect("told");
    server.kill();
    assert_eq!(next(&mut events).await.what, EventWord::Down);
    assert_eq!(house.daemon().show(&ADMIN, id(&view)).expect("kept").verdict.state, StateWord::Down);
    let _again = house.server_on(port);
    let ready = next(&mut events).await;
    assert!(matches!(&ready.what, EventWord::Ready { verdict } if verdict.status == Some(200)), "{ready:?}");
    assert_eq!(house.daemon().show(&ADMIN, id(&view)).expect("kept").verdict.state, StateWord::Live);
    house.close().await;
}

#[tokio::test]
async fn an_edge_that_finds_the_server_started_anew_is_answered_at_once() {
    let house = House::open("").await;
    let (mut server, port) = house.server();
    let view = house.attach(request(port)).await;
    let before = house.daemon().check_listener(id(&view), SEEN).await.expect("the same");
    server.kill();
    let _again = house.server_on(port);
    let after = house.daemon().check_listener(id(&view), SEEN).await.expect("the same program");
    assert!(after.revision > before.revision);
    house.close().await;
}

#[tokio::test]
async fn another_program_on_the_port_is_refused_and_not_served() {
    let house = House::open("").await;
    let (mut server, port) = house.server();
    let view = house.attach(request(port)).await;
    server.kill();
    let squatter = until("the port", || std::net::TcpListener::bind(("127.0.0.1", port)).ok()).await;
    let refused = house.daemon().check_listener(id(&view), SEEN).await.expect_err("another program");
    assert_eq!(refused.code(), Code::PortOwnerChanged);
    assert_eq!(house.daemon().show(&ADMIN, id(&view)).expect("kept").verdict.state, StateWord::Down);
    drop(squatter);
    let refused = house.daemon().check_listener(id(&view), SEEN).await.expect_err("nobody");
    assert_eq!(refused.code(), Code::PortNotListening);
    house.close().await;
}
