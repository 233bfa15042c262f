//! A dev server that dies, and one that somebody else puts in its place.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use xtask::real::{Process, Scratch, poll_for};

use super::stage::Stage;

const SOON: Duration = Duration::from_secs(30);

/// Restarts its server whenever `stop` and `go` say so, so that the task outlives the server.
const SUPERVISED: &str =
    "while :; do [ -e stop ] || python3 -m http.server --bind 127.0.0.1 \"$0\"; sleep 0.1; done";

#[test]
fn a_viewer_waits_for_a_killed_server_and_sees_it_again_by_itself() -> Result<()> {
    let (stage, folder) = supervised()?;
    let mut tab = stage.browser().tab()?;
    tab.go(&stage.link)?;
    tab.wait_for_text("Directory listing")?;

    std::fs::write(folder.join("stop"), "")?;
    kill_server(&folder)?;
    let status = tab.reload()?;
    assert_eq!(status, Some(503), "{}", tab.text()?);
    std::fs::remove_file(folder.join("stop"))?;
    tab.wait_for_text("Directory listing")?;
    drop(tab);
    stage.interrupt()
}

#[test]
fn another_users_process_on_the_port_is_not_served() -> Result<()> {
    let (stage, folder) = supervised()?;
    let mut tab = stage.browser().tab()?;
    tab.go(&stage.link)?;
    tab.wait_for_text("Directory listing")?;

    std::fs::write(folder.join("stop"), "")?;
    let port = kill_server(&folder)?;
    let trap = Scratch::new()?;
    trap.write("stolen.html", "stolen")?;
    let mut squatter = Command::new("setpriv");
    squatter.args([
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        "/usr/bin/python3",
        "-u",
        "-m",
        "http.server",
    ]);
    squatter.args(["--bind", "127.0.0.1", &port.to_string()]).current_dir("/");
    let mut squatter = Process::spawn(&squatter)?;
    squatter.wait_for_port(port, SOON)?;
    for _ in 0..20 {
        assert_eq!(tab.reload()?, Some(503), "{}", tab.text()?);
    }
    let heard = squatter.output();
    assert!(!heard.contains("GET"), "the squatter was served: {heard}");
    drop(tab);
    stage.interrupt()
}

fn supervised() -> Result<(Stage, std::path::PathBuf)> {
    let scratch = Scratch::new()?;
    let folder = scratch.join("app");
    std::fs::create_dir(&folder)?;
    let command = ["sh", "-c", SUPERVISED, "{port}"].map(str::to_owned);
    Ok((Stage::run(scratch, &folder, &command)?, folder))
}

/// Kills the server in `folder` outright; its port.
fn kill_server(folder: &std::path::Path) -> Result<u16> {
    let is_server = |pid: &u32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains("\0http.server\0")
    };
    let find = || xtask::real::tree::working_within(folder).into_iter().find(is_server);
    let pid = find().context("the server runs")?;
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline"))?;
    let port = command.trim_end_matches('\0').rsplit('\0').next().and_then(|word| word.parse().ok());
    Command::new("kill").args(["-9", &pid.to_string()]).status()?;
    poll_for("the server to end", SOON, || find().is_none().then_some(()))?;
    port.context("a port")
}
