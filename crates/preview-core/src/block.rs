//! Whom and what the operator has shut out: users, sessions and host names.

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

use crate::attachment::Attachment;
use crate::clock::Wall;
use crate::id::{InvalidText, SessionId, UserId};

/// A user, session or host name that is shut out: nothing new begins under it, and what is attached is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Who or what.
    pub target: Target,
    /// Why, for the operator alone.
    pub reason: Reason,
    /// Since when.
    pub since: Wall,
}

/// Who or what can be shut out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// All sessions of a user.
    User(UserId),
    /// One session.
    Session(SessionId),
    /// One host name: lower case, without port and final dot.
    Host(Box<str>),
}

/// Why somebody is shut out: up to 256 characters, none of them a control character. May be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason(Box<str>);

/// Something that cannot be shut out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidBlock {
    /// There is no such kind.
    #[error("kind is {0:?}, must be user, session or host")]
    Kind(String),
    /// The user or session is none.
    #[error(transparent)]
    Id(#[from] InvalidText),
    /// The text is no host name.
    #[error("value is {0:?}, must be a host name such as preview-3001.example.com")]
    Host(String),
    /// The reason does not fit.
    #[error("reason must have at most {} characters, none of them a control character", Reason::MOST)]
    Reason,
}

/// All that is shut out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks(BTreeMap<Target, Block>);

impl Blocks {
    /// What shuts out this session of this user under this host name, if anything does.
    #[must_use]
    pub fn covering(&self, user: &UserId, session: &SessionId, host: Option<&str>) -> Option<&Block> {
        let of_host = host.map(|host| Target::Host(host.into()));
        [Some(Target::User(user.clone())), Some(Target::Session(session.clone())), of_host]
            .iter()
            .flatten()
            .find_map(|target| self.0.get(target))
    }

    /// Whether an attachment is shut out.
    #[must_use]
    pub fn cover(&self, it: &Attachment) -> bool {
        self.covering(&it.user, &it.session, Some(&it.url.host)).is_some()
    }

    /// Adds one, in place of an earlier one of the same target.
    pub fn add(&mut self, block: Block) {
        self.0.insert(block.target.clone(), block);
    }

    /// Takes one away; whether it was there.
    pub fn remove(&mut self, target: &Target) -> bool {
        self.0.remove(target).is_some()
    }

    /// The block of this very target.
    #[must_use]
    pub fn get(&self, target: &Target) -> Option<&Block> {
        self.0.get(target)
    }

    /// All of them: users, sessions, hosts, each in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Block> {
        self.0.values()
    }
}

impl FromIterator<Block> for Blocks {
    fn from_iter<T: IntoIterator<Item = Block>>(blocks: T) -> Self {
        Self(blocks.into_iter().map(|block| (block.target.clone(), block)).collect())
    }
}

impl Target {
    /// Reads a kind (`user`, `session`, `host`) and its value.
    ///
    /// # Errors
    /// [`InvalidBlock`] says what of both makes no sense, and what is allowed.
    pub fn new(kind: &str, value: &str) -> Result<Self, InvalidBlock> {
        match kind {
            "user" => Ok(Self::User(UserId::new(value)?)),
            "session" => Ok(Self::Session(SessionId::new(value)?)),
            "host" => host(value).map(Self::Host).ok_or_else(|| InvalidBlock::Host(value.to_owned())),
            other => Err(InvalidBlock::Kind(other.to_owned())),
        }
    }

    /// What it is: `user`, `session` or `host`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Session(_) => "session",
            Self::Host(_) => "host",
        }
    }

    /// Which one.
    #[must_use]
    pub fn value(&self) -> &str {
        match self {
            Self::User(user) => user.as_str(),
            Self::Session(session) => session.as_str(),
            Self::Host(host) => host,
        }
    }

    /// Whether an attachment falls under it.
    #[must_use]
    pub fn covers(&self, it: &Attachment) -> bool {
        match self {
            Self::User(user) => *user == it.user,
            Self::Session(session) => *session == it.session,
            Self::Host(host) => **host == it.url.host,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.value())
    }
}

impl Reason {
    /// The most characters it may have.
    pub const MOST: usize = 256;

    /// Reads it from text.
    ///
    /// # Errors
    /// [`InvalidBlock::Reason`] for a text that is too long or would disturb a terminal.
    pub fn new(text: &str) -> Result<Self, InvalidBlock> {
        let fits = text.chars().count() <= Self::MOST && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.into())) } else { Err(InvalidBlock::Reason) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A host name as routes have it.
fn host(text: &str) -> Option<Box<str>> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    (name.len() <= 253 && name.split('.').all(is_label)).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_from_its_kind_and_value_and_says_both_again() {
        for (kind, value, said) in [
            ("user", "ada@example.com", "user ada@example.com"),
            ("session", "s-1", "session s-1"),
            ("host", "Preview-3001.Example.COM.", "host preview-3001.example.com"),
        ] {
            assert_eq!(Target::new(kind, value).expect("valid").to_string(), said);
        }
        for (kind, value) in [
            ("users", "u"),
            ("user", "a b"),
            ("session", ""),
            ("host", "https://a.example"),
            ("host", "a.example:8080"),
            ("host", "a..b"),
            ("host", ""),
        ] {
            assert!(Target::new(kind, value).is_err(), "{kind} {value}");
        }
    }

    #[test]
    fn a_user_a_session_and_a_host_each_cover_what_is_theirs_alone() {
        let ids = |user, session| (UserId::new(user).expect("id"), SessionId::new(session).expect("id"));
        let (ada, s1) = ids("ada", "s1");
        let (bob, s2) = ids("bob", "s2");
        for (kind, value) in [("user", "ada"), ("session", "s1"), ("host", "a.example")] {
            let target = Target::new(kind, value).expect("valid");
            let block = Block { target, reason: Reason::default(), since: Wall::default() };
            let blocks: Blocks = [block.clone()].into_iter().collect();
            assert_eq!(blocks.covering(&ada, &s1, Some("a.example")), Some(&block));
            assert_eq!(blocks.covering(&bob, &s2, Some("b.example")), None);
            assert_eq!(blocks.covering(&bob, &s2, None), None);
        }
    }

    #[test]
    fn a_reason_is_one_line_of_bounded_length() {
        assert!(Reason::new("phishing: bank login form, Zoë's report").is_ok());
        assert!(Reason::new("a\nb").is_err() && Reason::new(&"x".repeat(257)).is_err());
    }
}
