//! What nobody visits ends, and says so before.

use preview_core::command::Authority;
use preview_core::refusal::Code;
use preview_core::wire::api::{AttachRequest, TaskRequest};
use preview_core::wire::events::EventWord;
use preview_core::wire::watch::{ActivityEntry, ActivityReport};
use preview_daemon::daemon::EventFilter;
use tokio::time::Instant;

use crate::house::{House, id, listen, request, until, with_tasks};
use crate::telling::next;

const ADMIN: Authority = Authority::Admin;

#[tokio::test]
async fn silence_is_warned_of_once_then_ends_the_attachment_and_its_task_in_time() {
    let house = House::open(&with_tasks("idle: { after: 5s, warn: 2s }")).await;
    let port = xtask::real::free_port().expect("a port");
    let words = xtask::real::http_server::command(house.scratch.path());
    let task = TaskRequest {
        session_id: "s".into(),
        user_id: "u".into(),
        command: words.iter().map(|word| word.replace("{port}", &port.to_string())).collect(),
        cwd: house.scratch.path().display().to_string(),
        env: [].into(),
        name: None,
    };
    let task = house.daemon().start_task(&ADMIN, task).await.expect("started");
    let tied = AttachRequest { bash_task_id: Some(task.id.clone()), wait_seconds: 15, ..request(port) };
    let (began, view) = (Instant::now(), house.attach(tied).await);
    let mut events = house.daemon().events_since(&ADMIN, EventFilter::default(), None).expect("told");
    let expiring = next(&mut events).await;
    assert!(matches!(expiring.what, EventWord::Expiring { in_seconds: 0..=2 }), "{expiring:?}");
    let detached = next(&mut events).await;
    let EventWord::Detached { reason, killed_task, .. } = detached.what else { panic!("{detached:?}") };
    assert_eq!((reason.as_str(), killed_task), ("reaped", Some(task.id)));
    assert!(began.elapsed().as_secs() >= 5);
    assert_eq!(house.daemon().show(&ADMIN, id(&view)).expect_err("gone").code(), Code::NotFound);
    let folder = format!("/proc/{}", task.pid);
    until("the task's end", || (!std::path::Path::new(&folder).exists()).then_some(())).await;
    house.close().await;
}

#[tokio::test]
async fn visits_and_keep_alive_let_silence_start_anew() {
    let house = House::open("idle: { after: 5s, warn: 0s }").await;
    let ((_one, first), (_two, second)) = (listen(), listen());
    let (_three, third) = listen();
    let silent = house.attach(request(first)).await;
    let visited = house.attach(AttachRequest { name: "visited".into(), ..request(second) }).await;
    let kept = house.attach(AttachRequest { name: "kept".into(), ..request(third) }).await;
    let visit = ActivityReport {
        node: "box".into(),
        entries: vec![ActivityEntry {
            id: visited.id.clone(),
            visit_ago_ms: Some(0),
            ..ActivityEntry::default()
        }],
    };
    until("the silent one's end", || {
        house.daemon().record_activity(&visit);
        house.daemon().keep_alive(&ADMIN, id(&kept)).expect("there");
        house.daemon().show(&ADMIN, id(&silent)).is_err().then_some(())
    })
    .await;
    assert!(house.daemon().show(&ADMIN, id(&visited)).expect("kept").last_hit_at.is_some());
    assert_eq!(house.daemon().show(&ADMIN, id(&kept)).expect("kept").last_hit_at, None);
    house.close().await;
}
