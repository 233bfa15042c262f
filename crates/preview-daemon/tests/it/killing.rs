//! `docs/contract.md`: nothing acknowledged is lost when the daemon is killed.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use xtask::count::count;

use crate::client::Client;
use crate::house::{listen, with_tasks};
use crate::service::Service;

/// What is known of one name of the worker's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Attached,
    Detached,
    /// No answer came: either may be so.
    Unknown,
}

#[test]
fn every_acknowledged_attachment_survives_a_kill_and_no_refused_one_is_there() {
    const WORKERS: usize = 3;
    let mut service =
        Service::start("limits: { per_session: 3 }\npublic_url_template: \"http://{id}.localhost:8080\"");
    let ports: Vec<(TcpListener, u16)> = (0..4).map(|_| listen()).collect();
    let ports: &[u16] = &ports.iter().map(|(_, port)| *port).collect::<Vec<_>>();
    let mut known: Vec<BTreeMap<usize, Known>> = vec![BTreeMap::new(); WORKERS];
    for round in 0..count("PREVIEW_KILLS", 20, 200) {
        let client = service.client();
        let answers = AtomicU32::new(0);
        thread::scope(|scope| {
            for (worker, known) in known.iter_mut().enumerate() {
                let (client, answers) = (client.clone(), &answers);
                scope.spawn(move || work(&client, worker, round, ports, known, answers));
            }
            // A different moment each time: after some answers, and a part of the time that one takes.
            let after = 1 + round * 7 % 23;
            while answers.load(Ordering::Relaxed) < after {
                thread::yield_now();
            }
            let moment = Instant::now() + Duration::from_micros(u64::from(round * 389 % 3_000));
            while Instant::now() < moment {
                std::hint::spin_loop();
            }
            service.kill();
        });
        service.restart();
        let names = attached(&service.client());
        for (worker, known) in known.iter_mut().enumerate() {
            for (name, known) in known.iter_mut() {
                let is_there = names.contains(&(format!("s{worker}"), format!("n{name}")));
                match known {
                    Known::Attached => assert!(is_there, "round {round}: s{worker}/n{name} is lost"),
                    Known::Detached => assert!(!is_there, "round {round}: s{worker}/n{name} is back"),
                    Known::Unknown if is_there => *known = Known::Attached,
                    Known::Unknown => *known = Known::Detached,
                }
            }
        }
        for worker in 0..WORKERS {
            let count = names.iter().filter(|(session, _)| *session == format!("s{worker}")).count();
            assert!(count <= 3, "round {round}: s{worker} has {count} attachments");
        }
    }
}

#[test]
fn a_tied_task_is_found_again_after_a_kill_and_still_ends_with_its_attachment() {
    let mut service = Service::start(&with_tasks(""));
    let port = xtask::real::free_port().expect("a port");
    let words = xtask::real::http_server::command(service.scratch.path());
    let words: Vec<String> = words.iter().map(|word| word.replace("{port}", &port.to_string())).collect();
    let body = json!({ "session_id": "s", "user_id": "u", "command": words, "cwd": service.scratch.path() });
    let task = service.client().call("POST", "/v1/tasks", Some(&body)).expect("it answers");
    assert_eq!(task.status, 201, "{}", task.body);
    let body = json!({ "session_id": "s", "user_id": "u", "port": port, "bash_task_id": task.body["id"] });
    let attached = service.client().call("POST", "/v1/attachments", Some(&body)).expect("it answers");
    assert_eq!(attached.status, 201, "{}", attached.body);

    service.kill();
    service.restart();
    let id = task.body["id"].as_str().expect("an id");
    let found = service.client().call("GET", &format!("/v1/tasks/{id}"), None).expect("it answers");
    assert_eq!((&found.body["running"], &found.body["pid"]), (&json!(true), &task.body["pid"]));
    assert_eq!(found.body["listeners"], json!([format!("127.0.0.1:{port}")]));
    let seen = json!({ "uid": 0, "inode": 1, "cgroup": null });
    let path = format!("/v1/attachments/{}/listener", attached.body["id"].as_str().expect("an id"));
    assert_eq!(service.client().call("POST", &path, Some(&seen)).expect("it answers").status, 200);
    let ended =
        service.client().call("DELETE", "/v1/sessions/s/attachments/default", None).expect("it answers");
    assert_eq!(ended.body["removed"], json!(true));
    let found = service.client().call("GET", &format!("/v1/tasks/{id}"), None).expect("it answers");
    assert_eq!(found.body["running"], json!(false), "{}", found.body);
}

/// Attaches and detaches in a session of its own until the daemon is gone.
fn work(
    client: &Client,
    worker: usize,
    round: u32,
    ports: &[u16],
    known: &mut BTreeMap<usize, Known>,
    answers: &AtomicU32,
) {
    let start = usize::try_from(round).expect("small");
    for step in start.. {
        let name = step * 5 % 4;
        let attaches = step % 3 != 2;
        let before = known.insert(name, Known::Unknown).unwrap_or(Known::Detached);
        let answer = if attaches {
            let body = json!({
                "session_id": format!("s{worker}"), "user_id": "u", "name": format!("n{name}"),
                "port": ports[name], "health_check": false,
            });
            client.call("POST", "/v1/attachments", Some(&body))
        } else {
            client.call("DELETE", &format!("/v1/sessions/s{worker}/attachments/n{name}"), None)
        };
        let Ok(answer) = answer else { return };
        let after = match answer.status {
            200 if !attaches => Known::Detached,
            200 | 201 => Known::Attached,
            429 => before,
            other => panic!("s{worker}/n{name}: {other} {}", answer.body),
        };
        known.insert(name, after);
        answers.fetch_add(1, Ordering::Relaxed);
    }
}

fn attached(client: &Client) -> Vec<(String, String)> {
    let answer = client.call("GET", "/v1/attachments", None).expect("it answers");
    assert_eq!(answer.status, 200);
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let all = answer.body["attachments"].as_array().expect("a list").clone();
    all.iter().map(|it| (text(&it["session_id"]), text(&it["name"]))).collect()
}
