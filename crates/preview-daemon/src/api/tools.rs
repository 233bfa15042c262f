//! The agent tools of the seed, by name: for whom they act, the platform says in headers, not the agent.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use preview_core::command::Authority;
use preview_core::id::{Name, SessionId, UserId};
use preview_core::wire::api::{AttachRequest, AttachmentList, Detached};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::auth::Acting;
use super::extract::{Json, from_value};
use super::problem::{Answer, Fault, refused};
use crate::daemon::ListFilter;

/// `POST /v1/tools/PreviewProxy`: attach. Its arguments are those of an attach without session and user.
pub(crate) async fn proxy(caller: Acting, Json(mut arguments): Json<Map<String, Value>>) -> Answer<Response> {
    put(&mut arguments, "session_id", session(&caller)?.as_str())?;
    put(&mut arguments, "user_id", user(&caller)?.as_str())?;
    let request: AttachRequest = from_value(Value::Object(arguments))?;
    let (session, user) = (request.session_id.clone(), request.user_id.clone());
    let attached = caller.daemon.attach(&caller.by, request).await;
    let attached = attached.map_err(|failure| Fault::from(failure).concerning(&session, &user))?;
    let status = if attached.replaced { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, axum::Json(attached.view)).into_response())
}

/// The arguments of `PreviewDetach`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DetachArguments {
    name: Option<String>,
}

/// `POST /v1/tools/PreviewDetach`.
pub(crate) async fn detach(
    caller: Acting,
    Json(arguments): Json<DetachArguments>,
) -> Answer<axum::Json<Detached>> {
    let session = session(&caller)?;
    let name =
        arguments.name.map_or_else(|| Ok(Name::unnamed()), |name| Name::new(&name)).map_err(refused)?;
    Ok(axum::Json(caller.daemon.detach_named(&caller.by, session, name).await?))
}

/// The arguments of `PreviewList`: none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListArguments {}

/// `POST /v1/tools/PreviewList`.
pub(crate) async fn list(
    caller: Acting,
    Json(ListArguments {}): Json<ListArguments>,
) -> Answer<axum::Json<AttachmentList>> {
    let filter = ListFilter { session: Some(session(&caller)?), ..ListFilter::default() };
    Ok(axum::Json(caller.daemon.list(&caller.by, &filter)?))
}

/// The session of the header, or the only one that the key covers.
fn session(caller: &Acting) -> Answer<SessionId> {
    match (&caller.session, &caller.by) {
        (Some(session), _) | (None, Authority::Session(session)) => Ok(session.clone()),
        (None, Authority::Admin | Authority::User(_)) => {
            Err(Fault::Invalid("preview-session: the platform must send this header".to_owned()))
        }
    }
}

/// The user of the header, or the only one that the key covers.
fn user(caller: &Acting) -> Answer<UserId> {
    match (&caller.user, &caller.by) {
        (Some(user), _) | (None, Authority::User(user)) => Ok(user.clone()),
        (None, Authority::Admin | Authority::Session(_)) => {
            Err(Fault::Invalid("preview-user: the platform must send this header".to_owned()))
        }
    }
}

/// An agent does not choose for whom it acts.
fn put(arguments: &mut Map<String, Value>, field: &'static str, value: &str) -> Answer<()> {
    match arguments.insert(field.to_owned(), value.into()) {
        None => Ok(()),
        Some(_) => Err(Fault::Invalid(format!(
            "{field}: a tool takes it from the platform's header, not as an argument"
        ))),
    }
}
