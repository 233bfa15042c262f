//! How often a law is tried: few times in the suite, many in `cargo xtask soak`.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Set to `1` by `cargo xtask soak`.
pub const SOAK: &str = "PREVIEW_SOAK";
/// The file in which soak collects who counted how far: lines of [`Entry`].
pub const LEDGER: &str = "PREVIEW_SOAK_LEDGER";

/// The number of rounds for the running test: the environment variable `name` if it is set, else `soak`
/// under `cargo xtask soak`, else `suite`.
///
/// ```
/// let kills = xtask::count::count("PREVIEW_KILLS", 20, 200);
/// assert!(kills >= 20);
/// ```
///
/// # Panics
/// If the variable holds something else than a number: a typing error must not shorten a test.
#[must_use]
pub fn count(name: &str, suite: u32, soak: u32) -> u32 {
    let read = |name: &str| std::env::var(name).ok();
    let count = decide(name, read(name).as_deref(), read(SOAK).as_deref(), suite, soak);
    if let (Some(ledger), Some(binary), Some(test)) =
        (read(LEDGER), read("NEXTEST_BINARY_ID"), read("NEXTEST_TEST_NAME"))
    {
        enter(&ledger, &Entry { binary, test, name: name.to_owned(), count });
    }
    count
}

/// That a test asked for a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The test binary, as nextest names it.
    pub binary: String,
    /// The test's path within the binary.
    pub test: String,
    /// The count's variable.
    pub name: String,
    /// What it got.
    pub count: u32,
}

impl Entry {
    /// The ledger's line for it.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}\t{}\t{}\t{}\n", self.binary, self.test, self.name, self.count)
    }

    /// Reads a line; `None` if it is none of ours.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t').map(str::to_owned);
        let (binary, test, name) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self { binary, test, name, count: fields.next()?.parse().ok()? })
    }
}

fn decide(name: &str, given: Option<&str>, soaking: Option<&str>, suite: u32, soak: u32) -> u32 {
    match given {
        Some(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text}: give a whole number")),
        None if soaking == Some("1") => soak,
        None => suite,
    }
}

/// One write of one short line to a file opened for appending: tests of other processes do not tear it.
fn enter(ledger: &str, entry: &Entry) {
    let file = OpenOptions::new().create(true).append(true).open(ledger);
    file.and_then(|mut file| file.write_all(entry.line().as_bytes()))
        .unwrap_or_else(|error| panic!("{LEDGER}={ledger}: {error}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_counts_short_and_soak_counts_long() {
        assert_eq!(decide("PREVIEW_KILLS", None, None, 20, 200), 20);
        assert_eq!(decide("PREVIEW_KILLS", None, Some("1"), 20, 200), 200);
    }

    #[test]
    fn a_number_in_the_environment_wins() {
        assert_eq!(decide("PREVIEW_KILLS", Some("3"), Some("1"), 20, 200), 3);
    }

    #[test]
    #[should_panic(expected = "PREVIEW_KILLS=many: give a whole number")]
    fn a_word_in_the_environment_is_refused() {
        decide("PREVIEW_KILLS", Some("many"), None, 20, 200);
    }

    #[test]
    fn an_entry_survives_the_ledger() {
        let entry = Entry {
            binary: "preview-daemon::it".into(),
            test: "kill::nothing_is_lost".into(),
            name: "PREVIEW_KILLS".into(),
            count: 200,
        };
        assert_eq!(Entry::parse(entry.line().trim_end()), Some(entry));
    }
}
