//! `edge.unused`: a port that nobody attached is answered by the edge, not by some default page.

use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;

use super::deployment::Deployment;
use super::finding::Finding;

const CHECK: &str = "edge.unused";

/// Ports that probably have no listener (seed: 9999). Two, so that one which is attached after all does no harm.
const UNUSED: [u16; 2] = [9999, 9998];

pub(super) async fn unused(deployment: &Deployment) -> Finding {
    let mut last = None;
    for port in UNUSED {
        let place = deployment.below(&format!("preview-{port}"));
        match status(deployment, &place).await {
            Ok(status @ (StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT)) => {
                return Finding::ok(CHECK, format!("{place}/ answers {}", status.as_u16()));
            }
            Ok(StatusCode::TOO_MANY_REQUESTS) => {
                let fix = "wait a minute and run it again";
                return Finding::warn(CHECK, "the edge answers 429: too many tries from here", fix);
            }
            found => last = Some((place, found)),
        }
    }
    let (place, why) = match last {
        Some((place, Ok(status))) => {
            (place, format!("answers {status}, not 502: a default page, not the edge"))
        }
        Some((place, Err(error))) => (place, error),
        None => return Finding::ok(CHECK, "no port to ask about"),
    };
    let fix = format!(
        "let every name below {} lead to the edge, and nothing else listen there",
        deployment.base.host
    );
    Finding::fail(CHECK, format!("{place}/ {why}"), fix)
}

async fn status(deployment: &Deployment, place: &crate::client::Place) -> Result<StatusCode, String> {
    let request = Request::get("/").body(Full::new(Bytes::new())).map_err(|error| error.to_string())?;
    let answer = deployment.door(place).send(request).await;
    answer.map(|answer| answer.status()).map_err(|error| format!("cannot be asked: {error}"))
}
