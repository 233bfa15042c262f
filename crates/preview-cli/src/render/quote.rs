//! Words in the languages of the proxies. What a language cannot express is refused, never bent.

use std::fmt::Write as _;

use crate::failure::Failure;

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// nginx: double quotes, `\` escapes; `$` begins a variable and cannot be escaped.
    Nginx,
    /// Caddyfile: double quotes; `{` begins a placeholder, also within them.
    Caddy,
    /// HAProxy: single quotes keep all but themselves; addresses expand `$` all the same.
    Haproxy,
    /// Lua: double quotes, every byte by its number.
    Lua,
    /// YAML for Traefik: double quotes; Go's templates see `{{` first, whatever the quotes.
    Traefik,
    /// systemd, the value of a directive that takes a path as it is, or a command: `%` is doubled.
    SystemdPath,
}

impl Language {
    const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "Caddy",
            Self::Haproxy => "HAProxy",
            Self::Lua => "Lua",
            Self::Traefik => "Traefik",
            Self::SystemdPath => "systemd",
        }
    }

    /// Whether a text with this character can be written.
    fn takes(self, c: char) -> bool {
        let is_special = match self {
            Self::Nginx => "$",
            Self::Caddy => "{}\"\\`",
            Self::Haproxy => "'$",
            Self::Lua | Self::Traefik => "",
            Self::SystemdPath => "\\\"'$",
        };
        // What may break a line does, for somebody.
        !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') && !is_special.contains(c)
    }
}

/// A text as one word of that language; `what` says what it is where it is refused.
///
/// # Errors
/// The language cannot express it.
pub(super) fn word(language: Language, what: &str, text: &str) -> Result<String, Failure> {
    let name = language.name();
    if let Some(c) = text.chars().find(|c| !language.takes(*c)) {
        return Err(Failure::usage(
            format!(
                "{what} {text:?} has the character {c:?}, which a configuration of {name} cannot express"
            ),
            "give it a plainer name, or a link to it that has one",
        ));
    }
    let is_edge_space = text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace);
    if text.is_empty() || language == Language::Traefik && text.contains("{{") || is_edge_space {
        return Err(Failure::usage(
            format!("{what} {text:?} cannot be expressed in a configuration of {name}"),
            "give it a plainer name, or a link to it that has one",
        ));
    }
    Ok(match language {
        Language::Nginx => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        Language::Caddy => format!("\"{text}\""),
        Language::Haproxy => format!("'{text}'"),
        Language::Lua => lua(text),
        Language::Traefik => serde_json::Value::from(text).to_string(),
        Language::SystemdPath => text.replace('%', "%%"),
    })
}

fn lua(text: &str) -> String {
    let mut word = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => _ = write!(word, "\\{}", char::from(byte)),
            b' '..=b'~' => word.push(char::from(byte)),
            _ => _ = write!(word, "\\{byte:03}"),
        }
    }
    word.push('"');
    word
}
