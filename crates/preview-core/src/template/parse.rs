//! Reading a template; every refusal shows where.

use std::fmt;

use super::{Part, Placeholder, PortPart, Scheme, UrlTemplate};
use crate::ports::Port;

/// A template that was refused. `Display` shows it with a caret under the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The template as it was given.
    pub template: String,
    /// Where, bytes from its start.
    pub at: usize,
    /// What is wrong there.
    pub problem: TemplateProblem,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateProblem {
    /// It does not start with a scheme.
    #[error("must start with http:// or https://")]
    Scheme,
    /// It has no host name.
    #[error("has no host name")]
    NoHost,
    /// It names a user.
    #[error("must not name a user: nothing before an @")]
    UserInfo,
    /// It goes on after host and port.
    #[error("must end with host and port: no path, query or fragment")]
    Tail,
    /// An unknown placeholder.
    #[error(
        "unknown placeholder {{{0}}}, there are {{port}} {{id}} {{name}} {{session_id}} {{app_id}} {{host}} {{node}}"
    )]
    Unknown(String),
    /// A `{` without its `}`, or a `}` without its `{`.
    #[error("unclosed placeholder")]
    Unclosed,
    /// A character that no host name has.
    #[error("the character {0:?} cannot stand in a host name")]
    Character(char),
    /// An empty label, or one with a hyphen at an end.
    #[error("a part of a host name must not be empty, nor start or end with a hyphen")]
    Label,
    /// A label that may become too long.
    #[error("this part may become {0} characters long, DNS allows 63")]
    TooLong(usize),
    /// A host name that may become too long.
    #[error("the host name may become {0} characters long, DNS allows 253")]
    HostTooLong(usize),
    /// Placeholders beyond the first label.
    #[error("placeholders may stand in the first part of the host name only: no certificate covers more")]
    NotFirst,
    /// Nothing tells attachments apart.
    #[error("nothing tells attachments apart: it needs {{port}}, {{id}} or {{name}}")]
    NotDistinct,
    /// No port number, or a placeholder other than `{port}`.
    #[error("the port must be a number from 1 to 65535, or {{port}}")]
    Port,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = self.template.get(..self.at).map_or(0, |before| before.chars().count());
        let shown: String =
            self.template.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        write!(f, "public_url_template {}\n  {shown}\n  {:column$}^", self.problem, "")
    }
}

impl std::error::Error for TemplateError {}

type Problem = (usize, TemplateProblem);

pub(super) fn template(text: &str) -> Result<UrlTemplate, TemplateError> {
    parse(text).map_err(|(at, problem)| TemplateError { template: text.to_owned(), at, problem })
}

fn parse(text: &str) -> Result<UrlTemplate, Problem> {
    let (scheme, start) = scheme(text)?;
    if let Some(at) = text[start..].find('@') {
        return Err((start + at, TemplateProblem::UserInfo));
    }
    if let Some(at) = text[start..].find(['/', '?', '#']) {
        return Err((start + at, TemplateProblem::Tail));
    }
    let authority = &text[start..];
    let (host, port) = match authority.find(':') {
        Some(colon) => (&authority[..colon], port(&authority[colon + 1..], start + colon + 1)?),
        None => (authority, PortPart::Default),
    };
    let (label, rest) = labels(host, start)?;
    let tells_apart =
        |part: &Part| matches!(part, Part::Field(Placeholder::Port | Placeholder::Id | Placeholder::Name));
    if port != PortPart::Attached && !label.iter().any(tells_apart) {
        return Err((start, TemplateProblem::NotDistinct));
    }
    Ok(UrlTemplate { text: text.to_owned(), scheme, label, rest, port })
}

fn scheme(text: &str) -> Result<(Scheme, usize), Problem> {
    [Scheme::Http, Scheme::Https]
        .into_iter()
        .map(|scheme| (scheme, scheme.as_str().len() + "://".len()))
        .find(|(scheme, len)| text.get(..*len).is_some_and(|head| head == format!("{}://", scheme.as_str())))
        .ok_or((0, TemplateProblem::Scheme))
}

fn port(text: &str, at: usize) -> Result<PortPart, Problem> {
    match text {
        "{port}" => Ok(PortPart::Attached),
        number => number.parse::<Port>().map(PortPart::Fixed).map_err(|_| (at, TemplateProblem::Port)),
    }
}

/// The first label in parts, and the rest of the host name from its dot on.
fn labels(host: &str, start: usize) -> Result<(Vec<Part>, String), Problem> {
    if host.is_empty() {
        return Err((start, TemplateProblem::NoHost));
    }
    let (mut first, mut rest, mut at, mut total) = (Vec::new(), String::new(), start, 0);
    for (i, label) in host.split('.').enumerate() {
        let (parts, longest) = label_parts(label, at)?;
        if i > 0 && parts.iter().any(|part| matches!(part, Part::Field(_))) {
            return Err((at, TemplateProblem::NotFirst));
        }
        total += longest + usize::from(i > 0);
        if i == 0 {
            first = parts;
        } else {
            rest.push('.');
            rest.push_str(label);
        }
        at += label.len() + 1;
    }
    if total > 253 {
        return Err((start, TemplateProblem::HostTooLong(total)));
    }
    Ok((first, rest))
}

/// The parts of one label, and the most characters it renders to.
fn label_parts(label: &str, start: usize) -> Result<(Vec<Part>, usize), Problem> {
    let (mut parts, mut text, mut at) = (Vec::new(), String::new(), start);
    let mut left = label;
    while let Some(c) = left.chars().next() {
        let step = match c {
            '{' => {
                let end = left.find('}').ok_or((at, TemplateProblem::Unclosed))?;
                let known = Placeholder::ALL.into_iter().find(|field| field.as_str() == &left[1..end]);
                let field = known.ok_or_else(|| (at, TemplateProblem::Unknown(left[1..end].to_owned())))?;
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(Part::Field(field));
                end + 1
            }
            '}' => return Err((at, TemplateProblem::Unclosed)),
            'a'..='z' | '0'..='9' | '-' => {
                text.push(c);
                1
            }
            other => return Err((at, TemplateProblem::Character(other))),
        };
        left = &left[step..];
        at += step;
    }
    if label.is_empty() || label.starts_with('-') || label.ends_with('-') {
        return Err((start, TemplateProblem::Label));
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    let longest = parts.iter().map(longest).sum();
    if longest > 63 {
        return Err((start, TemplateProblem::TooLong(longest)));
    }
    Ok((parts, longest))
}

fn longest(part: &Part) -> usize {
    match part {
        Part::Text(text) => text.len(),
        Part::Field(field) => field.longest(),
    }
}
