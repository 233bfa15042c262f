//! Every example runs, against the real daemon where it speaks to one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::json;
use xtask::real::curl::curl;
use xtask::real::preview::{Preview, call};
use xtask::real::{self, Process, Scratch};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn embed_core_keeps_attachments_without_our_daemon() {
    let output = run(env!("CARGO_BIN_EXE_embed_core"), &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    for line in [
        "attached   shop -> https://ID.preview.example.com",
        "let in     with the token: true",
        "kept out   with another:   true",
        "moved      to port 5174, same id: true",
        "in grace   the old token still works: true",
        "refused    limit_session × limit reached: 2 / session",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
}

#[test]
fn attach_and_watch_attaches_follows_events_and_detaches() {
    let rig = Rig::new("http://{id}.localhost:8080");
    let output =
        run(env!("CARGO_BIN_EXE_attach_and_watch"), &[&rig.socket("api.sock"), &rig.port.to_string()]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for word in [
        "attached web at http://",
        "?session_id=example&token=",
        "detached web: true",
        " attached\n",
        " detached\n",
    ] {
        assert!(text.contains(word), "no {word:?} in\n{text}");
    }
}

#[test]
fn custom_edge_lets_in_by_token_then_by_cookie_and_nobody_else() {
    let public = real::free_port_outside().expect("a free port");
    let template = format!("http://{{id}}.localhost:{public}");
    let rig = Rig::new(&template);
    let edge = [env!("CARGO_BIN_EXE_custom_edge"), &rig.socket("edge.sock"), &template, &public.to_string()];
    let mut edge = Process::spawn_line(&edge, rig.scratch.path()).expect("the example starts");
    edge.wait_for_line("serving on", PATIENCE).expect("it serves");

    let link = rig.attach();
    let bare = link.split('?').next().expect("a URL").to_owned();
    let opened = real::poll("the page through the edge", PATIENCE, || {
        let page = curl(&[&link])?;
        Ok((page.status == 200).then_some(page))
    });
    let opened = opened.expect("the token lets in");
    assert!(opened.body.contains("Directory listing"), "{opened:?}");
    let cookie = opened.header("set-cookie").and_then(|it| it.split(';').next()).expect("a cookie");
    let again = curl(&["--cookie", cookie, &bare]).expect("an answer");
    assert!(again.body.contains("Directory listing"), "{again:?}");
    assert_eq!(curl(&[&bare]).expect("an answer").status, 502);
}

#[test]
fn check_token_greets_who_shows_a_good_token_and_nobody_else() {
    let mut preview = Preview::up(
        "web_preview:\n  public_url_template: \"http://{id}.localhost:HTTP\"\n  state_dir: STATE\n  \
         edge: { http: \"localhost:HTTP\" }\n",
    )
    .expect("it serves");
    let port = real::free_port().expect("a free port");
    let socket = preview.scratch().join("state/run/verify.sock").display().to_string();
    let app = [env!("CARGO_BIN_EXE_check_token"), &socket, &port.to_string()];
    let mut app = Process::spawn_line(&app, preview.scratch().path()).expect("the example starts");
    app.wait_for_line("serving on", PATIENCE).expect("it serves");

    let attached = preview.attach(port, "web").expect("attached");
    let text = |field: &str| attached[field].as_str().unwrap_or_else(|| panic!("{attached}")).to_owned();
    let link = text("iframe_url");
    let greeted = real::poll("the greeting through the edge", PATIENCE, || {
        let page = curl(&[&link])?;
        Ok((page.status == 200).then_some(page))
    });
    let greeted = greeted.expect("the token is good");
    assert_eq!(greeted.body, "Hello from web of s: you may do everything.");

    let path = format!("/v1/attachments/{}/shares", text("id"));
    let share = preview.call("POST", &path, Some(&json!({ "read_only": true })));
    let share = share.and_then(|it| it.json()).expect("shared");
    let for_others = share["url"].as_str().unwrap_or_else(|| panic!("{share}"));
    let looks = real::poll("the shared link", PATIENCE, || {
        let page = curl(&[for_others])?;
        Ok((page.status == 200).then_some(page))
    });
    assert_eq!(looks.expect("it is good").body, "Hello from web of s: you may look.");

    let cookie = greeted.header("set-cookie").and_then(|it| it.split(';').next()).expect("a cookie");
    let let_in = |url: &str| curl(&["--cookie", cookie, url]).expect("an answer");
    let refused = "This link is not good. Ask for a new one.";
    for wrong in [link.replace("token=", "token=x"), link.replace("session_id=s", "session_id=t")] {
        let page = let_in(&wrong);
        assert_eq!((page.status, &*page.body), (401, refused), "the edge lets it in, the app does not");
    }
    assert_eq!(let_in(&text("url")).body, "Open this by its link.");

    preview.call("POST", &format!("/v1/attachments/{}/revoke", text("id")), None).expect("revoked");
    let at_the_app = format!("http://127.0.0.1:{port}/?{}", link.split('?').nth(1).expect("a query"));
    assert_eq!(curl(&[&at_the_app]).expect("an answer").body, refused);
    preview.process().kill();
    assert_eq!(curl(&[&at_the_app]).expect("an answer").status, 503, "nobody can be asked");
}

/// A daemon and a server to attach, in a scratch folder.
struct Rig {
    scratch: Scratch,
    port: u16,
    _server: Process,
    _daemon: Process,
}

impl Rig {
    fn new(template: &str) -> Self {
        let scratch = Scratch::new().expect("a scratch folder");
        let port = real::free_port().expect("a free port");
        let server = real::http_server::start(scratch.path(), port).expect("python serves");
        let config = format!(
            "web_preview:\n  public_url_template: \"{template}\"\n  state_dir: {}\n",
            scratch.join("state").display()
        );
        let config = scratch.write("config.yaml", config).expect("writes");
        let binary = real::bin("preview-daemon").expect("the daemon is built");
        let words = [binary.to_string_lossy(), "--config".into(), config.to_string_lossy()];
        let daemon = Process::spawn_line(&words, scratch.path()).expect("the daemon starts");
        let rig = Self { scratch, port, _server: server, _daemon: daemon };
        let socket = PathBuf::from(rig.socket("api.sock"));
        real::poll_for("api.sock", PATIENCE, || socket.exists().then_some(())).expect("the daemon serves");
        rig
    }

    fn socket(&self, name: &str) -> String {
        self.scratch.join("state/run").join(name).to_string_lossy().into_owned()
    }

    /// Attaches the server; the link with its token.
    fn attach(&self) -> String {
        let body = json!({ "session_id": "s", "user_id": "u", "port": self.port });
        let socket = self.socket("api.sock");
        let answer = call(Path::new(&socket), "POST", "/v1/attachments", Some(&body)).expect("an answer");
        let answer = answer.json().expect("JSON");
        answer["iframe_url"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).output().expect("the example starts")
}
