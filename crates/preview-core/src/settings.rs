//! Configuration in layers: flag over environment over file over default, each value with its origin.
//!
//! This module turns texts into checked values; who reads files and the environment is the caller. Every key is
//! declared once, in [`keys`]: the table knows kind, default and meaning, so that an unknown key, a wrong type and
//! an impossible value are found here, with file, line, column, what is allowed and a near match.

pub mod keys;
mod file;
mod value;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use keys::{KEYS, Key};
pub use value::Value;

/// The checked value of every key.
#[derive(Clone, Debug)]
pub struct Settings {
    values: BTreeMap<&'static str, Setting>,
    warnings: Vec<String>,
    credentials: Option<PathBuf>,
}

/// One value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// Its origin.
    pub origin: Origin,
}

/// Where a value comes from, the weakest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave one.
    Default,
    /// The configuration file.
    File {
        /// Its path, as it was given.
        path: String,
        /// Line, from 1.
        line: u64,
        /// Column, characters from 1.
        column: u64,
    },
    /// The environment variable of this name.
    Env(String),
    /// The command-line flag of this name.
    Flag(String),
}

/// What the layers are read from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    /// Path and text of the configuration file.
    pub file: Option<(&'a str, &'a str)>,
    /// The whole environment; other programs' variables are passed over.
    pub env: &'a [(String, String)],
    /// Flags: its name as the user typed it, the key it sets, its value.
    pub flags: &'a [(&'a str, &'a str, &'a str)],
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{origin}: {problem}")]
pub struct SettingsError {
    /// Where.
    pub origin: Origin,
    /// What is wrong.
    pub problem: SettingsProblem,
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingsProblem {
    /// The file is not YAML, or not a map where it must be one.
    #[error("{0}")]
    Syntax(String),
    /// There is no such key.
    #[error("unknown key `{key}`{}", near.as_ref().map_or_else(String::new, |near| format!(", did you mean `{near}`?")))]
    Unknown {
        /// The key.
        key: String,
        /// The known key most like it.
        near: Option<&'static str>,
    },
    /// The value is of the wrong type, or impossible.
    #[error("`{key}` is {given}, must be {allowed}")]
    Value {
        /// The key.
        key: &'static str,
        /// What was given.
        given: String,
        /// What is allowed.
        allowed: String,
    },
}

/// The one top-level key of the file that is ours (seed).
pub const SECTION: &str = "web_preview";

/// Prefixes of our environment variables, the stronger first; `__` stands for the dot.
const ENV_PREFIXES: [&str; 2] = ["PREVIEW_", "DIGITORN_WEB_PREVIEW__"];

impl Settings {
    /// Reads the layers.
    ///
    /// # Errors
    /// [`SettingsError`] names the place, the key and what is allowed.
    pub fn load(sources: Sources<'_>) -> Result<Self, SettingsError> {
        let mut settings = Self::defaults();
        let folder = sources.env.iter().find(|(name, _)| name == file::CREDENTIALS_DIRECTORY);
        settings.credentials = folder.map(|(_, folder)| PathBuf::from(folder));
        if let Some((path, text)) = sources.file {
            for (key, node, origin) in yaml::settings(path, text)? {
                settings.set(key, key.read_node(&node), origin)?;
            }
        }
        for prefix in ENV_PREFIXES.iter().rev() {
            for (name, text) in sources.env {
                let origin = Origin::Env(name.clone());
                if let Some(key) = env_key(prefix, name, &origin)? {
                    settings.warn_of_shadow(key, text, name);
                    settings.set(key, key.read_text(text), origin)?;
                }
            }
        }
        for (flag, path, text) in sources.flags {
            let origin = Origin::Flag((*flag).to_owned());
            let key = Key::find(path).ok_or_else(|| unknown(path, &origin))?;
            settings.set(key, key.read_text(text), origin)?;
        }
        Ok(settings)
    }

    /// The defaults alone.
    #[must_use]
    pub fn defaults() -> Self {
        let setting = |key: &Key| Setting { value: key.default_value(), origin: Origin::Default };
        let values = KEYS.iter().map(|key| (key.path, setting(key))).collect();
        Self { values, warnings: Vec::new(), credentials: None }
    }

    /// Every key with its value and origin, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Setting)> {
        self.values.iter().map(|(path, setting)| (*path, setting))
    }

    /// The value of a key of the table, and its origin.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Setting> {
        self.values.get(path)
    }

    /// What a person should know although nothing is wrong.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The switch `path`.
    #[must_use]
    pub fn flag(&self, path: &str) -> bool {
        matches!(self.value(path), Value::Flag(true))
    }

    /// The number `path`.
    #[must_use]
    pub fn number(&self, path: &str) -> u64 {
        if let Value::Number(number) = self.value(path) { *number } else { 0 }
    }

    /// The duration `path`.
    #[must_use]
    pub fn duration(&self, path: &str) -> Duration {
        if let Value::Duration(duration) = self.value(path) { *duration } else { Duration::ZERO }
    }

    /// The text `path`; `None` if it is null.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        if let Value::Text(text) = self.value(path) { Some(text) } else { None }
    }

    /// The list `path`.
    #[must_use]
    pub fn list(&self, path: &str) -> &[String] {
        if let Value::List(list) = self.value(path) { list } else { &[] }
    }

    /// The error for a value that only the one who uses it could find impossible.
    #[must_use]
    pub fn impossible(&self, path: &'static str, allowed: impl fmt::Display) -> SettingsError {
        let setting = self.values.get(path);
        let origin = setting.map_or(Origin::Default, |setting| setting.origin.clone());
        let given = self.value(path).to_string();
        let allowed = allowed.to_string();
        SettingsError { origin, problem: SettingsProblem::Value { key: path, given, allowed } }
    }

    fn value(&self, path: &str) -> &Value {
        let setting = self.values.get(path);
        debug_assert!(setting.is_some(), "{path} is not in the table of keys");
        setting.map_or(&Value::Null, |setting| &setting.value)
    }

    fn set(
        &mut self,
        key: &'static Key,
        read: Result<Value, String>,
        origin: Origin,
    ) -> Result<(), SettingsError> {
        match read {
            Ok(value) => {
                self.values.insert(key.path, Setting { value, origin });
                Ok(())
            }
            Err(given) => {
                let allowed = key.kind.to_string();
                Err(SettingsError {
                    origin,
                    problem: SettingsProblem::Value { key: key.path, given, allowed },
                })
            }
        }
    }

    /// The product this came from let the file win over the environment; whoever relies on that should hear of it.
    fn warn_of_shadow(&mut self, key: &'static Key, text: &str, name: &str) {
        let Some(Setting { value, origin: origin @ Origin::File { .. } }) = self.values.get(key.path) else {
            return;
        };
        if key.read_text(text).is_ok_and(|given| given != *value) {
            self.warnings.push(format!("{name} overrides `{}` of {origin}", key.path));
        }
    }
}

/// The text of a file, which must be UTF-8.
///
/// # Errors
/// [`SettingsError`] with the place of the first byte that is none.
pub fn text_of<'b>(path: &str, bytes: &'b [u8]) -> Result<&'b str, SettingsError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let place = |number| u64::try_from(number).unwrap_or(u64::MAX);
        let origin = Origin::File { path: path.to_owned(), line: place(line), column: place(column) };
        SettingsError { origin, problem: SettingsProblem::Syntax("the file is not UTF-8 here".to_owned()) }
    })
}

fn env_key(prefix: &str, name: &str, origin: &Origin) -> Result<Option<&'static Key>, SettingsError> {
    let Some(rest) = name.strip_prefix(prefix) else { return Ok(None) };
    let path = rest.to_ascii_lowercase().replace("__", ".");
    match Key::find(&path) {
        Some(key) => Ok(Some(key)),
        // A name without `__` may be for something else of ours, such as PREVIEW_CONFIG.
        None if path.contains('.') || prefix.contains("__") => Err(unknown(&path, origin)),
        None => Ok(None),
    }
}

fn unknown(path: &str, origin: &Origin) -> SettingsError {
    let problem = SettingsProblem::Unknown { key: path.to_owned(), near: Key::near(path) };
    SettingsError { origin: origin.clone(), problem }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Self::Env(name) => write!(f, "${name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests;
