//! Calls of operators: blocks and the audit trail.

use http::Method;
use preview_core::id::{SessionId, UserId};
use preview_core::wire::api::{BlockList, BlockRequest, BlockView, Unblocked};
use preview_core::wire::audit::AuditPage;

use super::{Client, segment};
use crate::failure::Failure;

/// Which entries of the audit trail to read.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// After this number, the oldest first; absent: the newest.
    pub since: Option<u64>,
    /// Of this session alone.
    pub session: Option<SessionId>,
    /// Of this user alone.
    pub user: Option<UserId>,
    /// Of this action alone.
    pub action: Option<String>,
    /// At most so many.
    pub limit: u32,
}

impl AuditQuery {
    /// So many entries make a page at most.
    pub const MOST: u32 = 1_000;
}

impl Client {
    /// Shuts somebody out.
    pub async fn block(&self, request: &BlockRequest) -> Result<BlockView, Failure> {
        Ok(self.call(Method::POST, "/v1/blocks", Some(request)).await?.1)
    }

    /// Who is shut out.
    pub async fn blocks(&self) -> Result<BlockList, Failure> {
        self.get("/v1/blocks").await
    }

    /// Lets somebody in again.
    pub async fn unblock(&self, kind: &str, value: &str) -> Result<Unblocked, Failure> {
        self.delete(&format!("/v1/blocks/{}/{}", segment(kind), segment(value))).await
    }

    /// A page of the audit trail.
    pub async fn audit(&self, query: &AuditQuery) -> Result<AuditPage, Failure> {
        let since = query.since.map(|number| format!("&since={number}"));
        let session = query.session.as_ref().map(|it| format!("&session_id={}", segment(it.as_str())));
        let user = query.user.as_ref().map(|it| format!("&user_id={}", segment(it.as_str())));
        let action = query.action.as_ref().map(|it| format!("&action={}", segment(it)));
        let rest: String = [since, session, user, action].into_iter().flatten().collect();
        self.get(&format!("/v1/audit?limit={}{rest}", query.limit)).await
    }
}
