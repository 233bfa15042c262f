//! Who was kept out of one attachment: counts by code, for the daemon's audit trail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use preview_core::access::Denial;
use preview_core::refusal::Code;

/// Requests that were kept out, by the code they stand for.
#[derive(Debug, Default)]
pub(super) struct Refused([AtomicU64; CODES.len()]);

/// The codes that denials stand for.
const CODES: [Code; 4] = [Code::Unauthorized, Code::GrantExpired, Code::OriginRefused, Code::Forbidden];

impl Refused {
    pub(super) fn count(&self, denial: Denial) {
        let code = code(denial);
        for (_, count) in CODES.iter().zip(&self.0).filter(|(it, _)| **it == code) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted since the last call.
    pub(super) fn take(&self) -> BTreeMap<String, u64> {
        let counts = self.0.iter().map(|count| count.swap(0, Ordering::Relaxed));
        let some = CODES.iter().zip(counts).filter(|(_, count)| *count > 0);
        some.map(|(code, count)| (code.to_string(), count)).collect()
    }
}

const fn code(denial: Denial) -> Code {
    match denial {
        Denial::Unknown | Denial::Unauthorized => Code::Unauthorized,
        Denial::GrantExpired | Denial::Gone => Code::GrantExpired,
        Denial::Origin => Code::OriginRefused,
        Denial::ReadOnly | Denial::ServiceWorker => Code::Forbidden,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_denial_is_counted_once_and_told_once() {
        let refused = Refused::default();
        for denial in [Denial::Unknown, Denial::Gone, Denial::Origin, Denial::ReadOnly, Denial::ServiceWorker]
        {
            refused.count(denial);
        }
        let told: Vec<_> = refused.take().into_iter().collect();
        let expected = [("forbidden", 2), ("grant_expired", 1), ("origin_refused", 1), ("unauthorized", 1)];
        assert_eq!(told, expected.map(|(code, count)| (code.to_owned(), count)));
        assert!(refused.take().is_empty());
    }
}
