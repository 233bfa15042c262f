//! From what a person calls an attachment to the attachment.

use preview_core::id::{AttachmentId, SessionId};
use preview_core::refusal::Code;
use preview_core::wire::api::AttachmentView;

use super::Client;
use crate::failure::Failure;

/// How alike names must be for one to be meant by the other (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.8;

/// An attachment that was found, and what stands beside it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The attachment.
    pub view: AttachmentView,
    /// All attachments of its session, itself too.
    pub session: Vec<AttachmentView>,
}

impl Client {
    /// The attachment that the session calls by this name, or that has this id.
    pub async fn find(&self, session: &SessionId, name: &str) -> Result<Found, Failure> {
        let all = self.list(None).await?;
        let is_id = name.parse::<AttachmentId>().is_ok();
        let own = |view: &&AttachmentView| view.session_id == session.as_str();
        let found = all
            .iter()
            .filter(own)
            .find(|view| view.name == name)
            .or_else(|| all.iter().find(|view| is_id && view.id == name));
        match found {
            Some(view) => Ok(Found {
                view: view.clone(),
                session: all.iter().filter(|it| it.session_id == view.session_id).cloned().collect(),
            }),
            None => Err(not_found(session, name, &all)),
        }
    }
}

fn not_found(session: &SessionId, name: &str, all: &[AttachmentView]) -> Failure {
    let detail = format!("no attachment {name:?} in session {session}");
    let own = || all.iter().filter(|view| view.session_id == session.as_str());
    let near = own()
        .map(|view| (strsim::jaro_winkler(&view.name, name), &view.name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let elsewhere = all.iter().find(|view| view.name == name);
    let hint = match (near, elsewhere) {
        (Some((_, near)), _) => format!("did you mean {near}?"),
        (None, Some(view)) => format!("session {0} has one: add --session {0}", view.session_id),
        (None, None) if own().next().is_none() => {
            "nothing is attached here: `preview attach PORT`".to_owned()
        }
        (None, None) => {
            let names: Vec<_> = own().map(|view| view.name.as_str()).collect();
            format!("there are {}", names.join(", "))
        }
    };
    Failure::found(Code::NotFound, detail, hint)
}
