//! The words of the rows. A word that is renamed here is a new schema.

use preview_core::attachment::Visibility;
use preview_core::listener::Loopback;
use preview_core::verdict::{HostHeader, HostPolicy, PolicyReason, ServerState};
use serde::{Deserialize, Serialize};

/// Each word with the value that it stands for, in brackets because it is pattern and expression at once.
macro_rules! words {
    ($($row:ident = $domain:ty { $($word:ident [$($value:tt)+])+ })+) => {
        $(
            #[derive(Clone, Copy, Serialize, Deserialize)]
            #[serde(rename_all = "snake_case")]
            pub(super) enum $row { $($word),+ }

            impl From<$row> for $domain {
                fn from(row: $row) -> Self {
                    match row { $($row::$word => $($value)+),+ }
                }
            }

            impl From<$domain> for $row {
                fn from(value: $domain) -> Self {
                    match value { $($($value)+ => Self::$word),+ }
                }
            }
        )+
    };
}

words! {
    AddressRow = Loopback {
        V4 [Loopback::V4]
        V6 [Loopback::V6]
    }
    VisibilityRow = Visibility {
        Private [Visibility::Private]
        Public [Visibility::Public]
    }
    PolicyRow = HostPolicy {
        Preserve [HostPolicy::Preserve]
        Loopback [HostPolicy::Loopback]
    }
    HostHeaderRow = HostHeader {
        Auto [HostHeader::Auto]
        Preserve [HostHeader::Pinned(HostPolicy::Preserve)]
        Loopback [HostHeader::Pinned(HostPolicy::Loopback)]
    }
    StateRow = ServerState {
        Live [ServerState::Live]
        Pending [ServerState::Pending]
        Down [ServerState::Down]
    }
    ReasonRow = PolicyReason {
        Pinned [PolicyReason::Pinned]
        RefusesPublicHost [PolicyReason::RefusesPublicHost]
        AcceptsPublicHost [PolicyReason::AcceptsPublicHost]
        LiveUpdateNeedsLoopback [PolicyReason::LiveUpdateNeedsLoopback]
        AcceptsNeither [PolicyReason::AcceptsNeither]
        GuessedFromCommand [PolicyReason::GuessedFromCommand]
        NotAsked [PolicyReason::NotAsked]
    }
}
