//! Tokens and grants are in no log, whatever happens to the request that carries them.

use xtask::real::{Scratch, free_port};

use crate::client::{SOON, wait_for};
use crate::daemon::FakeDaemon;
use crate::edge::Program;
use crate::recorder::Recorder;
use crate::viewer::{NAVIGATION, get, grant, link, private};

#[test]
fn a_log_names_host_and_path_and_no_secret() {
    let server = Recorder::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    let (app, down) = (private("app", server.port), private("down", free_port().expect("a port")));
    let scratch = Scratch::new().expect("a folder");
    let _daemon = FakeDaemon::with_routes(&scratch, vec![app.clone(), down]);
    let mut edge = Program::start(&scratch);
    wait_for(edge.http, "nobody.preview.test", 502, SOON);
    let token = link().split("token=").nth(1).expect("a token").to_owned();
    let sealed = grant(&app);
    let cookie = format!("Cookie: preview={sealed}\r\n");
    for (host, target, headers) in [
        ("app.preview.test", format!("/opened?{}", link()), NAVIGATION.to_owned()),
        ("down.preview.test", format!("/down?{}", link()), NAVIGATION.to_owned()),
        ("nobody.preview.test", format!("/nobody?{}", link()), cookie.clone()),
        ("app.preview.test", "/held".to_owned(), cookie),
        ("app.preview.test", "/header".to_owned(), format!("Preview-Token: {token}\r\n")),
    ] {
        get(edge.http, host, &target, &headers);
    }
    edge.process.wait_for_line("/header", SOON).expect("it is logged");
    let log = edge.process.output();
    assert!(log.contains("app.preview.test") && log.contains("/opened"), "{log}");
    assert!(!log.contains(&token) && !log.contains(&sealed) && !log.contains("session_id"), "{log}");
}
