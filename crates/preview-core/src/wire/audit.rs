//! The audit trail as clients get it (`docs/audit.md`).

use serde::{Deserialize, Serialize};

use super::Timestamp;
use crate::audit::{Digest, Entry, Link, Sealed};

/// `GET /v1/audit`: entries in the order of their numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// The last entry that was pruned, which the oldest kept one follows; for admins only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<LinkView>,
    /// The entry that the trail ends with; for admins only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<LinkView>,
    /// The entries.
    pub entries: Vec<EntryView>,
}

/// A place in the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// The entry's number; 0 before the first.
    pub number: u64,
    /// Its digest, 64 hex digits.
    pub digest: String,
}

/// One entry. What is null was not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryView {
    /// Its number, without gaps.
    pub number: u64,
    /// When.
    pub time: Timestamp,
    /// Who: the door, the peer there, and the scope they act in.
    pub by: String,
    /// What was done or refused.
    pub action: String,
    /// The session it concerns.
    pub session_id: Option<String>,
    /// The user it concerns.
    pub user_id: Option<String>,
    /// The attachment, task, or target of a block.
    pub subject: Option<String>,
    /// The code of a refusal.
    pub code: Option<String>,
    /// What else there is to say.
    pub detail: Option<String>,
    /// How often, within a minute.
    pub count: u64,
    /// The digest, 64 hex digits.
    pub digest: String,
}

impl From<&Sealed> for EntryView {
    fn from(it: &Sealed) -> Self {
        let entry = it.entry.clone();
        Self {
            number: entry.number,
            time: Timestamp(entry.at),
            by: entry.by,
            action: entry.action,
            session_id: entry.session,
            user_id: entry.user,
            subject: entry.subject,
            code: entry.code,
            detail: entry.detail,
            count: entry.count,
            digest: it.digest.to_string(),
        }
    }
}

impl From<EntryView> for Sealed {
    /// A digest that is none becomes one that fits nothing.
    fn from(it: EntryView) -> Self {
        let entry = Entry {
            number: it.number,
            at: it.time.0,
            by: it.by,
            action: it.action,
            session: it.session_id,
            user: it.user_id,
            subject: it.subject,
            code: it.code,
            detail: it.detail,
            count: it.count,
        };
        Self { entry, digest: Digest::parse(&it.digest).unwrap_or(Digest::from_bytes([0; 32])) }
    }
}

impl From<&Link> for LinkView {
    fn from(it: &Link) -> Self {
        Self { number: it.number, digest: it.digest.to_string() }
    }
}

impl From<&LinkView> for Link {
    fn from(it: &LinkView) -> Self {
        Self { number: it.number, digest: Digest::parse(&it.digest).unwrap_or(Digest::from_bytes([0; 32])) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_as_it_was_and_still_fits() {
        let entry = Entry { number: 1, by: "tcp 10.0.0.1 user:ada".into(), count: 3, ..Entry::default() };
        let digest = entry.digest(&Link::start().digest);
        let sealed = Sealed { entry, digest };
        let text = serde_json::to_string(&EntryView::from(&sealed)).expect("writes");
        let view: EntryView = serde_json::from_str(&text).expect("reads");
        assert_eq!(Sealed::from(view), sealed);
    }
}
