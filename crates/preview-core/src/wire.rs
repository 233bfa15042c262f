//! The versioned forms that daemon, edges and clients exchange. Domain types know none of this.
//!
//! Readers ignore fields and lines they do not know, so that either side may be one release older.

pub mod api;
pub mod audit;
pub mod events;
pub mod watch;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::attachment::Visibility;
use crate::clock::Wall;
use crate::verdict::{HostHeader, HostPolicy, ServerState};

/// A moment, written as RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub Wall);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = i64::try_from(self.0.as_millis()).map_err(serde::ser::Error::custom)?;
        let time = jiff::Timestamp::from_millisecond(millis).map_err(serde::ser::Error::custom)?;
        serializer.collect_str(&format_args!("{time:.3}"))
    }
}

impl std::fmt::Display for Timestamp {
    /// As it is written; a moment beyond the year 9999 as its milliseconds.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = i64::try_from(self.0.as_millis()).map(jiff::Timestamp::from_millisecond);
        match time {
            Ok(Ok(time)) => write!(f, "{time:.3}"),
            _ => write!(f, "{}", self.0.as_millis()),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        let millis = u64::try_from(time.as_millisecond()).map_err(serde::de::Error::custom)?;
        Ok(Self(Wall::from_millis(millis)))
    }
}

macro_rules! mirror {
    ($(#[$doc:meta])* $wire:ident = $domain:ty { $($name:ident <=> $value:pat => $make:expr),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $wire {
            $(#[doc = concat!("`", stringify!($name), "`, in lower case.")] $name,)+
        }

        impl From<$domain> for $wire {
            fn from(value: $domain) -> Self {
                match value { $($value => Self::$name,)+ }
            }
        }

        impl From<$wire> for $domain {
            fn from(value: $wire) -> Self {
                match value { $($wire::$name => $make,)+ }
            }
        }
    };
}

mirror! {
    /// [`HostPolicy`].
    PolicyWord = HostPolicy {
        Preserve <=> HostPolicy::Preserve => HostPolicy::Preserve,
        Loopback <=> HostPolicy::Loopback => HostPolicy::Loopback,
    }
}
mirror! {
    /// [`HostHeader`].
    HostHeaderWord = HostHeader {
        Auto <=> HostHeader::Auto => HostHeader::Auto,
        Preserve <=> HostHeader::Pinned(HostPolicy::Preserve) => HostHeader::Pinned(HostPolicy::Preserve),
        Loopback <=> HostHeader::Pinned(HostPolicy::Loopback) => HostHeader::Pinned(HostPolicy::Loopback),
    }
}
mirror! {
    /// [`ServerState`].
    StateWord = ServerState {
        Live <=> ServerState::Live => ServerState::Live,
        Pending <=> ServerState::Pending => ServerState::Pending,
        Down <=> ServerState::Down => ServerState::Down,
    }
}
mirror! {
    /// [`Visibility`].
    VisibilityWord = Visibility {
        Private <=> Visibility::Private => Visibility::Private,
        Public <=> Visibility::Public => Visibility::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_back() {
        let time = Timestamp(Wall::from_millis(1_795_507_200_123));
        let text = serde_json::to_string(&time).expect("writes");
        assert_eq!(text, "\"2026-11-24T08:00:00.123Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&text).expect("reads"), time);
    }
}
