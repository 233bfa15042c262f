//! The TXT records at one name, as a provider keeps them.

/// Records with the numbers that the provider gave them.
pub(super) struct Zone {
    next: u64,
    pub(super) records: Vec<(u64, String)>,
}

impl Zone {
    /// One that somebody else has written to already.
    pub(super) fn with(value: &str) -> Self {
        Self { next: 2, records: vec![(1, value.to_owned())] }
    }

    /// The values in the order of the alphabet, each as often as it is there.
    pub(super) fn values(&self) -> Vec<String> {
        let mut values: Vec<_> = self.records.iter().map(|(_, value)| value.clone()).collect();
        values.sort();
        values
    }

    pub(super) fn has(&self, value: &str) -> bool {
        self.records.iter().any(|(_, it)| it == value)
    }

    pub(super) fn add(&mut self, value: &str) -> u64 {
        let id = self.next;
        self.next += 1;
        self.records.push((id, value.to_owned()));
        id
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        let before = self.records.len();
        self.records.retain(|(it, _)| it.to_string() != id);
        self.records.len() < before
    }

    /// Replaces all of them, as interfaces do that know only whole sets.
    pub(super) fn set(&mut self, values: impl IntoIterator<Item = String>) {
        self.records.clear();
        for value in values {
            self.add(&value);
        }
    }
}

/// A TXT value as zone files have it.
pub(super) fn quoted(value: &str) -> String {
    format!("\"{value}\"")
}

pub(super) fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or_else(|| panic!("must be in quotes: {value}")).to_owned()
}
