//! `preview up`, and everything that is typed beside it.

use xtask::real::curl::{Answer, curl};
use xtask::real::{Process, Signal, free_port, http_server};

use crate::home::{Home, SOON};

#[test]
fn a_port_is_attached_seen_listed_and_detached() {
    let (home, server) = (Home::new(), Server::start());
    let _up = home.up();
    let row = home.told(&["attach", &server.port(), "--name", "shop"]);
    let link = row.trim().strip_prefix("shop\t").expect("a row of name and link").to_owned();
    assert!(link.starts_with(&format!("http://preview-{}.localhost:{}/?", server.port, home.port)), "{link}");
    assert!(get(&link).body.contains("Directory listing"));

    let list = home.told(&["ls"]);
    let cells: Vec<&str> = list.trim().split('\t').collect();
    assert_eq!(cells[..4], ["shop", "live", &server.port(), "private"], "{list}");
    assert!(!list.contains("token="), "{list}");
    let json = home.json(&["ls"]);
    assert_eq!(json["attachments"][0]["name"], "shop");
    assert_eq!(home.json(&["show", "shop"])["verdict"]["status"], 200);
    let shown = home.told(&["show", "shop"]);
    assert!(shown.contains("\nhost header\tpreserve (dev server accepts its public host name)\n"), "{shown}");

    assert_eq!(home.told(&["detach", "shop"]), "shop\tdetached\n");
    assert_eq!(get(&link).status, 502);
    assert_eq!(home.told(&["ls"]), "");
}

#[test]
fn rotating_hands_out_a_second_link_and_revoking_ends_both() {
    let (home, server) = (Home::new(), Server::start());
    let _up = home.up();
    let first = link(&home.told(&["attach", &server.port(), "--name", "shop"]));
    let second = link(&home.told(&["rotate", "shop"]));
    assert_ne!(first, second);
    assert_eq!((get(&first).status, get(&second).status), (200, 200), "the old one has a minute left");
    let third = home.json(&["revoke", "shop"])["iframe_url"].as_str().expect("a link").to_owned();
    assert_eq!((get(&first).status, get(&second).status, get(&third).status), (502, 502, 200));
}

#[test]
fn a_link_for_somebody_else_is_handed_out_listed_and_withdrawn() {
    let (home, server) = (Home::new(), Server::start());
    let _up = home.up();
    home.told(&["attach", &server.port(), "--name", "shop"]);
    assert_eq!(home.told(&["share", "shop", "--list"]), "");
    let shared = link(&home.told(&["share", "shop", "--read-only", "--ttl", "90m", "--label", "Zoë"]));
    assert_eq!(get(&shared).status, 200);
    let json = home.json(&["share", "shop"]);
    assert_eq!((&json["number"], &json["read_only"]), (&2.into(), &false.into()));
    let list = home.told(&["share", "shop", "--list"]);
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(
        (rows[0][..3].to_vec(), rows[1][..3].to_vec()),
        (vec!["1", "Zoë", "look"], vec!["2", "-", "everything"])
    );
    assert!(rows[0][4].starts_with("1h29m") && !list.contains("token"), "{list}");

    assert_eq!(home.told(&["share", "shop", "--withdraw", "1"]), "shop\t1\twithdrawn\n");
    assert_eq!(get(&shared).status, 502);
    let text = home.refused(&["share", "shop", "--withdraw", "1"], 3);
    assert!(text.contains("help: preview share shop --list"), "{text}");
}

#[test]
fn what_is_made_public_needs_no_link_until_it_is_private_again() {
    let (home, server) = (Home::new(), Server::start());
    let _up = home.up();
    home.told(&["attach", &server.port(), "--name", "shop"]);
    let url = home.json(&["show", "shop"])["url"].as_str().expect("a URL").to_owned();
    assert_eq!(get(&url).status, 502);
    assert_eq!(home.told(&["visibility", "shop", "public"]), format!("shop\tpublic\t{url}\n"));
    assert_eq!(get(&url).status, 200);
    assert_eq!(home.json(&["visibility", "shop", "private"])["visibility"], "private");
    assert_eq!(get(&url).status, 502);
}

#[test]
fn a_name_that_is_not_there_is_answered_by_the_one_that_was_meant() {
    let (home, server) = (Home::new(), Server::start());
    let _up = home.up();
    home.told(&["attach", &server.port(), "--name", "frontend"]);
    let text = home.refused(&["show", "frontnd"], 3);
    assert!(text.contains("did you mean frontend?"), "{text}");
    let text = home.refused(&["detach", "frontend", "--session", "other"], 3);
    assert!(text.contains("session local has one: add --session local"), "{text}");
}

#[test]
fn what_is_not_given_is_taken_from_who_types_where() {
    let (home, first, second) = (Home::new(), Server::start(), Server::start());
    let _up = home.up();
    let folder = home.folder("My Shop");
    let attach = |port: &str| {
        let mut attach = home.start(&["attach", port, "--json"], &folder);
        attach.wait(SOON).expect("it ends");
        serde_json::from_str::<serde_json::Value>(&attach.output()).expect("one object")
    };
    let it = attach(&first.port());
    assert_eq!((&it["name"], &it["session_id"]), (&"my-shop".into(), &"local".into()));
    assert_eq!(attach(&second.port())["name"], "my-shop-2", "the name is taken by another port");
    assert_eq!(attach(&first.port())["name"], "my-shop", "by this port it is its own");
}

#[test]
fn every_kind_of_refusal_has_its_exit_code() {
    let (home, server) = (Home::with("  limits: { per_session: 1 }\n"), Server::start());
    let _up = home.up();
    let text = home.refused(&["attach", &free_port().expect("a port").to_string(), "--wait", "1"], 1);
    assert!(text.starts_with("port_not_listening × nothing is listening"), "{text}");
    assert!(home.refused(&["attach", "3306", "--wait", "1"], 4).starts_with("port_refused × "));
    assert!(home.refused(&["attach", &server.port(), "--name", "a/b"], 2).starts_with("name_invalid × "));
    home.told(&["attach", &server.port(), "--name", "one"]);
    let other = Server::start();
    let text = home.refused(&["attach", &other.port(), "--name", "two"], 5);
    assert!(text.starts_with("limit_session × ") && text.contains("help: detach one of one"), "{text}");
}

#[test]
fn route_says_which_attachment_answers_and_why_none_does() {
    let (home, server) = (Home::new(), Server::start());
    let _up = home.up();
    let url = |port: u16| format!("http://preview-{port}.localhost:{}/x", home.port);
    let text = home.refused(&["route", &url(server.port)], 3);
    assert!(text.contains("something listens there, not attached"), "{text}");
    assert!(text.contains(&format!("help: preview attach {}", server.port)), "{text}");
    home.told(&["attach", &server.port(), "--name", "shop"]);
    assert!(home.told(&["route", &url(server.port)]).starts_with("shop\tlocal\tlive\t127.0.0.1:"));
    let text = home.refused(&["route", "https://shop.example.com/"], 3);
    assert!(
        text.contains("shop.example.com is not a host name of http://preview-{port}.localhost"),
        "{text}"
    );
}

#[test]
fn doctor_finds_this_host_well_and_names_what_is_down() {
    let (home, server) = (Home::new(), Server::start());
    let _up = home.up();
    home.told(&["attach", &server.port(), "--name", "shop"]);
    let report = home.told(&["doctor"]);
    for check in
        ["ok    daemon.health", "ok    edge.listening", "ok    edge.upstream   shop", "ok    isolation"]
    {
        assert!(report.contains(check), "{check}: {report}");
    }
    drop(server);
    assert!(home.told(&["doctor"]).contains("warn  edge.upstream   shop"), "nothing listens");
}

#[test]
fn ls_watch_writes_one_list_for_each_change() {
    let (home, server) = (Home::new(), Server::start());
    let _up = home.up();
    let mut watch = home.start(&["ls", "-w", "--json"], home.path());
    watch.wait_for_line("\"attachments\":[]", SOON).expect("the empty list");
    home.told(&["attach", &server.port(), "--name", "shop"]);
    watch.wait_for_line("\"name\":\"shop\"", SOON).expect("the new one");
}

#[test]
fn up_takes_the_next_port_when_its_own_is_held_and_renders_it() {
    let (home, server) = (Home::beside_a_free_port(), Server::start());
    let _held = std::net::TcpListener::bind(("127.0.0.1", home.port)).expect("free until now");
    let up = home.up();
    let note = format!("warning edge.http: port {} cannot be had, took ", home.port);
    assert!(up.output().contains(&note), "{}", up.output());
    let link = link(&home.told(&["attach", &server.port()]));
    assert!(!link.contains(&format!(":{}/", home.port)), "{link}");
    assert!(get(&link).body.contains("Directory listing"));
}

#[test]
fn a_second_up_on_the_same_state_is_refused() {
    let home = Home::new();
    let _up = home.up();
    assert!(home.refused(&["up"], 5).starts_with("state_in_use × "));
}

#[test]
fn up_ends_well_by_a_supervisor_and_as_interrupted_by_a_person() {
    let home = Home::new();
    for (signal, code) in [(Signal::TERM, 0), (Signal::INT, 130)] {
        let mut up = home.up();
        up.signal(signal).expect("sent");
        assert_eq!(up.wait(SOON).expect("it ends").code(), Some(code));
    }
    home.refused(&["ls"], 7);
}

#[test]
fn up_says_in_json_where_everything_is() {
    let home = Home::new();
    let mut up = home.start(&["up", "--json"], home.path());
    let line = up.wait_for_line("\"event\":\"up\"", SOON).expect("it serves");
    let it: serde_json::Value = serde_json::from_str(&line).expect("one object");
    assert_eq!(it["public_url_template"], format!("http://preview-{{port}}.localhost:{}", home.port));
    assert_eq!(it["http"][0], format!("127.0.0.1:{}", home.port));
}

/// `http.server` on a free port.
struct Server {
    port: u16,
    _folder: xtask::real::Scratch,
    _process: Process,
}

impl Server {
    fn start() -> Self {
        let (folder, port) = (xtask::real::Scratch::new().expect("a folder"), free_port().expect("a port"));
        let process = http_server::start(folder.path(), port).expect("python3 starts");
        Self { port, _folder: folder, _process: process }
    }

    fn port(&self) -> String {
        self.port.to_string()
    }
}

fn link(row: &str) -> String {
    row.trim().split('\t').nth(1).expect("name and link").to_owned()
}

/// Opens a link, whose name curl finds on the loopback by itself.
fn get(link: &str) -> Answer {
    curl(&[link]).expect("an answer")
}
