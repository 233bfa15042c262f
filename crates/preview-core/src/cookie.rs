//! The cookies in which browsers keep grants: their names, who gets which, and how they are set (RFC 6265).

use std::time::Duration;

use crate::template::Scheme;

/// A cookie that holds a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantCookie {
    /// `__Host-preview`, partitioned by the embedding site.
    Partitioned,
    /// `__Host-preview-w`, for workers and upgrades: these send no partitioned cookie.
    Unpartitioned,
    /// `preview`, where a host has no secure context: plain HTTP under a name that is not `localhost`'s.
    Plain,
}

impl GrantCookie {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Partitioned, Self::Unpartitioned, Self::Plain];

    /// How long a cookie outlives its grant, so that an ended grant can be told from none.
    pub const AFTERLIFE: Duration = Duration::from_hours(7 * 24);

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Partitioned => "__Host-preview",
            Self::Unpartitioned => "__Host-preview-w",
            Self::Plain => "preview",
        }
    }

    /// The cookies that a host of this scheme (lower case, without port) is given.
    #[must_use]
    pub fn of_host(scheme: Scheme, host: &str) -> &'static [Self] {
        let is_secure = scheme == Scheme::Https || host == "localhost" || host.ends_with(".localhost");
        if is_secure { &[Self::Partitioned, Self::Unpartitioned] } else { &[Self::Plain] }
    }

    /// The value of `Set-Cookie` that makes a browser keep a sealed grant which lives for `life`.
    #[must_use]
    pub fn set(self, sealed: &str, life: Duration) -> String {
        let attributes = match self {
            Self::Partitioned => "Secure; HttpOnly; SameSite=None; Partitioned",
            Self::Unpartitioned => "Secure; HttpOnly; SameSite=None",
            Self::Plain => "HttpOnly; SameSite=Lax",
        };
        let age = (life + Self::AFTERLIFE).as_secs();
        format!("{}={sealed}; Path=/; Max-Age={age}; {attributes}", self.name())
    }

    /// Those among the pairs of a `Cookie` header that hold a grant, with their values.
    pub fn among(header: &str) -> impl Iterator<Item = (Self, &str)> {
        header.split(';').filter_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            Self::ALL.into_iter().find(|it| it.name() == name).map(|it| (it, value))
        })
    }
}

/// The cookie that remembers a visitor of a public preview who has read what that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenCookie {
    /// `__Host-preview-seen`.
    Secure,
    /// `preview-seen`, where a host has no secure context.
    Plain,
}

impl SeenCookie {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Secure, Self::Plain];

    /// How long it is remembered.
    pub const LIFE: Duration = Duration::from_hours(30 * 24);

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secure => "__Host-preview-seen",
            Self::Plain => "preview-seen",
        }
    }

    /// The value of `Set-Cookie` that makes a browser remember `what`.
    #[must_use]
    pub fn set(self, what: &str) -> String {
        let secure = if self == Self::Secure { "Secure; " } else { "" };
        let age = Self::LIFE.as_secs();
        format!("{}={what}; Path=/; Max-Age={age}; {secure}HttpOnly; SameSite=Lax", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_outlives_its_grant_by_a_week() {
        assert_eq!(
            GrantCookie::Partitioned.set("1.x", Duration::from_hours(8)),
            "__Host-preview=1.x; Path=/; Max-Age=633600; Secure; HttpOnly; SameSite=None; Partitioned"
        );
    }

    #[test]
    fn plain_http_gets_the_secure_cookies_under_localhost_alone() {
        let both = [GrantCookie::Partitioned, GrantCookie::Unpartitioned];
        assert_eq!(GrantCookie::of_host(Scheme::Http, "preview-3000.localhost"), both);
        assert_eq!(GrantCookie::of_host(Scheme::Https, "a.example.com"), both);
        assert_eq!(GrantCookie::of_host(Scheme::Http, "notlocalhost"), [GrantCookie::Plain]);
    }

    #[test]
    fn grants_are_found_among_other_cookies() {
        let found: Vec<_> =
            GrantCookie::among("a=b; preview=1;__Host-preview=x=y; preview2=z; junk").collect();
        assert_eq!(found, [(GrantCookie::Plain, "1"), (GrantCookie::Partitioned, "x=y")]);
    }
}
