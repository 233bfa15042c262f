//! The last of what a hook or an endpoint said: enough to see why, too little to fill a log.

use std::fmt;

/// The most that is kept, bytes.
const KEPT: usize = 1024;

/// The last KiB of some output.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail(Vec<u8>);

impl Tail {
    pub(crate) fn of(all: &[u8]) -> Self {
        let mut tail = Self::default();
        tail.push(all);
        tail
    }

    pub(crate) fn push(&mut self, more: &[u8]) {
        self.0.extend_from_slice(more);
        let surplus = self.0.len().saturating_sub(KEPT);
        self.0.drain(..surplus);
    }

    /// A reason, and what was said to it.
    pub(crate) fn after(&self, reason: &str) -> String {
        let said = self.to_string();
        if said.is_empty() { reason.to_owned() } else { format!("{reason}; it said: {said}") }
    }
}

/// One text without control characters, which could play tricks on a terminal.
impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.0);
        let plain: String =
            text.trim().chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
        f.write_str(&plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_kib_stays_without_what_steers_terminals() {
        let mut tail = Tail::of("x".repeat(5000).as_bytes());
        tail.push(b"\nwhy\x1b[2J\n");
        let text = tail.to_string();
        assert!(text.ends_with("x\nwhy [2J") && text.len() < KEPT, "{text}");
        assert_eq!(Tail::of(b" \n").after("exit status: 3"), "exit status: 3");
        assert_eq!(Tail::of(b"no\n").after("exit status: 3"), "exit status: 3; it said: no");
    }
}
