//! Values, and how they are read from a file's nodes and from plain text.

use std::fmt;
use std::time::Duration;

use super::keys::{Key, Kind};
use super::yaml::Node;

/// A checked value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A switch.
    Flag(bool),
    /// A number.
    Number(u64),
    /// A duration.
    Duration(Duration),
    /// A text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

impl Key {
    /// The value by default.
    #[must_use]
    pub fn default_value(&self) -> Value {
        self.read_text(self.default).unwrap_or(Value::Null)
    }

    /// Reads a value from an environment variable or a flag; a list's parts are joined by commas.
    ///
    /// # Errors
    /// What was given, in words, if it does not fit.
    pub fn read_text(&self, text: &str) -> Result<Value, String> {
        let misfit = || format!("{text:?}");
        match self.kind {
            Kind::Flag => text.parse().map(Value::Flag).map_err(|_| misfit()),
            Kind::Number(least, most) => text
                .parse()
                .ok()
                .filter(|number| (least..=most).contains(number))
                .map(Value::Number)
                .ok_or_else(misfit),
            Kind::Duration(least, most) => duration(text)
                .filter(|d| (Duration::from_secs(least)..=Duration::from_secs(most)).contains(d))
                .map(Value::Duration)
                .ok_or_else(misfit),
            Kind::Text if text.is_empty() => Err("empty".to_owned()),
            Kind::OptionalText if text.is_empty() => Ok(Value::Null),
            Kind::Text | Kind::OptionalText => Ok(Value::Text(text.to_owned())),
            Kind::Choice(words) if words.contains(&text) => Ok(Value::Text(text.to_owned())),
            Kind::Choice(_) => Err(misfit()),
            Kind::List => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Ok(Value::List(parts.map(str::to_owned).collect()))
            }
        }
    }

    /// Reads a value from a file's node.
    ///
    /// # Errors
    /// What was given, in words, if it does not fit.
    pub(super) fn read_node(&self, node: &Node) -> Result<Value, String> {
        match (self.kind, node) {
            (Kind::OptionalText, Node::Null) => Ok(Value::Null),
            (Kind::List, Node::Null) => Ok(Value::List(Vec::new())),
            (Kind::List, Node::List(items)) => {
                let texts =
                    items.iter().map(|item| item.scalar().ok_or_else(|| format!("a list with {item}")));
                texts.collect::<Result<_, _>>().map(Value::List)
            }
            (_, Node::List(_) | Node::Map | Node::Null) => Err(node.to_string()),
            (_, scalar) => self.read_text(&scalar.scalar().unwrap_or_default()),
        }
    }
}

impl fmt::Display for Value {
    /// As a file would write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Duration(duration) => f.write_str(&duration_words(*duration)),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(list) => write!(f, "{list:?}"),
        }
    }
}

/// A duration such as `500ms`, `15s`, `30m`, `8h` or `1h30m`. A number needs its unit, except 0.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    text.parse::<jiff::SignedDuration>().ok()?.try_into().ok()
}

/// A duration as [`duration`] reads it.
pub(super) fn duration_words(duration: Duration) -> String {
    if duration.is_zero() {
        return "0".to_owned();
    }
    jiff::SignedDuration::try_from(duration).map_or_else(|_| format!("{duration:?}"), |d| format!("{d:#}"))
}
