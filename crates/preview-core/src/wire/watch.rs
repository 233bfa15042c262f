//! What a daemon and its edges tell each other: the route feed, activity, and questions about listeners.

mod share;

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use share::ShareRow;

use super::{PolicyWord, StateWord, VisibilityWord};
use crate::clock::Wall;
use crate::grant::GrantKey;
use crate::id::{InvalidText, SessionId, UserId};
use crate::listener::{Listener, Loopback};
use crate::ports::{InvalidPort, Port};
use crate::route::{Route, RouteOwner};
use crate::share::{Share, Shares};
use crate::template::Rendered;
use crate::token::{TokenDigest, Tokens};

/// The feed's version. An edge reads feeds of its own version and the one before.
pub const FEED_VERSION: u32 = 1;

/// One line of `GET /v1/routes?since=REV`: NDJSON. A snapshot is `snapshot`, its `put`s, `snapshot_end`; changes
/// follow in the order of their revisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FeedLine {
    /// The first line.
    Hello {
        /// [`FEED_VERSION`].
        version: u32,
        /// The daemon's node.
        node: String,
    },
    /// All that was known before is void; so many routes follow.
    Snapshot {
        /// The revision it shows.
        revision: u64,
        /// How many routes follow.
        count: usize,
    },
    /// The snapshot is whole.
    SnapshotEnd {
        /// The revision it shows.
        revision: u64,
    },
    /// A route is new or different.
    Put {
        /// The revision of the change; within a snapshot, the snapshot's.
        revision: u64,
        /// The route.
        route: Box<RouteRow>,
    },
    /// A route is gone.
    Remove {
        /// The revision of the change.
        revision: u64,
        /// The attachment.
        id: String,
    },
    /// The grant keys in force, all of them.
    Keys {
        /// The keys.
        keys: Vec<KeyRow>,
    },
    /// Nothing has changed for 10 s; the feed is alive.
    Heartbeat {
        /// The last revision.
        revision: u64,
    },
    /// A line of a later release.
    #[serde(other)]
    Unknown,
}

/// A route as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteRow {
    /// The attachment.
    pub id: String,
    /// Its session.
    pub session_id: String,
    /// Its user.
    pub user_id: String,
    /// `scheme://host[:port]`.
    pub origin: String,
    /// The host name alone.
    pub host_name: String,
    /// The address to dial.
    pub address: String,
    /// The port to dial.
    pub port: u16,
    /// The owner's uid.
    pub uid: u32,
    /// The listening socket's inode.
    pub inode: u64,
    /// The listening socket's cgroup id.
    pub cgroup: Option<u64>,
    /// The host policy.
    pub policy: PolicyWord,
    /// Whether it was found up.
    pub state: StateWord,
    /// Who may see it.
    pub visibility: VisibilityWord,
    /// The current token's digest, base64url.
    pub token: String,
    /// The previous token's digest and the moment from which it is refused, milliseconds since 1970.
    pub previous_token: Option<(String, u64)>,
    /// Links that were handed out to others. A daemon of the release before has none.
    #[serde(default)]
    pub shares: Vec<ShareRow>,
    /// Grants of another epoch are refused.
    pub epoch: u64,
}

/// A grant key as it is written.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// Its number.
    pub number: u32,
    /// Its 32 bytes, base64url.
    pub secret: String,
}

/// `POST /v1/activity`: what an edge saw since its last report, changed attachments only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityReport {
    /// The edge's node.
    pub node: String,
    /// One entry for each attachment with traffic.
    pub entries: Vec<ActivityEntry>,
}

/// The traffic of one attachment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityEntry {
    /// The attachment.
    pub id: String,
    /// How long ago somebody asked for something.
    pub visit_ago_ms: Option<u64>,
    /// How long ago an untouched tab gave a sign of life.
    pub presence_ago_ms: Option<u64>,
    /// Open tunnels and streams.
    pub open: u32,
    /// Requests since the last report.
    pub requests: u64,
    /// Bytes from viewers since the last report.
    pub bytes_in: u64,
    /// Bytes to viewers since the last report.
    pub bytes_out: u64,
    /// Requests since the last report that were kept out, by code. A daemon of the release before passes it over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, u64>,
}

/// `POST /v1/attachments/{id}/listener`: an edge dialled and found another socket than the route says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerSeen {
    /// The listening socket's uid.
    pub uid: u32,
    /// The listening socket's inode.
    pub inode: u64,
    /// The listening socket's cgroup id.
    pub cgroup: Option<u64>,
}

/// The answer when the listener is the attachment's: the owner to compare with from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerAdmitted {
    /// The revision at which the feed says the same.
    pub revision: u64,
}

/// A row that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidRow {
    /// An id.
    #[error(transparent)]
    Text(#[from] InvalidText),
    /// A port.
    #[error(transparent)]
    Port(#[from] InvalidPort),
    /// An address that is no loopback.
    #[error("address {0:?} is neither 127.0.0.1 nor ::1")]
    Address(String),
    /// A digest or key that is not 32 bytes of base64url.
    #[error("{0} is not 32 bytes of base64url")]
    Bytes(&'static str),
}

impl From<&Route> for RouteRow {
    fn from(it: &Route) -> Self {
        Self {
            id: it.id.to_string(),
            session_id: it.session.to_string(),
            user_id: it.user.to_string(),
            origin: it.url.origin.clone(),
            host_name: it.url.host.clone(),
            address: it.listener.address.to_string(),
            port: it.listener.port.get(),
            uid: it.owner.uid,
            inode: it.owner.inode,
            cgroup: it.owner.cgroup,
            policy: it.policy.into(),
            state: it.state.into(),
            visibility: it.visibility.into(),
            token: encode(it.tokens.current.as_bytes()),
            previous_token: it
                .tokens
                .previous
                .map(|(digest, until)| (encode(digest.as_bytes()), until.as_millis())),
            shares: it.shares.as_slice().iter().map(ShareRow::from).collect(),
            epoch: it.epoch,
        }
    }
}

impl TryFrom<&RouteRow> for Route {
    type Error = InvalidRow;
    fn try_from(row: &RouteRow) -> Result<Self, InvalidRow> {
        let digest = |text: &str| decode(text, "token").map(TokenDigest::from_bytes);
        let previous = row.previous_token.as_ref();
        Ok(Self {
            id: row.id.parse()?,
            session: SessionId::new(&row.session_id)?,
            user: UserId::new(&row.user_id)?,
            url: Rendered { origin: row.origin.clone(), host: row.host_name.clone() },
            listener: Listener { address: loopback(&row.address)?, port: Port::new(row.port)? },
            owner: RouteOwner { uid: row.uid, inode: row.inode, cgroup: row.cgroup },
            policy: row.policy.into(),
            state: row.state.into(),
            visibility: row.visibility.into(),
            tokens: Tokens {
                current: digest(&row.token)?,
                previous: previous
                    .map(|(text, until)| digest(text).map(|digest| (digest, Wall::from_millis(*until))))
                    .transpose()?,
            },
            shares: Shares::restore(0, row.shares.iter().map(Share::try_from).collect::<Result<_, _>>()?),
            epoch: row.epoch,
        })
    }
}

impl From<&GrantKey> for KeyRow {
    fn from(key: &GrantKey) -> Self {
        Self { number: key.number, secret: encode(key.reveal()) }
    }
}

impl TryFrom<&KeyRow> for GrantKey {
    type Error = InvalidRow;
    fn try_from(row: &KeyRow) -> Result<Self, InvalidRow> {
        Ok(Self::new(row.number, decode(&row.secret, "grant key")?))
    }
}

impl std::fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRow({}, …)", self.number)
    }
}

/// The loopback address that a text names; `localhost` names none, it is resolved at attach.
///
/// # Errors
/// [`InvalidRow::Address`] for anything else.
pub fn loopback(text: &str) -> Result<Loopback, InvalidRow> {
    [Loopback::V4, Loopback::V6]
        .into_iter()
        .find(|address| address.to_string() == text)
        .ok_or_else(|| InvalidRow::Address(text.to_owned()))
}

fn encode(bytes: &[u8; 32]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

fn decode(text: &str, what: &'static str) -> Result<[u8; 32], InvalidRow> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| InvalidRow::Bytes(what))?;
    bytes.try_into().map_err(|_| InvalidRow::Bytes(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_later_release_is_told_apart_and_not_an_error() {
        let line: FeedLine = serde_json::from_str(r#"{"kind":"blocked","user":"u"}"#).expect("reads");
        assert_eq!(line, FeedLine::Unknown);
        let line: FeedLine =
            serde_json::from_str(r#"{"kind":"heartbeat","revision":7,"new":true}"#).expect("reads");
        assert_eq!(line, FeedLine::Heartbeat { revision: 7 });
    }

    #[test]
    fn a_secret_is_not_shown_by_debug() {
        let row = KeyRow::from(&GrantKey::new(3, [9; 32]));
        assert_eq!(format!("{row:?}"), "KeyRow(3, …)");
        assert_eq!(GrantKey::try_from(&row).expect("reads"), GrantKey::new(3, [9; 32]));
    }
}
