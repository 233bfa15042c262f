//! How many attachments a session and a user may have.

use std::fmt;

/// The limits in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attachments of one session (seed `_MAX_ATTACHMENTS_PER_SESSION`).
    pub per_session: u32,
    /// Attachments of one user over all sessions (seed `_MAX_ATTACHMENTS_PER_USER`).
    pub per_user: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_session: 5, per_user: 20 }
    }
}

/// Whose limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitScope {
    /// The session's.
    Session,
    /// The user's.
    User,
}

/// A limit that another attachment would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitReached {
    /// Whose.
    pub scope: LimitScope,
    /// Attachments there are.
    pub count: u32,
    /// Attachments there may be.
    pub limit: u32,
}

impl Limits {
    /// Whether a session and a user with so many attachments may have one more.
    ///
    /// # Errors
    /// [`LimitReached`] names the narrower limit first.
    pub fn admit(self, in_session: u32, of_user: u32) -> Result<(), LimitReached> {
        if in_session >= self.per_session {
            let (count, limit) = (in_session, self.per_session);
            return Err(LimitReached { scope: LimitScope::Session, count, limit });
        }
        if of_user >= self.per_user {
            return Err(LimitReached { scope: LimitScope::User, count: of_user, limit: self.per_user });
        }
        Ok(())
    }
}

impl LimitScope {
    /// `session` or `user`, as API and events say it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::User => "user",
        }
    }
}

impl fmt::Display for LimitScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_of_a_session_is_refused_and_the_fifth_is_not() {
        let limits = Limits::default();
        assert_eq!(limits.admit(4, 4), Ok(()));
        let refused = LimitReached { scope: LimitScope::Session, count: 5, limit: 5 };
        assert_eq!(limits.admit(5, 5), Err(refused));
    }

    #[test]
    fn the_twenty_first_of_a_user_is_refused() {
        let refused = LimitReached { scope: LimitScope::User, count: 20, limit: 20 };
        assert_eq!(Limits::default().admit(0, 20), Err(refused));
    }
}
