//! The verdict on real dev servers, under a public name that is not `.localhost`: that hides every host problem.

use preview_core::attachment::StartPath;
use preview_core::listener::{Listener, Loopback};
use preview_core::ports::Port;
use preview_core::template::Rendered;
use preview_core::verdict::{HostHeader, HostPolicy, PolicyReason, ServerState, Verdict};
use xtask::real::devservers::PATIENCE;
use xtask::real::{Checkout, DevServer, Process, Scratch, free_port};

use super::{Asked, Question, ask};
use crate::processes::ProcessId;

#[tokio::test]
async fn vite_is_shown_localhost() {
    let verdict = verdict(DevServer::ViteReact, |checkout| checkout).await;
    assert_eq!(of(&verdict), (HostPolicy::Loopback, PolicyReason::RefusesPublicHost), "{verdict:?}");
    assert_eq!((verdict.server.as_deref(), verdict.live_update), (Some("vite"), Some(101)), "{verdict:?}");
}

#[tokio::test]
async fn next_is_shown_localhost_because_of_its_live_updates() {
    let verdict = verdict(DevServer::Next, |checkout| checkout).await;
    assert_eq!(of(&verdict), (HostPolicy::Loopback, PolicyReason::LiveUpdateNeedsLoopback), "{verdict:?}");
    assert_eq!((verdict.server.as_deref(), verdict.live_update), (Some("next"), Some(101)), "{verdict:?}");
}

#[tokio::test]
async fn django_is_shown_localhost_unless_it_allows_its_public_name() {
    let strict = verdict(DevServer::Django, |checkout| checkout).await;
    assert_eq!(of(&strict), (HostPolicy::Loopback, PolicyReason::RefusesPublicHost), "{strict:?}");
    assert_eq!(strict.server.as_deref(), Some("django"), "{strict:?}");
    assert!(strict.framing.iter().any(|header| header.starts_with("X-Frame-Options")), "{strict:?}");
    let open = verdict(DevServer::Django, |it| it.with_variable("ALLOWED_HOSTS", ".preview.test")).await;
    assert_eq!(of(&open), (HostPolicy::Preserve, PolicyReason::AcceptsPublicHost), "{open:?}");
}

#[tokio::test]
async fn webpack_is_shown_localhost() {
    let verdict = verdict(DevServer::Webpack, |checkout| checkout).await;
    assert_eq!(of(&verdict), (HostPolicy::Loopback, PolicyReason::RefusesPublicHost), "{verdict:?}");
    assert_eq!((verdict.server.as_deref(), verdict.live_update), (Some("webpack"), Some(101)), "{verdict:?}");
}

#[tokio::test]
async fn fastapi_keeps_its_public_name() {
    let verdict = verdict(DevServer::FastApi, |checkout| checkout).await;
    assert_eq!(of(&verdict), (HostPolicy::Preserve, PolicyReason::AcceptsPublicHost), "{verdict:?}");
    assert_eq!(verdict.server.as_deref(), Some("uvicorn"), "{verdict:?}");
}

fn of(verdict: &Verdict) -> (HostPolicy, PolicyReason) {
    (verdict.policy, verdict.reason)
}

async fn verdict(server: DevServer, with: impl Fn(Checkout) -> Checkout) -> Verdict {
    let scratch = Scratch::new().expect("a folder");
    let checkout = with(server.checkout(&scratch).expect("its project"));
    let port = free_port().expect("a free port");
    let mut process = checkout.start(port).expect("it starts");
    let at = process.wait_for_port(port, PATIENCE).expect("it listens");
    let address = if at.is_ipv4() { Loopback::V4 } else { Loopback::V6 };
    let question = Question {
        listener: Listener { address, port: Port::new(port).expect("a port") },
        public: Rendered { origin: "https://x.preview.test".into(), host: "x.preview.test".into() },
        path: StartPath::default(),
        command: command(&process),
        host_header: HostHeader::Auto,
    };
    let Asked::Settled(verdict) = ask(question, PATIENCE).await else {
        panic!("{server:?} has not answered:\n{}", process.output());
    };
    assert_eq!((verdict.state, verdict.status), (ServerState::Live, Some(200)), "{verdict:?}");
    verdict
}

/// The command line of the process in its tree that is known, as the owner's would be.
fn command(process: &Process) -> Vec<String> {
    let tree = process.tree().into_iter().filter_map(ProcessId::of).map(ProcessId::command);
    tree.into_iter().find(|command| super::known::by_command(command).is_some()).unwrap_or_default()
}
