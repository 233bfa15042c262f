//! Every failure as `application/problem+json` (RFC 9457): the one map from what went wrong to what the caller
//! reads.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use preview_core::access::Denial;
use preview_core::refusal::{Code, Refusal};
use preview_core::wire::api::Problem;

use super::origin::Alien;
use super::refusals::{Concerns, Refused};
use crate::failure::Failure;

/// Why a call gets no other answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The application says no.
    Failure(Failure),
    /// A page that may not call the API made the request, or it was for another host.
    Alien(Alien),
    /// A part of the request makes no sense: the text names it.
    Invalid(String),
    /// The body is too long.
    TooLarge {
        /// The most bytes it may have.
        most: usize,
    },
    /// The body is not said to be JSON.
    NotJson,
    /// There is no such call.
    NoSuchCall,
    /// There is, but not by this method.
    WrongMethod,
    /// Too many wrong tokens came from there.
    TooManyMisses {
        /// When to try again.
        retry_after: Duration,
    },
    /// Another proxy's visitor is not let in.
    Visit(Denial),
    /// What another proxy's visitor would reach is no longer the attachment's server.
    NotTheServer,
    /// The same, and for whom the call was made.
    Of(Box<Fault>, Concerns),
    /// A handler panicked: our fault, and the log says where.
    Panicked,
}

/// `Result` of a handler.
pub(crate) type Answer<T> = Result<T, Fault>;

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Alien> for Fault {
    fn from(alien: Alien) -> Self {
        Self::Alien(alien)
    }
}

/// A refusal as a fault: for `map_err`, where two conversions would be needed.
pub(crate) fn refused(refusal: impl Into<Refusal>) -> Fault {
    Fault::Failure(Failure::Refused(refusal.into()))
}

impl Fault {
    /// What the caller reads.
    fn problem(&self) -> Problem {
        match self {
            Self::Failure(failure) => problem(failure.code(), failure.to_string(), failure.hint()),
            Self::Alien(alien) => by_code(Code::OriginRefused, alien.to_string()),
            Self::Invalid(what) => by_code(Code::RequestInvalid, what.clone()),
            Self::TooLarge { most } => Problem {
                status: StatusCode::PAYLOAD_TOO_LARGE.as_u16(),
                ..by_code(Code::RequestInvalid, format!("body: it is longer than {most} bytes"))
            },
            Self::NotJson => Problem {
                status: StatusCode::UNSUPPORTED_MEDIA_TYPE.as_u16(),
                hint: "Send the header Content-Type: application/json.".to_owned(),
                ..by_code(Code::RequestInvalid, "content-type: it is not application/json".to_owned())
            },
            Self::NoSuchCall => Problem {
                hint: "The calls are listed in docs/api.md.".to_owned(),
                ..by_code(Code::NotFound, "path: there is no such call here".to_owned())
            },
            Self::WrongMethod => Problem {
                status: StatusCode::METHOD_NOT_ALLOWED.as_u16(),
                hint: "The header Allow names the methods of this path.".to_owned(),
                ..by_code(Code::RequestInvalid, "method: it is none of this path's".to_owned())
            },
            Self::TooManyMisses { .. } => {
                by_code(Code::RateLimited, "token: too many wrong ones came from there".to_owned())
            }
            Self::Of(fault, _) => fault.problem(),
            Self::Visit(denial) => {
                let (code, detail) = by_denial(*denial);
                by_code(code, detail.to_owned())
            }
            Self::NotTheServer => Problem {
                status: StatusCode::FORBIDDEN.as_u16(),
                ..by_code(
                    Code::PortOwnerChanged,
                    "what listens there is not the attachment's server".to_owned(),
                )
            },
            Self::Panicked => Problem {
                kind: "urn:preview:internal".to_owned(),
                title: "The service has a fault.".to_owned(),
                status: StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
                code: "internal".to_owned(),
                detail: "this call failed by a fault of ours; nothing else is touched".to_owned(),
                hint: "Report it with the daemon's log of this moment.".to_owned(),
            },
        }
    }

    /// What goes into headers besides.
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::Failure(Failure::Unauthorized) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"preview\""));
            }
            Self::TooManyMisses { retry_after } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
            }
            Self::Of(fault, _) => headers = fault.headers(),
            Self::Failure(_)
            | Self::Alien(_)
            | Self::Invalid(_)
            | Self::TooLarge { .. }
            | Self::NotJson
            | Self::NoSuchCall
            | Self::WrongMethod
            | Self::Visit(_)
            | Self::NotTheServer
            | Self::Panicked => {}
        }
        headers
    }

    /// For whom the call was made, where its body says so.
    pub(crate) fn concerning(self, session: &str, user: &str) -> Self {
        let concerns = Concerns { session: session.to_owned(), user: user.to_owned() };
        Self::Of(Box::new(self), concerns)
    }

    /// The code, if somebody was refused: not for a request that makes no sense, nor for a fault of ours.
    fn refusal(&self) -> Option<Code> {
        match self {
            Self::Of(fault, _) => fault.refusal(),
            Self::Failure(failure) => Some(failure.code()).filter(|code| {
                let is_senseless =
                    matches!(code, Code::RequestInvalid | Code::NameInvalid | Code::SessionInvalid);
                code.status() < 500 && !is_senseless
            }),
            Self::Alien(_) => Some(Code::OriginRefused),
            Self::TooManyMisses { .. } => Some(Code::RateLimited),
            Self::Visit(denial) => Some(by_denial(*denial).0),
            Self::NotTheServer => Some(Code::PortOwnerChanged),
            Self::Invalid(_)
            | Self::TooLarge { .. }
            | Self::NotJson
            | Self::NoSuchCall
            | Self::WrongMethod
            | Self::Panicked => None,
        }
    }

    /// What only the log is told: the chain of causes, where the fault is ours.
    fn log(&self, status: StatusCode) {
        if let Self::Of(fault, _) = self {
            return fault.log(status);
        }
        let Self::Failure(failure) = self else { return };
        if status.is_server_error() {
            tracing::error!(error = %chain(failure), "call failed");
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let problem = self.problem();
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.log(status);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, self.headers(), Body::from(body)).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        if let Some(code) = self.refusal() {
            response.extensions_mut().insert(Refused(code));
        }
        if let Self::Of(_, concerns) = self {
            response.extensions_mut().insert(concerns);
        }
        response
    }
}

/// Of what a proxy may answer, it knows 401 and 403.
fn by_denial(denial: Denial) -> (Code, &'static str) {
    match denial {
        Denial::Unknown | Denial::Unauthorized => {
            (Code::Unauthorized, "the visit shows no good token or grant")
        }
        Denial::GrantExpired => (Code::GrantExpired, "the visit's grant has ended"),
        Denial::Gone => (Code::GrantExpired, "what the visit's grant was for has ended"),
        Denial::Origin => (Code::OriginRefused, "origin: a page of another origin made the visit"),
        Denial::ReadOnly => (Code::Forbidden, "method: the visit's link lets only look"),
        Denial::ServiceWorker => {
            (Code::Forbidden, "service-worker: it would outlive an attachment whose host name is used again")
        }
    }
}

fn by_code(code: Code, detail: String) -> Problem {
    problem(code, detail, code.cure().to_owned())
}

fn problem(code: Code, detail: String, hint: String) -> Problem {
    Problem {
        kind: format!("urn:preview:{code}"),
        title: code.cause().to_owned(),
        status: code.status(),
        code: code.to_string(),
        detail,
        hint,
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
