//! An attachment: one listener on this host's loopback, public for one session of one user under a name.

use crate::clock::Wall;
use crate::id::{AppId, AttachmentId, Name, SessionId, TaskId, UserId};
use crate::listener::{Listener, Owner};
use crate::share::Shares;
use crate::template::Rendered;
use crate::token::Tokens;
use crate::verdict::{HostHeader, Verdict};

/// A live attachment, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its id, never used again.
    pub id: AttachmentId,
    /// What its session calls it; unique there.
    pub name: Name,
    /// Its session.
    pub session: SessionId,
    /// The session's user.
    pub user: UserId,
    /// The app it belongs to, where the platform has such.
    pub app: Option<AppId>,
    /// What is dialled.
    pub listener: Listener,
    /// Who was listening there when it was attached or last found again.
    pub owner: Owner,
    /// The task it is tied to: it ends with the task, and the task with it.
    pub task: Option<TaskId>,
    /// The path a viewer starts at.
    pub path: StartPath,
    /// Who may see it.
    pub visibility: Visibility,
    /// What the caller wished for the host header.
    pub host_header: HostHeader,
    /// What the probe found.
    pub verdict: Verdict,
    /// Its public URL and host name.
    pub url: Rendered,
    /// Its tokens' digests.
    pub tokens: Tokens,
    /// Links that were handed out to others.
    pub shares: Shares,
    /// A number that every revocation raises.
    pub epoch: u64,
    /// Whether the operator has shut it out: it stays attached and is not served.
    pub blocked: bool,
    /// When it was first attached.
    pub created: Wall,
}

/// Who may see an attachment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Visibility {
    /// Whoever holds its token or a grant.
    #[default]
    Private,
    /// Everybody.
    Public,
}

/// What an attachment is (seed `type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A dev server shown to those who hold its link.
    DevServer,
    /// A server that everybody may see.
    Published,
}

/// The path a viewer starts at: empty, or up to 512 visible ASCII characters from a leading `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartPath(Box<str>);

/// A text that is no start path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "path must be empty, or a / and at most 511 visible ASCII characters, without # and not starting with //"
)]
pub struct InvalidPath;

impl Attachment {
    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.visibility {
            Visibility::Private => Kind::DevServer,
            Visibility::Public => Kind::Published,
        }
    }

    /// The public URL of its start path, without credentials.
    #[must_use]
    pub fn page_url(&self) -> String {
        match self.path.as_str() {
            "" => format!("{}/", self.url.origin),
            path => format!("{}{path}", self.url.origin),
        }
    }

    /// The URL to put into an iframe: the page with `session_id` and `token` (seed).
    #[must_use]
    pub fn iframe_url(&self, token: &str) -> String {
        let page = self.page_url();
        let joint = if page.contains('?') { '&' } else { '?' };
        format!("{page}{joint}session_id={}&token={token}", query_text(self.session.as_str()))
    }
}

impl StartPath {
    /// The most characters it may have (seed).
    pub const MOST: usize = 512;

    /// Reads it from text.
    ///
    /// # Errors
    /// [`InvalidPath`] for anything that would not stand in a URL as it is.
    pub fn new(text: &str) -> Result<Self, InvalidPath> {
        let fits = text.is_empty()
            || text.len() <= Self::MOST
                && text.starts_with('/')
                && !text.starts_with("//")
                && text
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b'\\' | b'"' | b'<' | b'>'));
        if fits { Ok(Self(text.into())) } else { Err(InvalidPath) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Visibility {
    /// As API and configuration call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
        }
    }
}

impl Kind {
    /// As the API calls it (seed).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DevServer => "devserver",
            Self::Published => "published",
        }
    }
}

/// A session id as a query value; of its alphabet only these two may not stand there as they are.
fn query_text(session: &str) -> String {
    session.replace(':', "%3A").replace('@', "%40")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_path_stands_in_a_url_as_it_is() {
        for good in ["", "/", "/docs/intro?tab=1", "/caf%C3%A9"] {
            assert!(StartPath::new(good).is_ok(), "{good}");
        }
        for bad in ["docs", "//evil.example", "/a b", "/a\r\nX: y", "/#top", "/é", "/\\evil"] {
            assert!(StartPath::new(bad).is_err(), "{bad}");
        }
        assert!(StartPath::new(&format!("/{}", "x".repeat(512))).is_err());
    }
}
