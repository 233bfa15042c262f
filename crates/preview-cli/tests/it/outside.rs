//! The daemon's API from outside, through the real edge, by its own host name.

use anyhow::{Result, ensure};
use xtask::real::curl::{Answer, curl};
use xtask::real::preview::Preview;

const CONFIG: &str = "web_preview:\n  public_url_template: \"http://preview-{port}.localhost:HTTP\"\n  state_dir: STATE\n  \
                      edge: { http: \"localhost:HTTP\", daemon_host: daemon.localhost }\n";

#[test]
fn from_outside_health_is_open_and_everything_else_needs_a_key() -> Result<()> {
    let preview = Preview::up(CONFIG)?;
    let ask =
        |path: &str| -> Result<Answer> { curl(&[format!("http://daemon.localhost:{}{path}", preview.http)]) };
    for path in ["/health", "/ready", "/health/web_preview"] {
        let open = ask(path)?;
        ensure!(open.status == 200 && open.json()?.get("by_user").is_none(), "{path}: {open:?}");
    }
    for path in ["/v1/attachments", "/v1/events", "/v1/tasks/x", "/v1/attachments/x"] {
        let closed = ask(path)?;
        ensure!(closed.status == 401 && closed.json()?["code"] == "unauthorized", "{path}: {closed:?}");
    }
    let feed = ask("/v1/routes")?;
    ensure!(matches!(feed.status, 401 | 404), "the route feed answers outside: {feed:?}");
    Ok(())
}
