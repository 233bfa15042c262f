use serde::{Deserialize, Serialize};

use super::Timestamp;
use crate::block::{Block, Target};

/// `POST /v1/blocks`: shut a user, session or host name out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockRequest {
    /// `user`, `session` or `host`.
    pub kind: String,
    /// Which one.
    pub value: String,
    /// Why, for the operator alone: up to 256 characters.
    #[serde(default)]
    pub reason: String,
}

/// Somebody who is shut out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockView {
    /// `user`, `session` or `host`.
    pub kind: String,
    /// Which one.
    pub value: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// `GET /v1/blocks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockList {
    /// Users, sessions, hosts, each in the order of their names.
    pub blocks: Vec<BlockView>,
}

/// The answer to `DELETE /v1/blocks/{kind}/{value}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unblocked {
    /// `user`, `session` or `host`.
    pub kind: String,
    /// Which one.
    pub value: String,
    /// Whether it was shut out.
    pub removed: bool,
}

impl From<&Block> for BlockView {
    fn from(it: &Block) -> Self {
        Self {
            kind: it.target.kind().to_owned(),
            value: it.target.value().to_owned(),
            reason: it.reason.as_str().to_owned(),
            since: Timestamp(it.since),
        }
    }
}

impl Unblocked {
    /// The answer for a target.
    #[must_use]
    pub fn of(target: &Target, removed: bool) -> Self {
        Self { kind: target.kind().to_owned(), value: target.value().to_owned(), removed }
    }
}
