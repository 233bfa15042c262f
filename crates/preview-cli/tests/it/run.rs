//! `preview run`: the main job, with nothing else running.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use xtask::real::curl::curl;
use xtask::real::{Process, Signal, poll_for, tree};

use crate::home::{Home, SOON};

#[test]
fn a_server_is_started_shown_and_stopped_without_a_trace() {
    let home = Home::new();
    let shop = home.folder("shop");
    std::fs::write(shop.join("hello.txt"), "hello").expect("written");
    let mut run = serve(&home, &shop);
    let link = link(&mut run, "shop");
    assert!(link.contains(&format!(".localhost:{}/?session_id=local&token=", home.port)), "{link}");
    assert!(get(&link).contains("hello.txt"));
    run.wait_for_line("Serving HTTP on 127.0.0.1", SOON).expect("its output too");

    let processes = tree::working_within(home.path());
    assert!(processes.len() >= 2, "preview and python: {processes:?}");
    run.signal(Signal::INT).expect("sent");
    assert_eq!(run.wait(SOON).expect("it ends").code(), Some(130));
    assert_eq!(tree::working_within(home.path()), [] as [u32; 0], "of {processes:?}");
    assert!(curl(&[&link]).is_err(), "nothing listens any more");
}

#[test]
fn a_supervisors_signal_stops_it_as_ctrl_c_does() {
    for signal in [Signal::TERM, Signal::HUP] {
        let home = Home::new();
        let mut run = serve(&home, &home.folder("shop"));
        link(&mut run, "shop");
        run.signal(signal).expect("sent");
        assert_eq!(run.wait(SOON).expect("it ends").code(), Some(130));
        assert_eq!(tree::working_within(home.path()), [] as [u32; 0]);
    }
}

#[test]
fn a_whole_tree_that_ignores_term_is_gone_too() {
    let home = Home::new();
    let shop = home.folder("shop");
    let script = "trap '' TERM; (trap '' TERM; sleep 1000) & exec python3 -m http.server $PORT --bind $HOST";
    let mut run = home.start(&["run", "--", "sh", "-c", script], &shop);
    link(&mut run, "shop");
    run.signal(Signal::INT).expect("sent");
    assert_eq!(run.wait(SOON).expect("it ends").code(), Some(130));
    assert_eq!(tree::working_within(home.path()), [] as [u32; 0]);
}

#[test]
fn the_link_is_there_at_once_when_the_server_is_ready() {
    let home = Home::new();
    let shop = home.folder("shop");
    // It says when it is ready by the very clock that the test reads.
    let script = home.write("late.py", LATE);
    let mut run = home.start(&["run", "--", "python3", &script.display().to_string()], &shop);
    let ready = run.wait_for_line("ready at ", SOON).expect("it says so");
    link(&mut run, "shop");
    let late = since_boot()
        .saturating_sub(Duration::from_secs_f64(ready["ready at ".len()..].parse().expect("seconds")));
    assert!(late < Duration::from_millis(500), "the link came after {late:?}");
}

#[test]
fn a_server_that_listens_long_before_it_answers_is_told_of_twice() {
    let home = Home::new();
    let script = home.write("slow.py", SLOW);
    let mut run = home.start(&["run", "--", "python3", &script.display().to_string()], &home.folder("shop"));
    link(&mut run, "shop");
    run.wait_for_line("it listens but has not answered yet", SOON).expect("first");
    run.wait_for_line("shop is live · host header: ", SOON).expect("then");
}

#[test]
fn a_port_that_the_command_chose_itself_is_found() {
    let home = Home::new();
    let other = xtask::real::free_port().expect("a port").to_string();
    let words = ["run", "--", "python3", "-u", "-m", "http.server", &other, "--bind", "127.0.0.1"];
    let mut run = home.start(&words, &home.folder("shop"));
    let link = link(&mut run, "shop");
    assert!(link.starts_with(&format!("http://preview-{other}.localhost")), "{link}");
}

#[test]
fn a_command_that_ends_by_itself_ends_the_run_with_its_code() {
    let home = Home::new();
    let folder = home.folder("shop");
    let run = |script: &str| {
        let mut run = home.start(&["run", "--", "sh", "-c", script], &folder);
        let code = run.wait(SOON).expect("it ends").code();
        (code, run.output())
    };
    let (code, output) = run("echo bad luck; exit 7");
    assert_eq!(code, Some(7));
    assert!(output.contains("bad luck\n") && output.contains("ended with code 7"), "{output}");
    let (code, output) = run("true");
    assert_eq!(code, Some(1), "it never served");
    assert!(output.contains("ended without ever listening"), "{output}");
    let (code, output) = run("exec no-such-program");
    assert_eq!(code, Some(127), "{output}");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let home = Home::new();
    let text = home.refused(&["run", "--", "no-such-program"], 2);
    assert!(text.starts_with("request_invalid × ") && text.contains("no-such-program"), "{text}");
}

#[test]
fn the_command_has_the_callers_environment_and_the_port_by_every_name() {
    let home = Home::new();
    let script = "env; exec python3 -m http.server {port} --bind 127.0.0.1";
    let mut run = home.start(&["run", "--", "sh", "-c", script], &home.folder("shop"));
    link(&mut run, "shop");
    let output = run.output();
    let value = |name: &str| {
        let line = output.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("no {name} in {output}")).to_owned()
    };
    let port = value("PORT");
    for name in
        ["FLASK_RUN_PORT", "UVICORN_PORT", "STREAMLIT_SERVER_PORT", "GRADIO_SERVER_PORT", "JUPYTER_PORT"]
    {
        assert_eq!(value(name), port);
    }
    assert_eq!(value("HOST"), "127.0.0.1");
    assert_eq!(value("BROWSER"), "none");
    assert_eq!(value("__VITE_ADDITIONAL_SERVER_ALLOWED_HOSTS"), ".localhost");
    assert_eq!(value("PATH"), std::env::var("PATH").expect("set"));
    assert_eq!(value("HOME"), home.path().display().to_string());
}

#[test]
fn a_wildcard_bind_is_warned_of() {
    let home = Home::new();
    let words = ["run", "--", "python3", "-m", "http.server", "{port}", "--bind", "0.0.0.0"];
    let mut run = home.start(&words, &home.folder("shop"));
    link(&mut run, "shop");
    run.wait_for_line("bound to all addresses", SOON).expect("a warning");
}

#[test]
fn the_second_run_is_a_guest_of_the_first_and_its_link_outlives_it() {
    let home = Home::new();
    let (shop, blog) = (home.folder("shop"), home.folder("blog"));
    std::fs::write(blog.join("post.txt"), "post").expect("written");
    let mut first = serve(&home, &shop);
    link(&mut first, "shop");
    let mut second = serve(&home, &blog);
    let link = link(&mut second, "blog");
    assert!(get(&link).contains("post.txt"));
    second.wait_for_line("GET /?session_id=local", SOON).expect("what it wrote so far");
    let before = home.json(&["show", "blog"]);

    first.signal(Signal::INT).expect("sent");
    assert_eq!(first.wait(SOON).expect("it ends").code(), Some(130));
    second.wait_for_line("this one serves now", SOON).expect("it takes over");
    poll_for("the same link to work", SOON, || {
        curl(&[&link]).is_ok_and(|it| it.body.contains("post.txt")).then_some(())
    })
    .expect("it works");
    let after = home.json(&["show", "blog"]);
    assert_eq!((&before["id"], &before["url"]), (&after["id"], &after["url"]));
    assert!(get(&format!("{link}&again")).contains("post.txt"));
    second.wait_for_line("&again", SOON).expect("its output goes on");
    assert_eq!(
        second.output().matches("Serving HTTP").count(),
        1,
        "and nothing comes twice: {}",
        second.output()
    );

    second.signal(Signal::INT).expect("sent");
    assert_eq!(second.wait(SOON).expect("it ends").code(), Some(130));
    assert_eq!(tree::working_within(home.path()), [] as [u32; 0]);
}

#[test]
fn of_three_runs_those_that_remain_agree_on_one() {
    let home = Home::new();
    let mut runs: Vec<(Process, String)> = ["one", "two", "three"]
        .into_iter()
        .map(|name| {
            let mut run = serve(&home, &home.folder(name));
            let link = link(&mut run, name);
            (run, link)
        })
        .collect();
    let (mut first, _) = runs.remove(0);
    // Alone: the other runs' servers are its daemon's children.
    first.signal(Signal::KILL).expect("sent");
    first.wait(SOON).expect("it ends");
    for (_, link) in &runs {
        poll_for("the link to work again", SOON, || {
            curl(&[link]).is_ok_and(|it| it.status == 200).then_some(())
        })
        .expect("it works");
    }
    for (run, _) in &runs {
        run.signal(Signal::INT).expect("sent");
    }
    for (run, _) in &mut runs {
        assert_eq!(run.wait(SOON).expect("it ends").code(), Some(130));
    }
}

#[test]
fn runs_that_are_stopped_together_leave_nothing() {
    let home = Home::new();
    let mut runs: Vec<Process> = ["one", "two", "three"]
        .into_iter()
        .map(|name| {
            let mut run = serve(&home, &home.folder(name));
            link(&mut run, name);
            run
        })
        .collect();
    for run in &runs {
        run.signal(Signal::INT).expect("sent");
    }
    for run in &mut runs {
        assert_eq!(run.wait(SOON).expect("it ends").code(), Some(130), "{}", run.output());
    }
    assert_eq!(tree::working_within(home.path()), [] as [u32; 0]);
    let _up = home.up();
    assert_eq!(home.told(&["ls"]), "");
}

#[test]
fn what_a_killed_run_left_behind_is_ended_by_the_next() {
    let home = Home::new();
    let (shop, blog) = (home.folder("shop"), home.folder("blog"));
    let mut first = serve(&home, &shop);
    link(&mut first, "shop");
    first.signal(Signal::KILL).expect("sent");
    first.wait(SOON).expect("it ends");
    assert_eq!(tree::working_within(&shop).len(), 1, "the server is left");
    let mut second = serve(&home, &blog);
    link(&mut second, "blog");
    assert_eq!(tree::working_within(&shop), [] as [u32; 0]);
    assert_eq!(home.told(&["ls"]).lines().count(), 1);
}

#[test]
fn two_runs_in_one_folder_have_names_of_their_own() {
    let home = Home::new();
    let shop = home.folder("shop");
    let (mut first, mut second) = (serve(&home, &shop), serve(&home, &shop));
    let links = [first.wait_for_line("http://preview-", SOON), second.wait_for_line("http://preview-", SOON)];
    let mut names: Vec<String> =
        links.map(|row| row.expect("a link").split('\t').next().unwrap_or_default().to_owned()).into();
    names.sort();
    assert_eq!(names, ["shop", "shop-2"]);
}

#[test]
fn a_run_beside_up_uses_it_and_leaves_it_running() {
    let home = Home::new();
    let _up = home.up();
    let mut run = serve(&home, &home.folder("shop"));
    assert!(get(&link(&mut run, "shop")).contains("Directory listing"));
    assert!(home.told(&["logs", "shop"]).contains("Serving HTTP on 127.0.0.1"));
    run.signal(Signal::INT).expect("sent");
    assert_eq!(run.wait(SOON).expect("it ends").code(), Some(130));
    assert_eq!(home.told(&["ls"]), "");
}

#[test]
fn detaching_from_elsewhere_ends_the_run_and_its_server() {
    let home = Home::new();
    let mut run = serve(&home, &home.folder("shop"));
    link(&mut run, "shop");
    home.told(&["detach", "shop"]);
    assert!(!run.wait(SOON).expect("it ends").success());
    assert_eq!(tree::working_within(home.path()), [] as [u32; 0]);
}

#[test]
fn a_refused_attach_ends_the_run_and_says_why() {
    let home = Home::with("  limits: { per_session: 1 }\n");
    let mut first = serve(&home, &home.folder("shop"));
    link(&mut first, "shop");
    let mut second = serve(&home, &home.folder("blog"));
    assert_eq!(second.wait(SOON).expect("it ends").code(), Some(5), "{}", second.output());
    assert!(second.output().contains("limit_session × "), "{}", second.output());
    assert_eq!(tree::working_within(&home.folder("blog")), [] as [u32; 0]);
}

#[test]
fn in_json_every_line_is_an_event() {
    let home = Home::new();
    let words = [&["run", "--json", "--"][..], &command()].concat();
    let mut run = home.start(&words, &home.folder("shop"));
    let line = run.wait_for_line("\"event\":\"attached\"", SOON).expect("attached");
    let attached: Value = serde_json::from_str(&line).expect("an object");
    let attachment = &attached["attachment"];
    assert_eq!(attachment["name"], "shop");
    assert!(attachment["iframe_url"].as_str().is_some_and(|url| url.contains("token=")), "{attached}");
    run.wait_for_line("\"event\":\"output\"", SOON).expect("output");
    run.signal(Signal::INT).expect("sent");
    run.wait(SOON).expect("it ends");
    for line in run.output().lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event["event"].is_string(), "{line}");
    }
}

/// Binds, rests, and answers from the moment that it tells.
const LATE: &str = r#"
import http.server, os, time
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass
time.sleep(0.7)
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
print("ready at", time.clock_gettime(time.CLOCK_BOOTTIME), flush=True)
server.serve_forever()
"#;

/// Listens at once, and answers its first request after longer than attach waits for a verdict.
const SLOW: &str = r#"
import http.server, os, time
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        time.sleep(max(0, start + 7 - time.time()))
        super().do_GET()
start = time.time()
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

fn serve(home: &Home, folder: &Path) -> Process {
    home.start(&[&["run", "--"][..], &command()].concat(), folder)
}

fn command() -> [&'static str; 7] {
    ["python3", "-u", "-m", "http.server", "{port}", "--bind", "127.0.0.1"]
}

/// The link that a run prints.
fn link(run: &mut Process, name: &str) -> String {
    let row = run.wait_for_line(&format!("{name}\thttp://"), SOON).expect("a link");
    row.split('\t').nth(1).expect("name and link").to_owned()
}

fn get(link: &str) -> String {
    curl(&[link]).expect("an answer").body
}

fn since_boot() -> Duration {
    let text = std::fs::read_to_string("/proc/uptime").expect("readable");
    Duration::from_secs_f64(text.split(' ').next().and_then(|text| text.parse().ok()).expect("seconds"))
}
