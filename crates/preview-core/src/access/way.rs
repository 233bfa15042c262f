//! By which link somebody comes in, and how much that lets them do.

use super::GivenToken;
use crate::clock::Wall;
use crate::grant::Grant;
use crate::route::Route;
use crate::share::Share;
use crate::token::TokenDigest;

/// By which link somebody comes in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way<'r> {
    /// The attachment's own.
    Own,
    /// One that was handed out to somebody else.
    Share(&'r Share),
}

impl<'r> Way<'r> {
    /// The way that a grant was had by, if it is still open.
    pub(super) fn of_grant(grant: &Grant, route: &'r Route, now: Wall) -> Option<Self> {
        if grant.share == 0 { Some(Self::Own) } else { route.shares.get(grant.share, now).map(Self::Share) }
    }

    pub(super) fn is_read_only(self) -> bool {
        matches!(self, Self::Share(share) if share.read_only)
    }

    /// How much it lets do.
    pub(super) fn width(self) -> u8 {
        match self {
            Self::Own => 2,
            Self::Share(share) => u8::from(!share.read_only),
        }
    }
}

impl GivenToken<'_> {
    /// The way that it opens. Takes the same time for every wrong token.
    pub(super) fn way(self, route: &Route, now: Wall) -> Option<Way<'_>> {
        let (is_session, token) = match self {
            Self::Query { session, token } => (session == route.session.as_str(), token),
            Self::Header(token) => (true, token),
        };
        let digest = TokenDigest::of(token);
        let is_own = route.tokens.admit_digest(&digest, now);
        let share = route.shares.find(&digest, now);
        let way = if is_own { Some(Way::Own) } else { share.map(Way::Share) };
        way.filter(|_| is_session)
    }
}
