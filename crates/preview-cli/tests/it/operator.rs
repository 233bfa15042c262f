//! What an operator does about abuse, and how one knows afterwards who did what.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::real::{EchoServer, Process, Signal, bin, echo, free_port, poll};

use crate::pair::{Pair, SOON, page};

/// Within this a block is in force on every edge.
const AT_ONCE: Duration = Duration::from_secs(1);

#[test]
fn what_is_blocked_is_gone_within_a_second_with_its_sockets_also_after_a_kill_and_back_when_unblocked()
-> Result<()> {
    let mut pair = Pair::start()?;
    let server = EchoServer::start(free_port()?)?;
    let attach = json!({ "session_id": "s", "user_id": "u", "port": server.port() });
    let view = pair.call("POST", "/v1/attachments", Some(&attach))?;
    let url = view["iframe_url"].as_str().context("a link")?.to_owned();
    let host = url.split('/').nth(2).and_then(|it| it.split(':').next()).context("a host")?.to_owned();
    poll("the page", SOON, || Ok((page(&url)? == 200).then_some(())))?;

    for (kind, value) in [("user", "u"), ("session", "s"), ("host", host.as_str())] {
        let mut socket = open_socket(&pair, &url)?;
        preview(&pair, &["block", kind, value, "--reason", "a test"], 0)?;
        let begun = Instant::now();
        poll("the page's end", SOON, || Ok((page(&url)? != 200).then_some(())))?;
        socket.wait_for_line("closed", SOON)?;
        ensure!(begun.elapsed() < AT_ONCE, "{kind}: it took {:?}", begun.elapsed());
        let port = server.port().to_string();
        let refused = preview(&pair, &["attach", &port, "--session", "s", "--user", "u", "--name", "x"], 4);
        let refused = if kind == "host" { String::new() } else { refused? };
        ensure!(kind == "host" || refused.contains(&format!("{kind} {value} is blocked by the operator")));

        pair.kill_daemon()?;
        pair.edge.kill();
        pair.start_daemon()?;
        pair.edge = pair.start_edge()?;
        poll("the edge", SOON, || Ok(page(&url).ok().filter(|status| *status != 503)))?;
        ensure!(page(&url)? != 200, "{kind}: a restart lets nobody in");
        let list = preview(&pair, &["block", "--list"], 0)?;
        ensure!(list.starts_with(&format!("{kind}\t{value}\t")) && list.ends_with("\ta test\n"), "{list}");

        preview(&pair, &["unblock", kind, value], 0)?;
        preview(&pair, &["unblock", kind, value], 3)?;
        let begun = Instant::now();
        poll("the page", SOON, || Ok((page(&url)? == 200).then_some(())))?;
        ensure!(begun.elapsed() < AT_ONCE, "{kind}: back after {:?}", begun.elapsed());
    }
    Ok(())
}

#[test]
fn what_is_blocked_is_gone_on_every_edge_within_a_second_and_back_when_unblocked() -> Result<()> {
    let pair = Pair::start()?;
    let (_second, port) = pair.start_another_edge()?;
    let server = EchoServer::start(free_port()?)?;
    let attach = json!({ "session_id": "s", "user_id": "u", "port": server.port() });
    let view = pair.call("POST", "/v1/attachments", Some(&attach))?;
    let url = view["iframe_url"].as_str().context("a link")?.to_owned();
    let (host, query) = url.trim_start_matches("http://").split_once('/').context("a path")?;
    let host = host.split(':').next().context("a host")?.to_owned();
    let urls = [url.clone(), format!("http://{host}:{port}/{query}")];
    for (kind, value) in [("user", "u"), ("session", "s"), ("host", host.as_str())] {
        let mut sockets = Vec::new();
        for url in &urls {
            poll("the page", SOON, || Ok((page(url)? == 200).then_some(())))?;
            sockets.push(open_socket(&pair, url)?);
        }
        preview(&pair, &["block", kind, value], 0)?;
        let begun = Instant::now();
        for (url, socket) in urls.iter().zip(&mut sockets) {
            poll("the page's end", SOON, || Ok((page(url)? != 200).then_some(())))?;
            socket.wait_for_line("closed", SOON)?;
        }
        ensure!(begun.elapsed() < AT_ONCE, "{kind}: it took {:?}", begun.elapsed());
        preview(&pair, &["unblock", kind, value], 0)?;
    }
    for url in &urls {
        poll("the page", SOON, || Ok((page(url)? == 200).then_some(())))?;
    }
    Ok(())
}

#[test]
fn the_trail_is_read_followed_and_verified_and_a_row_that_is_gone_from_the_file_is_named() -> Result<()> {
    let mut pair = Pair::start()?;
    let mut tail = Process::spawn(&command(&pair, &["audit", "tail", "-f", "--user", "mallory"])?)?;
    let (task, _) = pair.attach_a_task()?;
    preview(&pair, &["block", "session", "evil"], 0)?;
    let denied = json!({ "session_id": "evil", "user_id": "mallory", "port": 3_999, "wait_seconds": 1 });
    pair.call("POST", "/v1/attachments", Some(&denied))?;
    let line = tail.wait_for_line("refused", SOON)?;
    ensure!(line.contains("\tevil\tmallory\t") && line.contains("forbidden"), "{line}");

    let told = preview(&pair, &["audit", "tail"], 0)?;
    let actions: Vec<_> = told.lines().filter_map(|line| line.split('\t').nth(3)).collect();
    ensure!(actions == ["task_started", "attached", "blocked", "refused"], "{told}");
    ensure!(told.contains(&task) && told.contains("api.sock uid "), "{told}");
    let only: Value =
        serde_json::from_str(&preview(&pair, &["audit", "tail", "--action", "blocked", "--json"], 0)?)?;
    ensure!(only["subject"] == "session evil", "{only}");

    let whole = preview(&pair, &["audit", "verify"], 0)?;
    ensure!(whole.starts_with("whole  4 entries\n"), "{whole}");
    let head =
        whole.lines().nth(1).and_then(|line| line.strip_prefix("head   ")).context("a head")?.to_owned();
    preview(&pair, &["audit", "verify", "--seen", &head], 0)?;
    preview(&pair, &["audit", "verify", "--seen", "4:00"], 2)?;

    pair.daemon.signal(Signal::TERM)?;
    pair.daemon.wait(SOON)?;
    tamper(&pair, "DELETE FROM trail WHERE number = 2")?;
    pair.start_daemon()?;
    let broken = preview(&pair, &["audit", "verify"], 1)?;
    ensure!(broken.starts_with("broken  entry 2 is missing; 1 before it fit"), "{broken}");
    let json: Value = serde_json::from_str(&preview(&pair, &["audit", "verify", "--json"], 1)?)?;
    ensure!(json == json!({ "whole": false, "entries": 1, "broken": "entry 2 is missing" }), "{json}");

    // Whoever can write the file can make up a trail that fits: what was noted elsewhere finds it.
    let other = head.replace(|digit: char| digit.is_ascii_lowercase(), "0");
    pair.daemon.signal(Signal::TERM)?;
    pair.daemon.wait(SOON)?;
    tamper(&pair, "DELETE FROM trail; UPDATE trail_ends SET anchor = head, anchor_digest = head_digest")?;
    pair.start_daemon()?;
    preview(&pair, &["audit", "verify", "--seen", &head], 0)?;
    let broken = preview(&pair, &["audit", "verify", "--seen", &other], 1)?;
    ensure!(broken.starts_with("broken  entry 4 was changed"), "{broken}");
    Ok(())
}

/// A WebSocket through the edge, by the link's token, that has echoed a word.
fn open_socket(pair: &Pair, url: &str) -> Result<Process> {
    let words = echo::ws_client(&pair.scratch)?;
    let target = url.replace("http://", "ws://").replace("/?", "/ws?");
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args([&target, "--map", "127.0.0.1"]);
    let mut socket = Process::spawn(&command)?;
    socket.wait_for_line("echoed hello", SOON)?;
    Ok(socket)
}

/// Changes the daemon's file behind its back.
fn tamper(pair: &Pair, statements: &str) -> Result<()> {
    let script =
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.executescript(sys.argv[2]); db.commit()";
    let file = pair.scratch.join("state/preview.db");
    let done = Command::new("python3").args(["-c", script]).arg(file).arg(statements).status()?;
    ensure!(done.success(), "{statements}");
    Ok(())
}

/// Runs `preview` on the pair's daemon; it must end with this code. What it answers, or complains of.
fn preview(pair: &Pair, words: &[&str], code: i32) -> Result<String> {
    let output = command(pair, words)?.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(code), "preview {words:?}: {}\n{text}{complaint}", output.status);
    Ok(if text.is_empty() { complaint } else { text })
}

fn command(pair: &Pair, words: &[&str]) -> Result<Command> {
    let mut command = Command::new(bin("preview")?);
    command.args(words).arg("--config").arg(pair.scratch.join("config.yaml"));
    command.current_dir(pair.scratch.path()).env("HOME", pair.scratch.path());
    Ok(command)
}
