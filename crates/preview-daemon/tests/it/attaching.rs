//! Attach, look, detach: what a platform does.

use std::time::Instant;

use preview_core::command::Authority;
use preview_core::id::{Name, TaskId};
use preview_core::refusal::Code;
use preview_core::wire::StateWord;
use preview_core::wire::api::{AttachRequest, TaskRequest, TokenCheck};
use preview_daemon::daemon::ListFilter;

use crate::house::{House, PATIENCE, id, listen, request, session, until, user, with_tasks};

const ADMIN: Authority = Authority::Admin;

#[tokio::test]
async fn an_attachment_is_made_shown_listed_and_taken_down() {
    let house = House::open("").await;
    let (_server, port) = house.server();
    let asked = AttachRequest { path: "/docs".into(), health_check: true, wait_seconds: 0, ..request(port) };
    let made = house.daemon().attach(&ADMIN, asked).await.expect("admitted");
    assert!(!made.replaced);
    let view = made.view;
    assert_eq!(view.url, format!("http://preview-{port}.localhost:8080/docs"));
    let token = view.token.as_deref().expect("handed out");
    assert_eq!(view.iframe_url, Some(format!("{}?session_id=s&token={token}", view.url)));
    assert_eq!((view.kind.as_str(), view.host.as_str(), view.port), ("devserver", "127.0.0.1", port));
    assert_eq!((view.verdict.state, view.verdict.status), (StateWord::Live, Some(404)));

    let shown = house.daemon().show(&ADMIN, id(&view)).expect("there");
    assert_eq!((shown.token, shown.iframe_url), (None, None));
    let listed = house.daemon().list(&Authority::User(user("u")), &ListFilter::default()).expect("listed");
    assert_eq!(listed.attachments.len(), 1);
    let foreign = house.daemon().show(&Authority::User(user("v")), id(&view)).expect_err("not theirs");
    assert_eq!(foreign.code(), Code::NotFound);

    let name = Name::new("default").expect("valid");
    let ended = house.daemon().detach_named(&ADMIN, session("s"), name.clone()).await.expect("taken down");
    assert!(ended.removed && ended.previous.is_some_and(|it| it.id == view.id));
    let again = house.daemon().detach_named(&ADMIN, session("s"), name).await.expect("no error");
    assert!(!again.removed && again.previous.is_none());
    house.close().await;
}

#[tokio::test]
async fn the_same_name_moves_to_another_port_and_uses_no_quota() {
    let house = House::open("limits: { per_session: 1 }").await;
    let ((_one, first), (_two, second)) = (listen(), listen());
    let before = house.attach(request(first)).await;
    let after = house.daemon().attach(&ADMIN, request(second)).await.expect("moves");
    assert!(after.replaced);
    assert_eq!((after.view.id, after.view.port), (before.id, second));
    assert_ne!(after.view.token, before.token);
    house.close().await;
}

#[tokio::test]
async fn what_would_be_refused_anyway_is_refused_before_waiting_for_a_listener() {
    let house = House::open("limits: { per_session: 1 }\nports: { deny: [4999] }").await;
    let (_listener, port) = listen();
    house.attach(request(port)).await;
    let silent = xtask::real::free_port().expect("a port");
    let patient = AttachRequest { wait_seconds: 120, name: "other".into(), ..request(silent) };
    for (asked, code) in [
        (patient.clone(), Code::LimitSession),
        (AttachRequest { session_id: "t".into(), port: 4999, ..patient.clone() }, Code::PortRefused),
        (AttachRequest { session_id: "t".into(), port: 8080, ..patient.clone() }, Code::PortRefused),
        (AttachRequest { user_id: "v".into(), ..patient.clone() }, Code::Forbidden),
        (AttachRequest { bash_task_id: Some("none".into()), ..patient.clone() }, Code::NotFound),
        (AttachRequest { port: 0, ..patient.clone() }, Code::RequestInvalid),
        (AttachRequest { wait_seconds: 121, ..patient.clone() }, Code::RequestInvalid),
        (AttachRequest { host: "example.com".into(), ..patient.clone() }, Code::RequestInvalid),
        (AttachRequest { path: "docs".into(), ..patient.clone() }, Code::RequestInvalid),
        (AttachRequest { name: "a/b".into(), ..patient.clone() }, Code::NameInvalid),
        (AttachRequest { session_id: "a b".into(), ..patient.clone() }, Code::SessionInvalid),
    ] {
        let began = Instant::now();
        let refused = house.daemon().attach(&ADMIN, asked.clone()).await.expect_err("refused");
        assert_eq!(refused.code(), code, "{asked:?}: {refused}");
        assert!(began.elapsed() < PATIENCE, "{asked:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_port_that_nobody_binds_is_refused_with_the_time_waited() {
    let house = House::open("").await;
    let silent = xtask::real::free_port().expect("a port");
    let refused = house.daemon().attach(&ADMIN, request(silent)).await.expect_err("nothing there");
    assert_eq!(refused.code(), Code::PortNotListening);
    assert_eq!(refused.to_string(), format!("nothing is listening on port {silent} after 1s"));
    house.close().await;
}

#[tokio::test]
async fn a_rotated_token_is_good_for_a_minute_and_a_revoked_one_for_nothing() {
    let house = House::open("").await;
    let (_listener, port) = listen();
    let view = house.attach(request(port)).await;
    let verify = |token: Option<String>| {
        let check = TokenCheck { session_id: "s".into(), token: token.expect("handed out") };
        house.daemon().verify_token(&check)
    };
    assert_eq!(verify(view.token.clone()).expect("good").valid_until, None);
    let rotated = house.daemon().rotate(&ADMIN, id(&view)).await.expect("rotated");
    assert!(verify(view.token.clone()).expect("in its grace").valid_until.is_some());
    let revoked = house.daemon().revoke(&ADMIN, id(&view)).await.expect("revoked");
    for old in [view.token, rotated.token] {
        assert_eq!(verify(old).expect_err("out").code(), Code::Unauthorized);
    }
    assert!(verify(revoked.token).is_ok());
    let check = TokenCheck { session_id: "t".into(), token: "x".into() };
    assert_eq!(house.daemon().verify_token(&check).expect_err("wrong").code(), Code::Unauthorized);
    house.close().await;
}

#[tokio::test]
async fn attachments_and_their_task_survive_a_restart_and_end_with_their_session() {
    let mut house = House::open(&with_tasks("")).await;
    let port = xtask::real::free_port().expect("a port");
    let words = xtask::real::http_server::command(house.scratch.path());
    let started = house.daemon().start_task(&ADMIN, task(&house, &words, port)).await.expect("started");
    let tied = AttachRequest { bash_task_id: Some(started.id.clone()), wait_seconds: 15, ..request(port) };
    let view = house.attach(tied).await;
    house.reopen().await;
    assert_eq!(house.daemon().show(&ADMIN, id(&view)).expect("kept").bash_task_id, Some(started.id.clone()));
    let task_id = TaskId::new(&started.id).expect("an id");
    assert!(house.daemon().task(&ADMIN, &task_id).await.expect("found again").running);

    let ended = house.daemon().end_session(&ADMIN, session("s")).await.expect("ended");
    assert_eq!(ended.detached, ["default"]);
    until("the task's end", || {
        (!std::path::Path::new(&format!("/proc/{}", started.pid)).exists()).then_some(())
    })
    .await;
    house.close().await;
}

#[tokio::test]
async fn a_task_that_died_is_refused_with_its_exit_code_and_last_lines() {
    let house = House::open(&with_tasks("")).await;
    let words = ["sh", "-c", "echo no such module; exit 3"].map(str::to_owned);
    let port = xtask::real::free_port().expect("a port");
    let started = house.daemon().start_task(&ADMIN, task(&house, &words, port)).await.expect("started");
    let tied = AttachRequest { bash_task_id: Some(started.id), wait_seconds: 15, ..request(port) };
    let refused = house.daemon().attach(&ADMIN, tied).await.expect_err("dead");
    assert_eq!(refused.code(), Code::TaskDead);
    assert!(refused.to_string().ends_with("has ended with exit code 3"), "{refused}");
    assert!(refused.hint().contains("no such module"), "{}", refused.hint());
    house.close().await;
}

#[tokio::test]
async fn health_counts_and_names_users_to_the_operator_only() {
    let house = House::open("").await;
    let (_listener, port) = listen();
    house.attach(request(port)).await;
    let health = house.daemon().module_health(Some(&ADMIN)).await.expect("well");
    assert_eq!((health.status.as_str(), health.count, health.session_count), ("ok", 1, 1));
    assert_eq!(health.by_type, [("devserver".to_owned(), 1)].into());
    assert_eq!(health.by_user, Some([("u".to_owned(), 1)].into()));
    let outside = house.daemon().module_health(None).await.expect("well");
    assert_eq!((outside.by_user, outside.by_user_count), (None, None));
    house.close().await;
}

fn task(house: &House, words: &[String], port: u16) -> TaskRequest {
    TaskRequest {
        session_id: "s".into(),
        user_id: "u".into(),
        command: words.iter().map(|word| word.replace("{port}", &port.to_string())).collect(),
        cwd: house.scratch.path().display().to_string(),
        env: [].into(),
        name: None,
    }
}
