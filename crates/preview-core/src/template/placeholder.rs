//! What may stand between `{` and `}`, and what comes of it.

use super::{Facts, MissingAppId};
use crate::id::AttachmentId;
use crate::ports::Port;

/// What stands between `{` and `}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// The listener's port (seed).
    Port,
    /// The attachment's id: the only one that cannot be guessed, and is never used again.
    Id,
    /// The attachment's name, reduced.
    Name,
    /// The session's id, reduced (seed).
    SessionId,
    /// The app's id, reduced (seed).
    AppId,
    /// The listener's address: always a loopback, which reads `localhost` (seed).
    Host,
    /// The node's name, reduced.
    Node,
}

impl Placeholder {
    pub(super) const ALL: [Self; 7] =
        [Self::Port, Self::Id, Self::Name, Self::SessionId, Self::AppId, Self::Host, Self::Node];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::Id => "id",
            Self::Name => "name",
            Self::SessionId => "session_id",
            Self::AppId => "app_id",
            Self::Host => "host",
            Self::Node => "node",
        }
    }

    /// The most characters it renders to.
    pub(super) const fn longest(self) -> usize {
        match self {
            Self::Port => 5,
            Self::Id => AttachmentId::LEN,
            Self::Name | Self::SessionId | Self::AppId | Self::Node => REDUCED_MOST,
            Self::Host => LOCALHOST.len(),
        }
    }

    pub(super) fn render(self, facts: &Facts<'_>) -> Result<String, MissingAppId> {
        Ok(match self {
            Self::Port => facts.port.to_string(),
            Self::Id => facts.id.to_string(),
            Self::Name => reduce(facts.name.as_str()),
            Self::SessionId => reduce(facts.session.as_str()),
            Self::AppId => reduce(facts.app.ok_or(MissingAppId)?.as_str()),
            Self::Host => LOCALHOST.to_owned(),
            Self::Node => reduce(facts.node.as_str()),
        })
    }

    pub(super) fn could_be(self, text: &str) -> bool {
        match self {
            Self::Port => text.parse::<Port>().is_ok(),
            Self::Id => text.parse::<AttachmentId>().is_ok(),
            Self::Host => text == LOCALHOST,
            Self::Name | Self::SessionId | Self::AppId | Self::Node => reduce(text) == text,
        }
    }
}

/// What a loopback address reads in a URL.
pub(super) const LOCALHOST: &str = "localhost";

/// The most characters a reduced name has, so that two of them fit a DNS label (RFC 1035 §2.3.4: 63).
const REDUCED_MOST: usize = 30;

/// Reduces a name to what a DNS label may hold: lower case, others become `-`, runs collapsed, at most 30
/// characters, none of them `-` at an end; `x` if nothing is left.
#[must_use]
pub fn reduce(name: &str) -> String {
    let mut label = String::with_capacity(REDUCED_MOST);
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' => label.push(c),
            _ if label.is_empty() || label.ends_with('-') => {}
            _ => label.push('-'),
        }
        if label.len() == REDUCED_MOST {
            break;
        }
    }
    let label = label.trim_end_matches('-');
    if label.is_empty() { "x".to_owned() } else { label.to_owned() }
}
