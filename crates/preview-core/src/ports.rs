//! Ports, and which of them may be attached.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use thiserror::Error;

/// A TCP port, 1–65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(NonZeroU16);

/// A text or number that is no port.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("port {0:?} is not a number from 1 to 65535, written in digits alone")]
pub struct InvalidPort(pub String);

impl Port {
    /// A port from its number.
    ///
    /// # Errors
    /// [`InvalidPort`] for 0.
    pub fn new(number: u16) -> Result<Self, InvalidPort> {
        NonZeroU16::new(number).map(Self).ok_or_else(|| InvalidPort(number.to_string()))
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl FromStr for Port {
    type Err = InvalidPort;
    /// Digits alone, without sign or leading zero, so that one port has one spelling.
    fn from_str(text: &str) -> Result<Self, InvalidPort> {
        let strict = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| strict).map(Self).ok_or_else(|| InvalidPort(text.to_owned()))
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Ranges of ports, both ends included, as configuration writes them: `3000-9999, 12000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRanges(Vec<(Port, Port)>); // Invariant: first <= last in each.

/// A text that is no list of port ranges.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not a list of port ranges such as 3000-9999,12000")]
pub struct InvalidRanges(pub String);

impl PortRanges {
    /// Whether `port` lies in one of them.
    #[must_use]
    pub fn contains(&self, port: Port) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&port))
    }

    /// Whether they share a port with `first..=last`.
    #[must_use]
    pub fn overlap(&self, first: Port, last: Port) -> bool {
        self.0.iter().any(|(a, b)| *a <= last && first <= *b)
    }

    /// First and last port of each.
    pub fn ranges(&self) -> impl Iterator<Item = (Port, Port)> + '_ {
        self.0.iter().copied()
    }

    /// The ports, ascending within each range.
    pub fn iter(&self) -> impl Iterator<Item = Port> + '_ {
        self.0
            .iter()
            .flat_map(|(first, last)| first.get()..=last.get())
            .filter_map(|number| Port::new(number).ok())
    }
}

impl FromStr for PortRanges {
    type Err = InvalidRanges;
    fn from_str(text: &str) -> Result<Self, InvalidRanges> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some((first, last))
        };
        let ranges: Option<Vec<(Port, Port)>> = text.split(',').map(range).collect();
        ranges.map(Self).ok_or_else(|| InvalidRanges(text.to_owned()))
    }
}

impl fmt::Display for PortRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (first, last)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{first}")?;
            if first != last {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}

/// Which ports of this host may be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortPolicy {
    /// Ports that anybody may attach (default 3000–9999).
    pub allow: PortRanges,
    /// Ports that nobody may attach, whatever `allow` says.
    pub deny: BTreeSet<Port>,
    /// Ports that daemon and edge hold themselves: attaching one would loop, or open the API.
    pub own: BTreeSet<Port>,
    /// Whether a tied task's own listeners are admitted outside `allow`, from 1024 up.
    pub tasks_outside: bool,
}

/// Why a port may not be attached.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PortRefusal {
    /// It is not in `ports.allow`.
    #[error("port {port} is outside the ports that may be attached ({allow})")]
    Outside {
        /// The port asked for.
        port: Port,
        /// The allowed ones.
        allow: PortRanges,
    },
    /// It is in `ports.deny`.
    #[error("port {0} is denied by the operator (ports.deny)")]
    Denied(Port),
    /// The product itself listens there.
    #[error("port {0} belongs to the preview service itself")]
    Own(Port),
}

impl PortPolicy {
    /// The lowest port a tied task may have outside `allow`: below, only root binds.
    pub const LEAST_OUTSIDE: u16 = 1024;

    /// Whether `port` may be attached; `tied` says that it is a listener of the attachment's own task.
    ///
    /// # Errors
    /// [`PortRefusal`] says which rule forbids it.
    pub fn check(&self, port: Port, tied: bool) -> Result<(), PortRefusal> {
        if self.own.contains(&port) {
            return Err(PortRefusal::Own(port));
        }
        if self.deny.contains(&port) {
            return Err(PortRefusal::Denied(port));
        }
        let outside_by_task = tied && self.tasks_outside && port.get() >= Self::LEAST_OUTSIDE;
        if self.allow.contains(port) || outside_by_task {
            return Ok(());
        }
        Err(PortRefusal::Outside { port, allow: self.allow.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_has_one_spelling() {
        assert_eq!("3001".parse::<Port>().map(Port::get), Ok(3001));
        for text in ["", "0", "03001", "+3001", "-1", " 3001", "65536", "99999999", "3001\0", "３００１"]
        {
            assert!(text.parse::<Port>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn ranges_read_back_as_they_were_written() {
        let ranges: PortRanges = "3000-9999, 12000".parse().expect("valid");
        assert_eq!(ranges.to_string(), "3000-9999,12000");
        let [lone, range] = [12_000, 3_000].map(|first| ranges.ranges().find(|it| it.0 == port(first)));
        assert_eq!((lone, range), (Some((port(12_000), port(12_000))), Some((port(3_000), port(9_999)))));
        assert!("9999-3000".parse::<PortRanges>().is_err());
        assert!("".parse::<PortRanges>().is_err());
    }

    #[test]
    fn a_tied_task_may_listen_outside_but_never_on_denied_or_own_ports() {
        let policy = PortPolicy {
            allow: "3000-9999".parse().expect("valid"),
            deny: [port(5432)].into(),
            own: [port(8080)].into(),
            tasks_outside: true,
        };
        assert_eq!(policy.check(port(34_567), true), Ok(()));
        assert!(matches!(policy.check(port(34_567), false), Err(PortRefusal::Outside { .. })));
        assert!(matches!(policy.check(port(443), true), Err(PortRefusal::Outside { .. })));
        assert_eq!(policy.check(port(5432), true), Err(PortRefusal::Denied(port(5432))));
        assert_eq!(policy.check(port(8080), true), Err(PortRefusal::Own(port(8080))));
        let strict = PortPolicy { tasks_outside: false, ..policy };
        assert!(strict.check(port(34_567), true).is_err());
    }

    fn port(number: u16) -> Port {
        Port::new(number).expect("not zero")
    }
}
