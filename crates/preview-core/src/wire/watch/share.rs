use serde::{Deserialize, Serialize};

use super::{InvalidRow, decode, encode};
use crate::clock::Wall;
use crate::share::{Label, Share};
use crate::token::TokenDigest;

/// A link as an edge must know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareRow {
    /// Its number within the attachment.
    pub number: u32,
    /// Its token's digest, base64url.
    pub token: String,
    /// Whether it lets only look.
    pub read_only: bool,
    /// From when it is refused, milliseconds since 1970.
    pub expires: u64,
}

impl From<&Share> for ShareRow {
    fn from(it: &Share) -> Self {
        Self {
            number: it.number,
            token: encode(it.digest.as_bytes()),
            read_only: it.read_only,
            expires: it.expires.as_millis(),
        }
    }
}

impl TryFrom<&ShareRow> for Share {
    type Error = InvalidRow;
    fn try_from(row: &ShareRow) -> Result<Self, InvalidRow> {
        Ok(Self {
            number: row.number,
            digest: decode(&row.token, "token").map(TokenDigest::from_bytes)?,
            label: Label::default(),
            read_only: row.read_only,
            created: Wall::default(),
            expires: Wall::from_millis(row.expires),
        })
    }
}
