//! The daemon's API as a caller has it: one method for each call, refusals as failures with their code.

mod door;
mod name;
mod operator;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use preview_core::id::SessionId;
use preview_core::refusal::Code;
use preview_core::wire::VisibilityWord;
use preview_core::wire::api::{
    AttachRequest, AttachmentList, AttachmentView, Detached, Health, ModuleHealth, Problem, SessionEnded,
    ShareList, ShareRequest, ShareView, TaskRequest, TaskView, Unshared, VisibilityRequest,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::timeout;

pub use door::{Door, DoorError, Https, Place};
pub use name::Found;
pub use operator::AuditQuery;

use crate::failure::Failure;

/// Bytes of an answer that are read; a page of attachments is some hundred kilobytes.
const ANSWER_MOST: usize = 16 << 20;

/// How long a daemon may take to say that it lives.
const HEALTH: Duration = Duration::from_secs(5);

/// What stands in a path segment as it is (RFC 3986 §3.3, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A caller of one daemon. `Debug` does not show the key.
#[derive(Clone)]
pub struct Client {
    door: Door,
    key: Option<String>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("door", &self.door).field("has_key", &self.key.is_some()).finish()
    }
}

impl Client {
    /// Of the daemon behind this socket.
    #[must_use]
    pub const fn at_socket(path: PathBuf) -> Self {
        Self { door: Door::Unix(path), key: None }
    }

    /// Of the daemon at this URL, with a bearer key.
    pub fn at_url(url: &str, key: Option<String>) -> Result<Self, Failure> {
        Ok(Self { door: Door::Tcp(Place::parse(url)?, Https::default()), key })
    }

    /// Where the daemon is.
    #[must_use]
    pub const fn door(&self) -> &Door {
        &self.door
    }

    /// Whether the daemon answers.
    pub async fn health(&self) -> Result<Health, Failure> {
        timeout(HEALTH, self.get("/health")).await.unwrap_or_else(|_| {
            let detail = format!("{} takes connections and does not answer", self.door);
            Err(Failure::found(Code::DaemonUnreachable, detail, "look at its log, or start it again"))
        })
    }

    /// Counts and limits.
    pub async fn module_health(&self) -> Result<ModuleHealth, Failure> {
        self.get("/health/web_preview").await
    }

    /// Makes a listener public. The flag says whether the name was in use.
    pub async fn attach(&self, request: &AttachRequest) -> Result<(AttachmentView, bool), Failure> {
        let (status, view) = self.call(Method::POST, "/v1/attachments", Some(request)).await?;
        Ok((view, status == StatusCode::OK))
    }

    /// All attachments that the caller may know of, or those of one session.
    pub async fn list(&self, session: Option<&SessionId>) -> Result<Vec<AttachmentView>, Failure> {
        let filter = session.map(|session| format!("session_id={}", segment(session.as_str())));
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let after = cursor.map(|cursor| format!("cursor={}", segment(&cursor)));
            let query = [filter.clone(), after].into_iter().flatten().collect::<Vec<_>>().join("&");
            let page: AttachmentList = self.get(&format!("/v1/attachments?{query}")).await?;
            all.extend(page.attachments);
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }

    /// One attachment.
    pub async fn show(&self, id: &str) -> Result<AttachmentView, Failure> {
        self.get(&format!("/v1/attachments/{}", segment(id))).await
    }

    /// Takes an attachment down.
    pub async fn detach(&self, id: &str) -> Result<Detached, Failure> {
        self.delete(&format!("/v1/attachments/{}", segment(id))).await
    }

    /// Ends a session.
    pub async fn end_session(&self, session: &SessionId) -> Result<SessionEnded, Failure> {
        self.delete(&format!("/v1/sessions/{}", segment(session.as_str()))).await
    }

    /// Hands out a new token.
    pub async fn rotate(&self, id: &str) -> Result<AttachmentView, Failure> {
        self.post(&format!("/v1/attachments/{}/rotate", segment(id))).await
    }

    /// Puts every browser out.
    pub async fn revoke(&self, id: &str) -> Result<AttachmentView, Failure> {
        self.post(&format!("/v1/attachments/{}/revoke", segment(id))).await
    }

    /// Hands out a link for somebody else.
    pub async fn share(&self, id: &str, request: &ShareRequest) -> Result<ShareView, Failure> {
        let path = format!("/v1/attachments/{}/shares", segment(id));
        Ok(self.call(Method::POST, &path, Some(request)).await?.1)
    }

    /// The links for others that have not ended.
    pub async fn shares(&self, id: &str) -> Result<ShareList, Failure> {
        self.get(&format!("/v1/attachments/{}/shares", segment(id))).await
    }

    /// Withdraws a link.
    pub async fn unshare(&self, id: &str, number: u32) -> Result<Unshared, Failure> {
        self.delete(&format!("/v1/attachments/{}/shares/{number}", segment(id))).await
    }

    /// Changes who may see an attachment.
    pub async fn set_visibility(&self, id: &str, to: VisibilityWord) -> Result<AttachmentView, Failure> {
        let path = format!("/v1/attachments/{}/visibility", segment(id));
        let request = VisibilityRequest { visibility: to };
        Ok(self.call(Method::POST, &path, Some(&request)).await?.1)
    }

    /// Starts a task.
    pub async fn start_task(&self, request: &TaskRequest) -> Result<TaskView, Failure> {
        Ok(self.call(Method::POST, "/v1/tasks", Some(request)).await?.1)
    }

    /// One task.
    pub async fn task(&self, id: &str) -> Result<TaskView, Failure> {
        self.get(&format!("/v1/tasks/{}", segment(id))).await
    }

    /// Ends a task with its whole tree.
    pub async fn end_task(&self, id: &str) -> Result<TaskView, Failure> {
        self.delete(&format!("/v1/tasks/{}", segment(id))).await
    }

    /// A task's output so far; with `follow`, also what comes until it ends.
    pub async fn task_logs(&self, id: &str, follow: bool) -> Result<Incoming, Failure> {
        let query = if follow { "?follow=true" } else { "" };
        let path = format!("/v1/tasks/{}/logs{query}", segment(id));
        let answer = self.send::<()>(Method::GET, &path, None).await?;
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        Err(self.refused(answer).await)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        Ok(self.call::<(), T>(Method::GET, path, None).await?.1)
    }

    async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        Ok(self.call::<(), T>(Method::POST, path, None).await?.1)
    }

    async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        Ok(self.call::<(), T>(Method::DELETE, path, None).await?.1)
    }

    async fn call<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<(StatusCode, T), Failure> {
        let answer = self.send(method, path, body).await?;
        let status = answer.status();
        if !status.is_success() {
            return Err(self.refused(answer).await);
        }
        let bytes = self.whole(answer.into_body()).await?;
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            Failure::Garbled(format!("{} answered {path} with something unexpected: {error}", self.door))
        })?;
        Ok((status, value))
    }

    async fn send<B: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let bytes = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                serde_json::to_vec(body)
                    .map_err(|error| Failure::Garbled(format!("the request cannot be written: {error}")))?
            }
            None => Vec::new(),
        };
        let request = request.body(Full::new(Bytes::from(bytes))).map_err(|error| {
            Failure::usage(format!("the request cannot be made: {error}"), "check $PREVIEW_KEY")
        })?;
        self.door.send(request).await.map_err(|error| self.unreachable(&error))
    }

    async fn whole(&self, body: Incoming) -> Result<Bytes, Failure> {
        let whole = Limited::new(body, ANSWER_MOST).collect().await;
        whole.map(http_body_util::Collected::to_bytes).map_err(|error| {
            Failure::found(
                Code::DaemonUnreachable,
                format!("{} broke off its answer: {error}", self.door),
                "",
            )
        })
    }

    async fn refused(&self, answer: Response<Incoming>) -> Failure {
        let status = answer.status();
        let bytes = match self.whole(answer.into_body()).await {
            Ok(bytes) => bytes,
            Err(failure) => return failure,
        };
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Failure::Refused(Box::new(problem)),
            Err(_) => Failure::Garbled(format!("{} answered {status}, and does not say why", self.door)),
        }
    }

    fn unreachable(&self, error: &DoorError) -> Failure {
        let hint = match self.door {
            Door::Unix(_) => "start it: `preview up`; or let `preview run -- CMD` bring its own",
            Door::Tcp(..) => {
                "check the URL, and that the daemon listens there (api.listen or edge.daemon_host)"
            }
        };
        let detail = match (&self.door, error) {
            // Without one there is no socket, or one that an earlier daemon left behind.
            (Door::Unix(_), DoorError::Connect(error))
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
            {
                format!("no daemon runs at {}", self.door)
            }
            _ => format!("no daemon answers at {}: {error}", self.door),
        };
        Failure::found(Code::DaemonUnreachable, detail, hint)
    }
}

fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown() {
        let client = Client::at_url("https://d.example", Some("s3cret".into())).expect("a URL");
        let shown = format!("{client:?}");
        assert!(!shown.contains("s3cret") && shown.contains("has_key: true"), "{shown}");
    }
}
