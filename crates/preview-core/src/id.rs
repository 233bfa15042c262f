//! The names of things: each is text of a fixed alphabet, and its constructor is the only door.

use std::fmt;
use std::str::FromStr;

use data_encoding::{Encoding, Specification};
use std::sync::LazyLock;
use thiserror::Error;

/// Text that may not be the id or name it was given as.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field} {problem}")]
pub struct InvalidText {
    /// The field, as API and CLI call it (`session_id`, `name`, …).
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: TextProblem,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TextProblem {
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// It has too many characters.
    #[error("has {len} characters, at most {most} are allowed")]
    TooLong {
        /// Its length, characters.
        len: usize,
        /// The allowed length, characters.
        most: usize,
    },
    /// It has a character outside its alphabet.
    #[error("has the character {found:?}, allowed are {allowed}")]
    Character {
        /// The first such character.
        found: char,
        /// The alphabet in words.
        allowed: &'static str,
    },
    /// It is not 26 base32 characters.
    #[error("is not an id: 26 characters of a-z and 2-7")]
    NotAnId,
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $field:literal, $most:literal, $allowed:expr, $admits:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The field's name in API, CLI and errors.
            pub const FIELD: &'static str = $field;

            /// Reads it from text.
            ///
            /// # Errors
            /// [`InvalidText`] if it is empty, too long or has a character outside the alphabet.
            pub fn new(text: &str) -> Result<Self, InvalidText> {
                check(text, $most, $allowed, $admits)
                    .map(|()| Self(text.into()))
                    .map_err(|problem| InvalidText { field: $field, problem })
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidText;
            fn from_str(text: &str) -> Result<Self, InvalidText> {
                Self::new(text)
            }
        }
    };
}

/// The alphabet of ids that a platform gives us.
const PLATFORM_ID: &str = "A-Z a-z 0-9 . _ : @ -";

text!(
    /// A session of an agent platform: 1–128 characters of `A-Za-z0-9._:@-` (seed `session_id`).
    SessionId, "session_id", 128, PLATFORM_ID, is_platform_id
);
text!(
    /// A user of an agent platform: 1–128 characters of `A-Za-z0-9._:@-` (seed `user_id`).
    UserId, "user_id", 128, PLATFORM_ID, is_platform_id
);
text!(
    /// An app of an agent platform: 1–128 characters of `A-Za-z0-9._:@-` (seed `app_id`).
    AppId, "app_id", 128, PLATFORM_ID, is_platform_id
);
text!(
    /// A task the daemon runs: 1–128 characters of `A-Za-z0-9._:@-` (seed `bash_task_id`).
    TaskId, "bash_task_id", 128, PLATFORM_ID, is_platform_id
);
text!(
    /// One host with its daemon: 1–128 characters of `A-Za-z0-9._:@-`.
    NodeId, "node", 128, PLATFORM_ID, is_platform_id
);
text!(
    /// What a session calls an attachment: 1–64 printable characters (seed `name`).
    Name, "name", 64, "printable characters other than /", |c| !c.is_control() && c != '/'
);

impl Name {
    /// The name of an attachment whose caller gave none: `default` (seed).
    #[must_use]
    pub fn unnamed() -> Self {
        Self("default".into())
    }
}

impl TaskId {
    /// A new id from 17 random bytes, 130 bits of which are used.
    #[must_use]
    pub fn from_entropy(entropy: [u8; 17]) -> Self {
        Self(AttachmentId::from_entropy(entropy).as_str().into())
    }
}

/// An attachment's id: 26 lower-case base32 characters (130 random bits), never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttachmentId([u8; Self::LEN]); // Invariant: ASCII of BASE32.

impl AttachmentId {
    /// Its length, characters.
    pub const LEN: usize = 26;

    /// A new id from 17 random bytes, 130 bits of which are used.
    #[must_use]
    pub fn from_entropy(entropy: [u8; 17]) -> Self {
        let text = BASE32.encode(&entropy);
        let mut id = [0; Self::LEN];
        id.copy_from_slice(&text.as_bytes()[..Self::LEN]);
        Self(id)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for AttachmentId {
    type Err = InvalidText;
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let bytes: [u8; Self::LEN] = text
            .as_bytes()
            .try_into()
            .ok()
            .filter(|b: &[u8; Self::LEN]| b.iter().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7')))
            .ok_or(InvalidText { field: "id", problem: TextProblem::NotAnId })?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// RFC 4648 base32 in lower case without padding: every character may stand in a DNS label.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    spec.encoding().expect("32 distinct ASCII symbols make an encoding")
});

fn is_platform_id(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '@' | '-')
}

fn check(
    text: &str,
    most: usize,
    allowed: &'static str,
    admits: impl Fn(char) -> bool,
) -> Result<(), TextProblem> {
    let len = text.chars().count();
    if len == 0 {
        return Err(TextProblem::Empty);
    }
    if len > most {
        return Err(TextProblem::TooLong { len, most });
    }
    match text.chars().find(|c| !admits(*c)) {
        Some(found) => Err(TextProblem::Character { found, allowed }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_26_characters_that_read_back() {
        let id = AttachmentId::from_entropy([0xa5; 17]);
        assert_eq!(id.as_str().len(), 26);
        assert_eq!(id.as_str().parse(), Ok(id));
    }

    #[test]
    fn every_bit_of_130_tells_ids_apart() {
        let zero = AttachmentId::from_entropy([0; 17]);
        for bit in 0..130 {
            let mut entropy = [0; 17];
            entropy[bit / 8] |= 0x80 >> (bit % 8);
            assert_ne!(AttachmentId::from_entropy(entropy), zero, "bit {bit}");
        }
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        for text in [
            "",
            "abc",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "1bcdefghijklmnopqrstuvwxyz",
            "../../etc/passwd/aaaaaaaaaa",
        ] {
            assert!(text.parse::<AttachmentId>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_names_the_field_and_what_is_allowed() {
        let error = SessionId::new("a b").expect_err("a space");
        assert_eq!(error.to_string(), "session_id has the character ' ', allowed are A-Z a-z 0-9 . _ : @ -");
        let error = Name::new(&"x".repeat(65)).expect_err("too long");
        assert_eq!(error.to_string(), "name has 65 characters, at most 64 are allowed");
        assert_eq!(UserId::new("").expect_err("empty").to_string(), "user_id is empty");
    }
}
