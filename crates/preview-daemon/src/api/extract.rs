//! What handlers take from a request; what is wrong with it comes back as a problem that names the field.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::problem::Fault;

/// The most bytes of a body, where a call does not say otherwise.
const BODY_MOST: usize = 64 * 1024;

/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// The most characters of a reason: it repeats what the caller sent.
const REASON_MOST: usize = 400;

/// A JSON body of at most so many bytes.
pub(crate) struct Json<T, const MOST: usize = BODY_MOST>(pub(crate) T);

/// The query, read into a struct.
pub(crate) struct Query<T>(pub(crate) T);

/// What stands in the path, as text.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned, const MOST: usize> FromRequest<S> for Json<T, MOST> {
    type Rejection = Fault;

    async fn from_request(request: Request, _: &S) -> Result<Self, Fault> {
        let said = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !said.is_some_and(is_json) {
            return Err(Fault::NotJson);
        }
        let body = read(request.into_body(), MOST).await?;
        let mut json = serde_json::Deserializer::from_slice(&body);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| invalid("body", &error))?;
        json.end().map_err(|error| Fault::Invalid(format!("body: {error}")))?;
        Ok(Self(value))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        axum::extract::Query::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|rejection| Fault::Invalid(format!("query: {}", reason(&rejection))))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(value)| Self(value))
            .map_err(|rejection| Fault::Invalid(format!("path: {}", reason(&rejection))))
    }
}

/// Reads a JSON value that was put together from several parts of a request.
pub(crate) fn from_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Fault> {
    serde_path_to_error::deserialize(value).map_err(|error| invalid("body", &error))
}

async fn read(body: Body, most: usize) -> Result<Bytes, Fault> {
    let whole = tokio::time::timeout(BODY_WITHIN, Limited::new(body, most).collect()).await;
    match whole {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Fault::TooLarge { most }),
        Ok(Err(_)) => Err(Fault::Invalid("body: it broke off".to_owned())),
        Err(_) => Err(Fault::Invalid(format!("body: it did not arrive within {BODY_WITHIN:?}"))),
    }
}

/// Whether a content type is JSON: `application/json`, or `application/ANYTHING+json`.
fn is_json(said: &str) -> bool {
    let essence = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.starts_with("application/") && essence.ends_with("+json")
}

/// Names the field by its path in the JSON, or the whole where the fault lies in no field.
fn invalid<E: std::fmt::Display>(whole: &str, error: &serde_path_to_error::Error<E>) -> Fault {
    let path = error.path().to_string();
    let place = if matches!(path.as_str(), "." | "?") { whole } else { &path };
    let text = format!("{place}: {}", error.inner());
    Fault::Invalid(text.chars().take(REASON_MOST).collect())
}

/// The innermost cause that an axum rejection has: it names the field.
fn reason(rejection: &dyn std::error::Error) -> String {
    let mut error = rejection;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
