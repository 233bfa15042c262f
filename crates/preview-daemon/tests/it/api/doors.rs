//! Which door lets in whom, and to what.

use std::os::unix::fs::MetadataExt as _;

use serde_json::json;
use xtask::real::Scratch;

use super::door::{ADA, ADMIN, Doors, EDGE};
use crate::house::{House, config};

#[tokio::test]
async fn each_socket_is_its_owners_alone_unless_a_group_is_named() {
    let doors = Doors::open("", "").await;
    for name in ["api", "edge", "public", "verify"] {
        assert_eq!(mode(&doors, name).0, 0o600, "{name}");
    }
}

#[tokio::test]
async fn edge_and_public_sockets_are_open_to_the_edge_group_and_verify_to_its_own() {
    let own = rustix::process::getegid().as_raw();
    let doors = Doors::open("", &format!("edge_group: \"{own}\", verify_group: \"{own}\"")).await;
    assert_eq!(mode(&doors, "api").0, 0o600);
    for name in ["edge", "public", "verify"] {
        assert_eq!(mode(&doors, name), (0o660, own), "{name}");
    }
}

#[tokio::test]
async fn a_group_that_holds_the_user_of_tasks_is_refused_at_start() {
    let house = House::open("").await;
    let mut config = config(&house.scratch.join("other"), "tasks: { user: nobody }");
    config.api.edge_group = Some("nogroup".to_owned());
    let refused = preview_daemon::start(config).await.map(|_| ()).expect_err("tasks could speak as an edge");
    assert!(refused.to_string().starts_with("api.edge_group: "), "{refused}");
}

#[tokio::test]
async fn a_group_that_does_not_exist_is_refused_at_start() {
    let house = House::open("").await;
    let mut config = config(&house.scratch.join("other"), "");
    config.api.verify_group = Some("no-such-group".to_owned());
    let refused = preview_daemon::start(config).await.map(|_| ()).expect_err("no group");
    assert_eq!(refused.to_string(), "api.verify_group: there is no group \"no-such-group\" on this system");
}

#[tokio::test]
async fn a_symbolic_link_in_the_place_of_a_socket_is_refused_at_start() {
    let house = House::open("").await;
    let folder = house.scratch.join("other");
    let config = config(&folder, "");
    std::fs::create_dir_all(&config.run_dir).expect("ours");
    std::os::unix::fs::symlink("/etc/passwd", config.run_dir.join("edge.sock")).expect("planted");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&config.state_dir, mode).expect("ours");
    let refused = preview_daemon::start(config).await.map(|_| ()).expect_err("planted");
    assert!(refused.to_string().contains("edge.sock"), "{refused}");
}

#[tokio::test]
async fn the_sockets_are_gone_when_the_daemon_has_stopped() {
    let scratch = Scratch::new().expect("a folder");
    let config = config(scratch.path(), "");
    let run = config.run_dir.clone();
    let running = preview_daemon::start(config).await.expect("starts");
    assert_eq!(std::fs::read_dir(&run).expect("there").count(), 4);
    running.stop().await;
    assert_eq!(std::fs::read_dir(&run).expect("there").count(), 0);
}

#[tokio::test]
async fn on_the_api_socket_the_daemons_own_user_is_admin() {
    let doors = Doors::open("", "").await;
    doors.api().get("/v1/attachments").await.ok(200);
    let health = doors.api().get("/health/web_preview").await.ok(200);
    assert_eq!(health["by_user_count"], 0);
}

#[tokio::test]
async fn the_public_socket_needs_a_key_for_all_but_health_and_token_checks_whoever_connects() {
    let doors = Doors::open("", "").await;
    let public = doors.unix("public");
    for path in ["/v1/attachments", "/v1/events", "/v1/routes", "/v1/tasks/t"] {
        assert_eq!(public.get(path).await.code(), "unauthorized", "{path}");
    }
    for path in ["/health", "/healthz", "/ready", "/health/web_preview"] {
        assert_eq!(public.get(path).await.status, 200, "{path}");
    }
    let check = json!({ "session_id": "s", "token": "x" });
    assert_eq!(public.post("/v1/tokens/verify", &check).await.code(), "unauthorized");
    public.key(ADMIN).get("/v1/attachments").await.ok(200);
    assert_eq!(public.key("no-such-key-at-all-00").get("/v1/attachments").await.code(), "unauthorized");
    assert_eq!(public.get("/auth/verify").await.code(), "forbidden");
}

#[tokio::test]
async fn over_tcp_only_keys_count() {
    let doors = Doors::open("", "").await;
    let refused = doors.tcp().get("/v1/attachments").await;
    assert_eq!(refused.code(), "unauthorized");
    assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"preview\""));
    doors.tcp().key(ADMIN).get("/v1/attachments").await.ok(200);
    for wrong in ["Basic a2V5", "Bearer", "Bearer ", ADMIN, "bearer\tx"] {
        let door = doors.tcp().with("Authorization", wrong);
        assert_eq!(door.get("/v1/attachments").await.code(), "unauthorized", "{wrong}");
    }
    let twice = doors.tcp().key(ADMIN).key(ADMIN);
    assert_eq!(twice.get("/v1/attachments").await.code(), "unauthorized");
    doors.tcp().get("/health").await.ok(200);
}

#[tokio::test]
async fn the_edge_socket_serves_edges_and_health_and_nothing_else() {
    let doors = Doors::open("", "").await;
    let edge = doors.unix("edge");
    let report = json!({ "node": "box", "entries": [] });
    assert_eq!(edge.post("/v1/activity", &report).await.status, 204);
    edge.get("/health").await.ok(200);
    for path in ["/v1/attachments", "/v1/events", "/auth/verify", "/v1/tasks/t"] {
        assert_eq!(edge.get(path).await.code(), "not_found", "{path}");
    }
    assert_eq!(edge.post("/v1/tokens/verify", &json!({})).await.code(), "not_found");
}

#[tokio::test]
async fn the_verify_socket_serves_visits_and_token_checks_and_nothing_else() {
    let doors = Doors::open("", "").await;
    let verify = doors.unix("verify");
    let check = json!({ "session_id": "s", "token": "x" });
    assert_eq!(verify.post("/v1/tokens/verify", &check).await.code(), "unauthorized");
    let visit = verify.with("X-Forwarded-Host", "x.localhost").with("X-Forwarded-Uri", "/");
    let visit = visit.with("X-Forwarded-Method", "GET");
    assert_eq!(visit.get("/auth/verify").await.status, 401);
    for path in ["/health", "/v1/attachments", "/v1/routes", "/v1/events"] {
        assert_eq!(verify.key(ADMIN).get(path).await.code(), "not_found", "{path}");
    }
}

#[tokio::test]
async fn an_edges_key_does_what_edges_do_and_nothing_else() {
    let doors = Doors::open("", "").await;
    let edge = doors.tcp().key(EDGE);
    let report = json!({ "node": "box", "entries": [] });
    assert_eq!(edge.post("/v1/activity", &report).await.status, 204);
    assert_eq!(edge.get("/v1/attachments").await.code(), "forbidden");
    assert_eq!(doors.tcp().key(ADA).post("/v1/activity", &report).await.code(), "forbidden");
}

#[tokio::test]
async fn health_without_a_key_gives_counts_only() {
    let doors = Doors::open("", "").await;
    for door in [doors.tcp(), doors.unix("public"), doors.unix("edge")] {
        let health = door.get("/health/web_preview").await.ok(200);
        assert_eq!(health["module_id"], "web_preview");
        assert!(health.get("by_user").is_none() && health.get("by_user_count").is_none(), "{health}");
    }
    // A monitor with an old key is no reason for an alarm.
    doors.tcp().key("no-such-key-at-all-00").get("/health/web_preview").await.ok(200);
    assert!(doors.tcp().key(ADMIN).get("/health/web_preview").await.ok(200).get("by_user").is_some());
}

fn mode(doors: &Doors, name: &str) -> (u32, u32) {
    let path = doors.house.scratch.join(format!("state/run/{name}.sock"));
    let found = std::fs::metadata(path).expect("there");
    (found.mode() & 0o777, found.gid())
}
