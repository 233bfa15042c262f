//! Our end of the wire: what the ACME crate asks goes out by the one HTTP client, and what is no answer of an
//! authority becomes a [`Failure`] here, where status, `Retry-After` and `Date` are still known.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient, Problem};
use preview_core::clock::Wall;

use super::problem::kind;
use crate::cert::Failure;
use crate::clock::wall;
use crate::exchange::{Http, HttpProblem};

/// How far the authority's clock may be from ours: beyond it, certificates seem expired, or not good yet.
const SKEW: Duration = Duration::from_hours(1);
/// How long to wait where a limit is reached and no end of it is told.
const LIMIT: Duration = Duration::from_mins(1);

/// The client that the ACME crate is given.
#[derive(Clone, Debug)]
pub(super) struct Wire(pub(super) Http);

impl HttpClient for Wire {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let wire = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => no(never),
            };
            let answer = wire.ask(Request::from_parts(head, body)).await;
            let (parts, body) = answer.map_err(|failure| Error::Other(Box::new(failure)))?.into_parts();
            Ok(BytesResponse { parts, body: Box::new(body) })
        })
    }
}

impl Wire {
    /// One exchange; an answer is a success, or a refusal that is a problem document (RFC 8555 §6.7).
    pub(super) async fn ask(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        let url = request.uri().to_string();
        let answer = self.0.send(request).await.map_err(|error| match error.problem {
            // Authorities do not show certificates ahead of their time.
            HttpProblem::NotYet(skew) => Failure::ClockWrong(skew),
            _ => Failure::CaTimeout { url, reason: error.to_string() },
        });
        judge(answer?, wall())
    }
}

/// What an answer is worth, read at `now`.
fn judge(answer: Response<Bytes>, now: Wall) -> Result<Response<Bytes>, Failure> {
    let (status, headers) = (answer.status(), answer.headers());
    if let Some(theirs) = headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(moment) {
        let skew = now.since(theirs).max(theirs.since(now));
        if skew > SKEW {
            return Err(Failure::ClockWrong(skew));
        }
    }
    let retry_after = retry_after(headers, now);
    let unavailable = Failure::CaUnavailable { status: status.as_u16(), retry_after };
    let is_page = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_page || status.is_redirection() || status.is_server_error() {
        return Err(unavailable);
    }
    if status.is_success() {
        return Ok(answer);
    }
    let problem = serde_json::from_slice(answer.body()).ok().filter(|it: &Problem| it.r#type.is_some());
    let until = now + retry_after.unwrap_or(LIMIT);
    match problem {
        Some(problem) if status == StatusCode::TOO_MANY_REQUESTS || kind(&problem) == "rateLimited" => {
            Err(limited(&problem, until))
        }
        Some(_) => Ok(answer),
        None if status == StatusCode::TOO_MANY_REQUESTS => {
            Err(Failure::RateLimited { limit: "the authority answers 429".to_owned(), until })
        }
        None => Err(unavailable),
    }
}

/// A limit, or what Let's Encrypt makes of 1,152 failures in a row: a name that is paused until somebody opens a link.
fn limited(problem: &Problem, until: Wall) -> Failure {
    let detail = problem.detail.clone().unwrap_or_default();
    let unpause = detail.split_whitespace().find(|word| word.contains("://") && word.contains("unpause"));
    match unpause {
        Some(url) => {
            Failure::Paused { url: url.trim_matches(['.', ',', '<', '>', '"', '(', ')']).to_owned() }
        }
        None if detail.is_empty() => Failure::RateLimited { limit: "a limit is reached".to_owned(), until },
        None => Failure::RateLimited { limit: detail, until },
    }
}

/// `Retry-After` (RFC 9110 §10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Wall) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = text.parse().map(Duration::from_secs).ok();
    seconds.or_else(|| moment(text).map(|until| until.since(now)))
}

/// A date as HTTP writes it (RFC 9110 §5.6.7).
fn moment(text: &str) -> Option<Wall> {
    let since = SystemTime::from(text.parse::<httpdate::HttpDate>().ok()?).duration_since(UNIX_EPOCH).ok()?;
    Some(Wall::from_secs(since.as_secs()))
}

fn no(never: Infallible) -> ! {
    match never {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fri, 15 Jan 2027 08:00:00 GMT.
    const NOW: Wall = Wall::from_secs(1_800_000_000);

    #[test]
    fn answers_and_problems_pass() {
        for (status, body) in [(200, "{}"), (201, ""), (400, PROBLEM), (404, PROBLEM), (409, PROBLEM)] {
            assert_eq!(judge(answer(status, &[], body), NOW).expect("an answer").body(), body);
        }
    }

    #[test]
    fn a_page_a_redirect_and_a_server_error_are_no_answer_of_an_authority() {
        for (status, headers, body) in [
            (200, &[("content-type", "text/html; charset=utf-8")][..], "<html>sign in</html>"),
            (302, &[("location", "https://portal.example/")], ""),
            (403, &[], "<html>not from here</html>"),
            (502, &[], "<html>bad gateway</html>"),
            (500, &[], PROBLEM),
        ] {
            let failure = judge(answer(status, headers, body), NOW).expect_err(body);
            assert_eq!(failure, Failure::CaUnavailable { status, retry_after: None });
        }
    }

    #[test]
    fn the_wait_that_is_asked_for_is_kept_in_seconds_and_as_a_date() {
        for wait in ["120", "Fri, 15 Jan 2027 08:02:00 GMT"] {
            let failure = judge(answer(503, &[("retry-after", wait)], ""), NOW).expect_err(wait);
            let retry_after = Some(Duration::from_mins(2));
            assert_eq!(failure, Failure::CaUnavailable { status: 503, retry_after }, "{wait}");
            assert_eq!(failure.not_before(NOW), Some(NOW + Duration::from_mins(2)));
        }
    }

    #[test]
    fn a_limit_says_which_and_until_when() {
        let body = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates"}"#;
        let failure = judge(answer(429, &[("retry-after", "3600")], body), NOW).expect_err("a limit");
        let until = NOW + Duration::from_hours(1);
        assert_eq!(failure, Failure::RateLimited { limit: "too many certificates".to_owned(), until });
        let failure = judge(answer(429, &[], "slow down"), NOW).expect_err("a limit");
        assert!(matches!(failure, Failure::RateLimited { until, .. } if until == NOW + LIMIT));
    }

    #[test]
    fn a_paused_name_gives_the_link_that_lifts_the_pause() {
        let body = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"Your account is temporarily prevented from requesting certificates for example.com. Please visit: https://portal.example/sfe/v1/unpause?jwt=abc"}"#;
        let failure = judge(answer(429, &[], body), NOW).expect_err("paused");
        assert_eq!(
            failure,
            Failure::Paused { url: "https://portal.example/sfe/v1/unpause?jwt=abc".to_owned() }
        );
    }

    #[test]
    fn a_clock_that_differs_by_more_than_an_hour_is_found_in_both_directions() {
        for (date, skew) in [("Fri, 15 Jan 2027 05:00:00 GMT", 3), ("Sun, 17 Jan 2027 08:00:00 GMT", 48)] {
            let failure = judge(answer(200, &[("date", date)], "{}"), NOW).expect_err(date);
            assert_eq!(failure, Failure::ClockWrong(Duration::from_hours(skew)));
        }
        judge(answer(200, &[("date", "Fri, 15 Jan 2027 07:30:00 GMT")], "{}"), NOW).expect("within bounds");
    }

    const PROBLEM: &str = r#"{"type":"urn:ietf:params:acme:error:malformed","detail":"no"}"#;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
        let head = Response::builder().status(status);
        let head = headers.iter().fold(head, |head, (name, value)| head.header(*name, *value));
        head.body(Bytes::copy_from_slice(body.as_bytes())).expect("a response")
    }
}
