//! Who was refused, for the audit trail.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use preview_core::audit::Action;
use preview_core::id::{SessionId, UserId};
use preview_core::refusal::Code;

use super::Shared;
use super::doors::Arrival;
use crate::audit::Note;

/// What an answer says of its refusal, beside what the caller reads. In the extensions of a response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused(pub(crate) Code);

/// As whom a caller acted. In the extensions of a response, if that was found out.
#[derive(Clone, Debug)]
pub(crate) struct ActedAs {
    /// Door, peer and scope.
    pub(crate) asked: Arc<str>,
    /// The session they said they act for.
    pub(crate) session: Option<SessionId>,
    /// The user they said they act for.
    pub(crate) user: Option<UserId>,
}

/// For whom a call was made, where its body says so. In the extensions of a response.
#[derive(Clone, Debug)]
pub(crate) struct Concerns {
    pub(crate) session: String,
    pub(crate) user: String,
}

/// Keeps refusals in the audit trail: never what was asked word for word, which may hold a secret.
pub(crate) async fn keep(
    State(api): State<Shared>,
    arrival: Arrival,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    let extensions = response.extensions();
    let Some(Refused(code)) = extensions.get().copied() else { return response };
    let acted = extensions.get::<ActedAs>();
    let by = acted.map_or_else(|| format!("{} {}", arrival.door, arrival.peer), |it| it.asked.to_string());
    let path = path.unwrap_or_else(|| "no such call".to_owned());
    let action = if path.starts_with("/auth/") { Action::VisitRefused } else { Action::Refused };
    let concerns = extensions.get::<Concerns>().cloned();
    let (session, user) = match (concerns, acted) {
        (Some(Concerns { session, user }), _) => (Some(session), Some(user)),
        (None, Some(it)) => {
            (it.session.as_ref().map(ToString::to_string), it.user.as_ref().map(ToString::to_string))
        }
        (None, None) => (None, None),
    };
    let code = Some(code.to_string());
    let detail = Some(format!("{method} {path}"));
    api.daemon.keep_refusal(Note { session, user, code, detail, ..Note::new(&by, action) });
    response
}
