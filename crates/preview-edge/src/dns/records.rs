//! The TXT values that stand at the challenges' names now.
//!
//! They live in memory alone: a server that starts shows none, and whoever is in the middle of an order puts its
//! own there again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cert::Failure;

/// Values at one name. So many digests fit into one answer by UDP, below whatever name.
const MOST: usize = 16;

/// The names of challenges that a server shows, and the values at each.
#[derive(Debug)]
pub(crate) struct Records {
    at: BTreeMap<String, Mutex<Vec<String>>>,
    ns: String,
    changes: AtomicU32,
}

impl Records {
    /// Of these names (lower case, without a final dot), at the name server `ns`.
    pub(crate) fn new(names: impl IntoIterator<Item = String>, ns: &str) -> Self {
        let at = names.into_iter().map(|name| (name, Mutex::default())).collect();
        Self { at, ns: ns.to_owned(), changes: AtomicU32::new(0) }
    }

    /// Adds a value to those at `fqdn`, if it is not there yet.
    pub(crate) fn put(&self, fqdn: &str, value: &str) -> Result<(), Failure> {
        let Some(mut values) = self.locked(fqdn) else {
            return Err(Failure::DelegationMissing {
                zone: fqdn.to_owned(),
                found: format!(
                    "its DNS server has {}; where a CNAME leads elsewhere, edge.acme.alias must say so",
                    self.at.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
                ),
                record: format!("{fqdn}. NS {}.", self.ns),
            });
        };
        if values.iter().any(|it| it == value) {
            return Ok(());
        }
        if values.len() >= MOST {
            return Err(Failure::TxtTooMany { fqdn: fqdn.to_owned(), count: values.len() });
        }
        values.push(value.to_owned());
        self.changes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Removes a value; the others at the name stay.
    pub(crate) fn remove(&self, fqdn: &str, value: &str) {
        let Some(mut values) = self.locked(fqdn) else { return };
        let before = values.len();
        values.retain(|it| it != value);
        if values.len() < before {
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The values at a name.
    pub(super) fn values(&self, fqdn: &str) -> Vec<String> {
        self.locked(fqdn).map(|values| values.clone()).unwrap_or_default()
    }

    /// How often something has changed.
    pub(super) fn changes(&self) -> u32 {
        self.changes.load(Ordering::Relaxed)
    }

    fn locked(&self, fqdn: &str) -> Option<MutexGuard<'_, Vec<String>>> {
        let name = fqdn.strip_suffix('.').unwrap_or(fqdn).to_ascii_lowercase();
        // A panic elsewhere leaves a list of values as good as it was.
        Some(self.at.get(&name)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_side_by_side_and_go_one_by_one() {
        let records = Records::new([NAME.to_owned()], "ns.test");
        for value in ["one", "two", "one"] {
            records.put(NAME, value).expect("room");
        }
        assert_eq!(records.values(NAME), ["one", "two"]);
        records.remove("_ACME-challenge.Preview.test.", "one");
        records.remove(NAME, "never there");
        assert_eq!((records.values(NAME), records.changes()), (vec!["two".to_owned()], 3));
    }

    #[test]
    fn a_name_that_is_not_served_is_refused_with_the_record_that_would_lead_here() {
        let records = Records::new([NAME.to_owned()], "ns.test");
        let failure = records.put("_acme-challenge.other.test", "one").expect_err("elsewhere");
        assert!(failure.to_string().contains(NAME), "{failure}");
        assert!(failure.hint().contains("_acme-challenge.other.test. NS ns.test."), "{}", failure.hint());
        records.remove("_acme-challenge.other.test", "one");
    }

    #[test]
    fn more_values_than_one_answer_holds_are_refused() {
        let records = Records::new([NAME.to_owned()], "ns.test");
        (0..MOST).for_each(|at| records.put(NAME, &at.to_string()).expect("room"));
        let failure = records.put(NAME, "one more").expect_err("full");
        assert_eq!(failure, Failure::TxtTooMany { fqdn: NAME.to_owned(), count: MOST });
    }

    const NAME: &str = "_acme-challenge.preview.test";
}
