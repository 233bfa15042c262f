//! The token of a preview URL: unguessable, rotated by every attach, at rest only as a digest.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::clock::Wall;

/// A token in the clear: 43 URL-safe characters of 256 random bits. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<str>);

impl Token {
    /// Its length, characters: 32 bytes in base64url without padding.
    pub const LEN: usize = 43;

    /// A new token from 32 random bytes.
    #[must_use]
    pub fn from_entropy(entropy: [u8; 32]) -> Self {
        Self(BASE64URL_NOPAD.encode(&entropy).into())
    }

    /// The secret itself, for the one answer that hands it out.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What may be stored of it.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The SHA-256 of a token: 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of what somebody gave as a token. It takes the same time whatever that is: of a text of another
    /// length, as many bytes are digested, and the result is one that no token has.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut bytes = [0; Token::LEN];
        let length = text.len().min(Token::LEN);
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        let mut digest: [u8; 32] = Sha256::digest(bytes).into();
        digest[0] ^= u8::from(text.len() != Token::LEN) * u8::MAX;
        Self(digest)
    }

    /// A stored digest.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

/// The tokens of one attachment: the one in its URL, and the one before while its grace lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The token that the last attach or rotation handed out.
    pub current: TokenDigest,
    /// The one before, and the moment from which it is refused.
    pub previous: Option<(TokenDigest, Wall)>,
}

impl Tokens {
    /// How long a rotated-out token is still accepted: a page that is being opened may hold it.
    pub const GRACE: Duration = Duration::from_mins(1);

    /// The tokens of a new attachment.
    #[must_use]
    pub const fn new(current: TokenDigest) -> Self {
        Self { current, previous: None }
    }

    /// The tokens after a rotation at `now`.
    #[must_use]
    pub fn rotated(self, current: TokenDigest, now: Wall) -> Self {
        Self { current, previous: Some((self.current, now + Self::GRACE)) }
    }

    /// Whether `given` is the current token, or the previous one within its grace. Takes the same time for
    /// every wrong token.
    #[must_use]
    pub fn admit(&self, given: &str, now: Wall) -> bool {
        self.admit_digest(&TokenDigest::of(given), now)
    }

    /// The same, of a token's digest.
    #[must_use]
    pub fn admit_digest(&self, given: &TokenDigest, now: Wall) -> bool {
        let is_current = given.0.ct_eq(&self.current.0);
        let (previous, in_grace) = match self.previous {
            Some((digest, until)) => (digest, now < until),
            None => (self.current, false),
        };
        let is_previous = given.0.ct_eq(&previous.0);
        bool::from(is_current) | (bool::from(is_previous) & in_grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_shows_itself_only_when_asked() {
        let token = Token::from_entropy([7; 32]);
        assert_eq!(token.reveal().len(), 43);
        assert_eq!(format!("{token:?} {:?}", token.digest()), "Token(…) TokenDigest(…)");
    }

    #[test]
    fn the_digest_is_the_sha_256_of_a_token_and_no_text_of_another_length_shares_it() {
        let token = Token::from_entropy([7; 32]);
        let text = token.reveal();
        assert_eq!(text.len(), Token::LEN);
        assert_eq!(*token.digest().as_bytes(), <[u8; 32]>::from(Sha256::digest(text)));
        for other in
            ["", &text[..42], &format!("{text}A"), &format!("{text}\0"), &text.repeat(2), &"x".repeat(65_536)]
        {
            assert_ne!(TokenDigest::of(other), token.digest(), "{} characters", other.len());
        }
    }

    proptest! {
        #[test]
        fn a_rotated_out_token_never_passes_after_its_grace(
            first: [u8; 32], second: [u8; 32], rotated in 0..u64::MAX / 2, later in 0..200_000_u64
        ) {
            prop_assume!(first != second);
            let (old, new) = (Token::from_entropy(first), Token::from_entropy(second));
            let at = Wall::from_millis(rotated);
            let tokens = Tokens::new(old.digest()).rotated(new.digest(), at);
            let now = at + Duration::from_millis(later);
            prop_assert!(tokens.admit(new.reveal(), now));
            prop_assert_eq!(tokens.admit(old.reveal(), now), later < 60_000);
        }

        #[test]
        fn no_other_text_is_a_token(first: [u8; 32], text in ".{0,60}") {
            let token = Token::from_entropy(first);
            prop_assume!(text != token.reveal());
            prop_assert!(!Tokens::new(token.digest()).admit(&text, Wall::default()));
        }
    }
}
