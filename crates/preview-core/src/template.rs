//! The URL template: how an attachment's public URL is made (seed `public_url_template`).
//!
//! `scheme://host[:port]` with placeholders in one label of the host, or `{port}` as the port for use without an
//! edge. Routing never parses a host name: it looks the rendered one up. Only `static` mode reads `{port}` back.

mod parse;
mod placeholder;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub use parse::{TemplateError, TemplateProblem};
use placeholder::LOCALHOST;
pub use placeholder::{Placeholder, reduce};

use crate::id::{AppId, AttachmentId, Name, NodeId, SessionId};
use crate::ports::Port;

/// A template, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlTemplate {
    text: String,
    scheme: Scheme,
    /// The host's first label, then the rest as it is (with its leading dot), the only label that varies first.
    label: Vec<Part>,
    rest: String,
    port: PortPart,
}

/// The scheme of public URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Placeholder),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortPart {
    Default,
    Fixed(Port),
    Attached,
}

/// What a template is rendered from.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The attachment's id.
    pub id: AttachmentId,
    /// Its name.
    pub name: &'a Name,
    /// Its session.
    pub session: &'a SessionId,
    /// Its app.
    pub app: Option<&'a AppId>,
    /// Its listener's port.
    pub port: Port,
    /// The node it is on.
    pub node: &'a NodeId,
}

/// A public URL without its path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rendered {
    /// `scheme://host[:port]`, without a slash at its end.
    pub origin: String,
    /// The host name alone: lower case, without port.
    pub host: String,
}

/// The template has `{app_id}` and the attachment has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the URL template has {{app_id}}, so app_id must be given")]
pub struct MissingAppId;

impl UrlTemplate {
    /// The template as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme of its URLs.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Renders one attachment's URL.
    ///
    /// # Errors
    /// [`MissingAppId`] if it has `{app_id}` and there is none.
    pub fn render(&self, facts: &Facts<'_>) -> Result<Rendered, MissingAppId> {
        let mut host = String::with_capacity(64);
        for part in &self.label {
            match part {
                Part::Text(text) => host.push_str(text),
                Part::Field(field) => host.push_str(&field.render(facts)?),
            }
        }
        host.push_str(&self.rest);
        let scheme = self.scheme.as_str();
        let origin = match self.port {
            PortPart::Default => format!("{scheme}://{host}"),
            PortPart::Fixed(port) => format!("{scheme}://{host}:{port}"),
            PortPart::Attached => format!("{scheme}://{host}:{}", facts.port),
        };
        Ok(Rendered { origin, host })
    }

    /// The names a certificate must carry for every URL of this template, e.g. `*.preview.example.com`.
    #[must_use]
    pub fn wildcard_names(&self) -> Vec<String> {
        match self.fixed_label() {
            Some(label) => vec![format!("{label}{}", self.rest)],
            None => vec![format!("*{}", self.rest)],
        }
    }

    /// What follows the label that varies: `preview.example.com`.
    #[must_use]
    pub fn base(&self) -> &str {
        self.rest.trim_start_matches('.')
    }

    /// Whether a stranger can guess the host name of an attachment: it has no `{id}`.
    #[must_use]
    pub fn is_guessable(&self) -> bool {
        !self.label.contains(&Part::Field(Placeholder::Id))
    }

    /// The port that every URL of this template has: as written, or the scheme's own; `None` with `{port}` there.
    #[must_use]
    pub fn public_port(&self) -> Option<Port> {
        match self.port {
            PortPart::Default => Port::new(self.scheme.default_port()).ok(),
            PortPart::Fixed(port) => Some(port),
            PortPart::Attached => None,
        }
    }

    /// The same template with another fixed port, for a service that had to take the next free one.
    #[must_use]
    pub fn with_public_port(&self, port: Port) -> Self {
        let host: String = self.label.iter().map(ToString::to_string).collect();
        let bare = format!("{}://{host}{}", self.scheme.as_str(), self.rest);
        if port.get() == self.scheme.default_port() {
            return Self { text: bare, port: PortPart::Default, ..self.clone() };
        }
        Self { text: format!("{bare}:{port}"), port: PortPart::Fixed(port), ..self.clone() }
    }

    /// Whether some attachment could have this host name.
    #[must_use]
    pub fn could_render(&self, host: &str) -> bool {
        self.varying(host).is_some_and(|label| fits(&self.label, label))
    }

    /// The port in a host name of this template: `static` mode's only parse.
    #[must_use]
    pub fn port_of(&self, host: &str) -> Option<Port> {
        let label = self.varying(host)?;
        let at = self.label.iter().position(|part| *part == Part::Field(Placeholder::Port))?;
        let (before, after) = (fixed(&self.label[..at])?, fixed(&self.label[at + 1..])?);
        label.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?.parse().ok()
    }

    /// The part of `host` that stands for the varying label.
    fn varying<'h>(&self, host: &'h str) -> Option<&'h str> {
        host.strip_suffix(self.rest.as_str()).filter(|label| !label.is_empty() && !label.contains('.'))
    }

    fn fixed_label(&self) -> Option<String> {
        fixed(&self.label)
    }
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// 80 or 443.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The text of parts that never vary; `{host}` is one of them.
fn fixed(parts: &[Part]) -> Option<String> {
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Field(Placeholder::Host) => Some(LOCALHOST),
            Part::Field(_) => None,
        })
        .collect()
}

/// Whether `label` could come of `parts`: texts in their order, something plausible between them.
fn fits(parts: &[Part], label: &str) -> bool {
    match parts.split_first() {
        None => label.is_empty(),
        Some((Part::Text(text), more)) => {
            label.strip_prefix(text.as_str()).is_some_and(|rest| fits(more, rest))
        }
        Some((Part::Field(field), more)) => (1..=field.longest().min(label.len()))
            .filter(|at| label.is_char_boundary(*at))
            .any(|at| field.could_be(&label[..at]) && fits(more, &label[at..])),
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Field(field) => write!(f, "{{{}}}", field.as_str()),
        }
    }
}

impl fmt::Display for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for UrlTemplate {
    type Err = TemplateError;
    fn from_str(text: &str) -> Result<Self, TemplateError> {
        parse::template(text)
    }
}

#[cfg(test)]
mod tests;
