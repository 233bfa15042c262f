use serde::{Deserialize, Serialize};

use super::{Timestamp, VisibilityWord};
use crate::share::{Share, Wish};

/// `POST /v1/attachments/{id}/shares`: a link for somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareRequest {
    /// Whom it is for: up to 64 characters.
    #[serde(default)]
    pub label: String,
    /// Whether it lets only look: GET, HEAD, and sockets.
    #[serde(default)]
    pub read_only: bool,
    /// How long it lives, seconds; from a minute to 30 days.
    #[serde(default = "default_ttl")]
    pub ttl_seconds: u64,
}

/// A link that was handed out. Its URL is there only in the answer that hands it out, and `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareView {
    /// Its number within the attachment, to withdraw it by.
    pub number: u32,
    /// Whom it is for.
    pub label: String,
    /// Whether it lets only look.
    pub read_only: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it is refused, and every browser that came in by it.
    pub expires_at: Timestamp,
    /// The URL to hand out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// `GET /v1/attachments/{id}/shares`: those that have not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareList {
    /// In the order they were made.
    pub shares: Vec<ShareView>,
}

/// The answer to `DELETE /v1/attachments/{id}/shares/{number}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unshared {
    /// The number asked for.
    pub number: u32,
    /// Whether there was such a link.
    pub removed: bool,
}

/// `POST /v1/attachments/{id}/visibility`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisibilityRequest {
    /// Who may see it.
    pub visibility: VisibilityWord,
}

impl From<&Share> for ShareView {
    fn from(it: &Share) -> Self {
        Self {
            number: it.number,
            label: it.label.as_str().to_owned(),
            read_only: it.read_only,
            created_at: Timestamp(it.created),
            expires_at: Timestamp(it.expires),
            url: None,
        }
    }
}

const fn default_ttl() -> u64 {
    Wish::DEFAULT.as_secs()
}
