//! The parts of the rehearsal: each starts what it needs, and ends it.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::link::Link;
use crate::real::preview::Preview;
use crate::real::{
    EchoServer, Process, Scratch, bin, curl::curl, free_port, http_server, poll, poll_for, tree,
};

/// A part.
pub struct Part {
    pub name: &'static str,
    pub play: fn() -> Result<()>,
}

/// All of them, in the order of the seed.
pub const PARTS: &[Part] = &[
    Part { name: "a directory listing through the edge, on a .localhost name", play: listing_on_localhost },
    Part {
        name: "the seed's own http template: 502 without a token, the listing with it",
        play: seeds_template,
    },
    Part { name: "the seed's step 5 as it stands, under access.mode open", play: open_as_in_the_seed },
    Part { name: "https under the wildcard name, and 301 with path and query", play: https_and_redirect },
    Part { name: "a WebSocket echoes through HTTP/1.1 and through HTTP/2", play: websockets },
    Part { name: "an event arrives before the next one is sent", play: events },
    Part { name: "502 on a port without listener and on one that is not attached", play: unattached },
    Part { name: "the sixth attachment of a session is refused", play: sixth },
    Part { name: "detaching ends the URL and its sockets within a second", play: detach },
    Part { name: "a preview that nobody visits is taken down, and its task with it", play: idle },
];

const SOON: Duration = Duration::from_secs(30);
const LOCALHOST: &str = "http://preview-{port}.localhost:HTTP";
const SEED: &str = "http://preview-{port}.preview.digitorn.cloud:HTTP";
const SEED_TLS: &str = "https://preview-{port}.preview.digitorn.cloud:HTTPS";

fn listing_on_localhost() -> Result<()> {
    let (preview, server) = (up(LOCALHOST, "")?, Listing::start()?);
    let link = Link::new(&preview.link(server.port, "listing")?)?;
    ensure!(link.open()?.body.contains("Directory listing"), "no listing");
    let again = link.get("/within/")?;
    ensure!(again.body.contains("hello.txt"), "the cookie does not let in: {again:?}");
    Ok(())
}

fn seeds_template() -> Result<()> {
    let (preview, server) = (up(SEED, "")?, Listing::start()?);
    let link = Link::new(&preview.link(server.port, "listing")?)?;
    let stranger = link.as_stranger()?;
    ensure!(stranger.status == 502, "a stranger gets {}", stranger.status);
    ensure!(link.open()?.body.contains("Directory listing"), "no listing");
    Ok(())
}

fn open_as_in_the_seed() -> Result<()> {
    let (preview, server) = (up(SEED, "  access: { mode: open }")?, Listing::start()?);
    let link = Link::new(&preview.link(server.port, "listing")?)?;
    ensure!(link.as_stranger()?.body.contains("Directory listing"), "no listing");
    Ok(())
}

fn https_and_redirect() -> Result<()> {
    let (preview, server) = (up(SEED_TLS, "")?, Listing::start()?);
    let link = Link::new(&preview.link(server.port, "listing")?)?;
    let page = link.open()?;
    ensure!(page.headers.starts_with("HTTP/2 200"), "no HTTP/2: {}", page.headers);
    ensure!(page.body.contains("Directory listing"), "no listing");

    let host = format!("preview-{}.preview.digitorn.cloud", server.port);
    let plain = format!("http://{host}:{}/a/b?c=d", preview.http);
    let resolve = format!("{host}:{}:127.0.0.1", preview.http);
    let moved = curl(&["--resolve", &resolve, &plain])?;
    let wanted = format!("https://{host}:{}/a/b?c=d", preview.https);
    ensure!(moved.status == 301 && moved.header("location") == Some(&wanted), "{moved:?}");
    Ok(())
}

fn websockets() -> Result<()> {
    let (preview, port) = (up(SEED_TLS, "")?, free_port()?);
    let _echo = EchoServer::start(port)?;
    let link = Link::new(&preview.link(port, "echo")?)?;
    link.open()?;
    link.socket(false).context("through HTTP/1.1")?;
    link.socket(true).context("through HTTP/2")?;
    Ok(())
}

fn events() -> Result<()> {
    let (preview, port) = (up(LOCALHOST, "")?, free_port()?);
    let _echo = EchoServer::start(port)?;
    let link = Link::new(&preview.link(port, "echo")?)?;
    let url = format!("{}&unused=1", preview_path(&preview.link(port, "echo")?, "/sse"));
    let mut stream =
        Process::spawn_line(&["curl", "--silent", "--no-buffer", &url], preview.scratch().path())?;
    stream.wait_for_line("data: first", SOON)?;
    ensure!(!stream.output().contains("tick"), "the second event came by itself");
    link.open()?;
    curl(&["--request", "POST", &format!("http://127.0.0.1:{port}/tick")])?;
    stream.wait_for_line("data: tick", SOON)?;
    Ok(())
}

fn unattached() -> Result<()> {
    let (preview, server) = (up(LOCALHOST, "")?, Listing::start()?);
    let ask = |port: u16| curl(&[format!("http://preview-{port}.localhost:{}/", preview.http)]);
    let (listens, empty) = (ask(server.port)?, ask(free_port()?)?);
    ensure!((listens.status, empty.status) == (502, 502), "{} and {}", listens.status, empty.status);
    ensure!(listens.body == empty.body, "a stranger can tell them apart");
    Ok(())
}

fn sixth() -> Result<()> {
    let preview = up(LOCALHOST, "")?;
    let servers: Vec<Listing> = (0..6).map(|_| Listing::start()).collect::<Result<_>>()?;
    for (n, server) in servers.iter().take(5).enumerate() {
        preview.attach(server.port, &format!("n{n}"))?;
    }
    let body =
        serde_json::json!({ "session_id": "s", "user_id": "u", "port": servers[5].port, "name": "n5" });
    let refused = preview.call("POST", "/v1/attachments", Some(&body))?;
    ensure!(refused.status == 429 && refused.json()?["code"] == "limit_session", "{refused:?}");
    Ok(())
}

fn detach() -> Result<()> {
    let (preview, port) = (up(LOCALHOST, "")?, free_port()?);
    let _echo = EchoServer::start(port)?;
    let link = Link::new(&preview.link(port, "echo")?)?;
    link.open()?;
    let mut socket = link.socket(false)?;
    let begun = Instant::now();
    let gone = preview.call("DELETE", "/v1/sessions/s/attachments/echo", None)?;
    ensure!(gone.json()?["removed"] == true, "{gone:?}");
    poll("the URL to end", SOON, || Ok((link.as_stranger()?.status == 502).then_some(())))?;
    socket.wait_for_line("closed", SOON)?;
    let took = begun.elapsed();
    ensure!(took < Duration::from_secs(1), "it took {took:?}");
    Ok(())
}

fn idle() -> Result<()> {
    let scratch = Scratch::new()?;
    let config = format!(
        "web_preview:\n  state_dir: {}\n  idle: {{ after: 5s, warn: 1s }}\n",
        scratch.join("state").display()
    );
    let config = scratch.write("config.yaml", config)?.display().to_string();
    let binary = bin("preview")?.display().to_string();
    let words = [&binary, "run", "--config", &config, "--", "python3", "-m", "http.server", "{port}"];
    let mut run = Process::spawn(Command::new(words[0]).args(&words[1..]).current_dir(scratch.path()))?;
    run.wait_for_line("?session_id=", SOON)?;
    let server = || tree::table().into_iter().find(|row| is_server_of(row.pid, &scratch)).map(|row| row.pid);
    let pid = server().context("the server runs")?;
    poll_for("the task to end", SOON, || (!tree::is_alive(pid)).then_some(()))?;
    Ok(())
}

/// `preview up` with a template and further lines of configuration.
fn up(template: &str, more: &str) -> Result<Preview> {
    let https = if template.starts_with("https") { "\"localhost:HTTPS\"" } else { "null" };
    Preview::up(&format!(
        "web_preview:\n  public_url_template: \"{template}\"\n  state_dir: STATE\n  edge: {{ http: \"localhost:HTTP\", https: {https} }}\n{more}\n"
    ))
}

/// The link `url` with another path.
fn preview_path(url: &str, path: &str) -> String {
    url.replacen("/?", &format!("{path}?"), 1)
}

/// Whether a process is the server in `scratch`, and not the `preview run` that names it too.
fn is_server_of(pid: u32, scratch: &Scratch) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command);
    tree::working_within(scratch.path()).contains(&pid)
        && command.contains("\0http.server\0")
        && !command.contains("\0run\0")
}

/// The seed's fake dev server.
struct Listing {
    port: u16,
    _scratch: Scratch,
    _server: Process,
}

impl Listing {
    fn start() -> Result<Self> {
        let scratch = Scratch::new()?;
        scratch.write("within/hello.txt", "hello")?;
        let port = free_port()?;
        let server = http_server::start(scratch.path(), port)?;
        Ok(Self { port, _scratch: scratch, _server: server })
    }
}
