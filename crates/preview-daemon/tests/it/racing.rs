//! Attach, detach and session end at the same time: whoever wins, the history is one that could have been.

use futures_util::future::join_all;
use preview_core::command::Authority;
use preview_core::id::Name;
use preview_core::wire::events::EventWord;
use preview_daemon::daemon::{EventFilter, ListFilter};

use crate::house::{House, listen, request, session};
use crate::telling::next;

const ADMIN: Authority = Authority::Admin;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attaches_detaches_and_session_ends_of_one_name_leave_a_history_with_one_winner_each() {
    const ROUNDS: usize = 60;
    let house = House::open("public_url_template: \"http://{id}.localhost:8080\"").await;
    let (_listener, port) = listen();
    let mut events = house.daemon().events_since(&ADMIN, EventFilter::default(), None).expect("told");
    let calls = (0..ROUNDS).map(|round| {
        let daemon = house.daemon().clone();
        tokio::spawn(async move {
            match round % 4 {
                0 | 1 => {
                    daemon.attach(&ADMIN, request(port)).await.expect("admitted");
                }
                2 => {
                    let name = Name::new("default").expect("valid");
                    daemon.detach_named(&ADMIN, session("s"), name).await.expect("never fails");
                }
                _ => {
                    daemon.end_session(&ADMIN, session("s")).await.expect("never fails");
                }
            }
        })
    });
    for call in join_all(calls).await {
        call.expect("no panic");
    }
    house.attach(request(port)).await;

    let (mut living, mut ended) = (None, Vec::new());
    let mut attached = 0;
    while attached < ROUNDS / 2 + 1 {
        let told = next(&mut events).await;
        let id = told.subject.expect("about an attachment").id;
        match told.what {
            EventWord::Attached { replaced, .. } => {
                assert_eq!(living.is_some(), replaced);
                assert!(living.as_ref().is_none_or(|it| *it == id) && !ended.contains(&id));
                living = Some(id);
                attached += 1;
            }
            EventWord::Detached { .. } => {
                assert_eq!(living.take(), Some(id.clone()));
                ended.push(id);
            }
            other => panic!("{other:?}"),
        }
    }
    let all = house.daemon().list(&ADMIN, &ListFilter::default()).expect("listed").attachments;
    assert_eq!(all.iter().map(|it| it.id.clone()).collect::<Vec<_>>(), Vec::from_iter(living));
    house.close().await;
}
