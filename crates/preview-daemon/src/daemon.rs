//! What can be asked of the daemon, whichever door the asking came through.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use preview_core::access::{Decision, Visit};
use preview_core::command::Authority;
use preview_core::id::{AttachmentId, Name, SessionId, TaskId, UserId};
use preview_core::route::Route;
use preview_core::wire::api::{
    AttachRequest, AttachmentList, AttachmentView, Detached, ModuleHealth, SessionEnded, TaskRequest,
    TaskView, TokenCheck, TokenVerified,
};
use preview_core::wire::events::EventView;
use preview_core::wire::watch::{ActivityReport, FeedLine, ListenerAdmitted, ListenerSeen};

use crate::config::Config;
use crate::failure::Failure;

/// The daemon; cheap to clone.
#[derive(Clone)]
pub struct Daemon {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
}

/// The answer to an attach.
#[derive(Clone, Debug)]
pub struct Attached {
    /// The attachment, with its token.
    pub view: AttachmentView,
    /// Whether its name was in use before: 200 instead of 201.
    pub replaced: bool,
}

/// Which attachments to list, and from where on.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Of this session.
    pub session: Option<SessionId>,
    /// Of this user.
    pub user: Option<UserId>,
    /// After this one.
    pub after: Option<AttachmentId>,
}

/// Which events to tell.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of this session alone.
    pub session: Option<SessionId>,
    /// Of this user alone.
    pub user: Option<UserId>,
}

/// A request that another proxy asks about.
#[derive(Clone, Debug)]
pub struct VisitAsked<'a> {
    /// The host name it was for: lower case, without port.
    pub host: &'a str,
    /// The request.
    pub visit: Visit<'a>,
    /// Values of the cookies that may hold a grant, and whether each is the unpartitioned one.
    pub cookies: &'a [(&'a str, bool)],
}

/// What to tell the other proxy.
#[derive(Clone, Debug)]
pub struct VisitAnswer {
    /// The decision.
    pub decision: Decision,
    /// The route, if the host name has one.
    pub route: Option<Route>,
    /// The cookie value of a grant to be set, sealed for that host.
    pub grant: Option<String>,
}

impl Daemon {
    /// How it is configured.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Whether the caller may act in this session and for this user; a session that is not bound yet is anybody's
    /// who may act for its user. `Forbidden` if not: what headers, queries and paths name is held against it.
    pub async fn check_scope(
        &self,
        by: &Authority,
        session: Option<&SessionId>,
        user: Option<&UserId>,
    ) -> Result<(), Failure> {
        let _ = (by, session, user);
        Ok(())
    }

    /// Makes a listener public, or moves a name to it.
    pub async fn attach(&self, by: &Authority, request: AttachRequest) -> Result<Attached, Failure> {
        let _ = (by, request);
        Err(Failure::not_found("attachment"))
    }

    /// Takes an attachment down; its tied task ends with it.
    pub async fn detach(&self, by: &Authority, id: AttachmentId) -> Result<Detached, Failure> {
        let _ = (by, id);
        Err(Failure::not_found("attachment"))
    }

    /// Takes down what the session calls by this name; an unknown name is `removed: false` (seed).
    pub async fn detach_named(
        &self,
        by: &Authority,
        session: SessionId,
        name: Name,
    ) -> Result<Detached, Failure> {
        let _ = (by, session, name);
        Err(Failure::not_found("attachment"))
    }

    /// A page of the attachments that the caller may know of, in the order of their ids.
    pub async fn list(&self, by: &Authority, filter: &ListFilter) -> Result<AttachmentList, Failure> {
        let _ = (by, filter);
        Err(Failure::not_found("attachment"))
    }

    /// One attachment.
    pub async fn show(&self, by: &Authority, id: AttachmentId) -> Result<AttachmentView, Failure> {
        let _ = (by, id);
        Err(Failure::not_found("attachment"))
    }

    /// Ends a session: all its attachments, all its tasks.
    pub async fn end_session(&self, by: &Authority, session: SessionId) -> Result<SessionEnded, Failure> {
        let _ = (by, session);
        Err(Failure::not_found("attachment"))
    }

    /// Hands out a new token; the old one has a minute left.
    pub async fn rotate(&self, by: &Authority, id: AttachmentId) -> Result<AttachmentView, Failure> {
        let _ = (by, id);
        Err(Failure::not_found("attachment"))
    }

    /// Puts every browser out, and hands out a new token.
    pub async fn revoke(&self, by: &Authority, id: AttachmentId) -> Result<AttachmentView, Failure> {
        let _ = (by, id);
        Err(Failure::not_found("attachment"))
    }

    /// Lets silence start anew.
    pub async fn keep_alive(&self, by: &Authority, id: AttachmentId) -> Result<AttachmentView, Failure> {
        let _ = (by, id);
        Err(Failure::not_found("attachment"))
    }

    /// Says whether a token is one of that session: `Unauthorized` if not.
    pub async fn verify_token(&self, check: &TokenCheck) -> Result<TokenVerified, Failure> {
        let _ = check;
        Err(Failure::Unauthorized)
    }

    /// Starts a dev server as a task.
    pub async fn start_task(&self, by: &Authority, request: TaskRequest) -> Result<TaskView, Failure> {
        let _ = (by, request);
        Err(Failure::not_found("task"))
    }

    /// One task.
    pub async fn task(&self, by: &Authority, id: &TaskId) -> Result<TaskView, Failure> {
        let _ = (by, id);
        Err(Failure::not_found("task"))
    }

    /// A task's output so far; with `follow`, also what comes until it ends.
    pub async fn task_logs(
        &self,
        by: &Authority,
        id: &TaskId,
        follow: bool,
    ) -> Result<BoxStream<'static, Bytes>, Failure> {
        let _ = (by, id, follow);
        Err(Failure::not_found("task"))
    }

    /// Ends a task with its whole tree.
    pub async fn end_task(&self, by: &Authority, id: &TaskId) -> Result<TaskView, Failure> {
        let _ = (by, id);
        Err(Failure::not_found("task"))
    }

    /// Events after `since` that are still kept (all of them if absent: none of the past), then those to come.
    pub async fn events_since(
        &self,
        by: &Authority,
        filter: EventFilter,
        since: Option<u64>,
    ) -> Result<BoxStream<'static, EventView>, Failure> {
        let _ = (by, filter, since);
        Err(Failure::not_found("session"))
    }

    /// The route feed: from `since` if that can be resumed, else from a snapshot.
    pub async fn routes_since(&self, since: Option<u64>) -> Result<BoxStream<'static, FeedLine>, Failure> {
        let _ = since;
        Err(Failure::not_found("session"))
    }

    /// Takes an edge's report of who visited what.
    pub async fn record_activity(&self, report: &ActivityReport) -> Result<(), Failure> {
        let _ = report;
        Ok(())
    }

    /// Looks who listens at an attachment's port now, and records it if it is still the attachment's server.
    pub async fn check_listener(
        &self,
        id: AttachmentId,
        seen: ListenerSeen,
    ) -> Result<ListenerAdmitted, Failure> {
        let _ = (id, seen);
        Err(Failure::not_found("attachment"))
    }

    /// Counts; by user for admins only. `by` is absent for callers without a key.
    pub async fn module_health(&self, by: Option<&Authority>) -> Result<ModuleHealth, Failure> {
        let _ = by;
        Err(Failure::not_found("attachment"))
    }

    /// Whether it can take changes now.
    pub async fn ready(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// Decides for another proxy whether a visit is let in.
    pub async fn verify_visit(&self, asked: VisitAsked<'_>) -> Result<VisitAnswer, Failure> {
        let _ = asked;
        Err(Failure::Unauthorized)
    }
}
