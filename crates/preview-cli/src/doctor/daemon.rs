//! `daemon.health` and `module.health`: the daemon answers, and previews are switched on in it.

use http::Request;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use preview_core::wire::api::ModuleHealth;
use serde_json::Value;

use super::deployment::Deployment;
use super::finding::Finding;

/// Bytes of a health answer that are read.
const MOST: usize = 1 << 20;

pub(super) async fn health(deployment: &Deployment) -> Finding {
    const CHECK: &str = "daemon.health";
    let place = &deployment.daemon;
    match json(deployment, "/health").await {
        Ok(answer) => {
            let status = answer.get("status").and_then(Value::as_str).unwrap_or("it answers");
            Finding::ok(CHECK, format!("{place}/health: {status}"))
        }
        Err(why) => {
            let fix = "start the daemon, and let its host name lead to it (edge.daemon_host or api.listen)";
            Finding::fail(CHECK, format!("{place}/health: {why}"), fix)
        }
    }
}

pub(super) async fn module(deployment: &Deployment) -> Finding {
    const CHECK: &str = "module.health";
    let place = &deployment.daemon;
    let answer = json(deployment, "/health/web_preview").await;
    let health = answer.and_then(|answer| {
        serde_json::from_value::<ModuleHealth>(answer)
            .map_err(|error| format!("not a module's health: {error}"))
    });
    match health {
        Ok(it) if it.module_id == "web_preview" && it.status == "ok" => {
            let limits = it.limits;
            let (session, user) = (limits.max_per_session, limits.max_per_user);
            Finding::ok(
                CHECK,
                format!("{} attached, at most {session} a session and {user} a user", it.count),
            )
        }
        Ok(it) => {
            let fix = "look at the daemon's log for what it lacks";
            Finding::fail(CHECK, format!("module {} is {}", it.module_id, it.status), fix)
        }
        Err(why) => {
            let fix = "check that this is the daemon's URL, and web_preview.enabled in its configuration";
            Finding::fail(CHECK, format!("{place}/health/web_preview: {why}"), fix)
        }
    }
}

/// The JSON object at a path of the daemon, or why there is none.
async fn json(deployment: &Deployment, path: &str) -> Result<Value, String> {
    let request = Request::get(path).body(Full::new(Bytes::new())).map_err(|error| error.to_string())?;
    let answer =
        deployment.door(&deployment.daemon).send(request).await.map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("answers {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), MOST).collect().await.map_err(|error| error.to_string())?;
    // A default page answers 200 as well.
    serde_json::from_slice(&body.to_bytes()).map_err(|_| "answers something that is not JSON".to_owned())
}
