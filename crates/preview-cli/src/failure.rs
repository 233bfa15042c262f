//! What can go wrong in `preview`, and how it is told: code, what happened, what to do next.

use std::io;

use preview_core::refusal::Code;
use preview_core::settings::SettingsError;
use preview_core::wire::api::Problem;
use thiserror::Error;

use crate::exit::Exit;

/// Why a subcommand did not do what was asked.
#[derive(Debug, Error)]
pub enum Failure {
    /// The command line makes no sense.
    #[error("{detail}")]
    Usage {
        /// What is wrong.
        detail: String,
        /// What to type instead.
        hint: String,
    },
    /// The configuration cannot be used.
    #[error("{problem}")]
    Config {
        /// Place, key and what is allowed.
        problem: Box<SettingsError>,
        /// The line of the file, with a mark under the place.
        snippet: Option<String>,
    },
    /// The daemon refused.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// Found here, and told as the daemon would tell it.
    #[error("{detail}")]
    Found {
        /// One of the shared codes.
        code: Code,
        /// What happened.
        detail: String,
        /// What to do next; empty: the code's own cure.
        hint: String,
    },
    /// The operating system refused.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The other side answered something that is no answer.
    #[error("{0}")]
    Garbled(String),
    /// The command that was run ended by itself, with this code; it has spoken for itself.
    #[error("the command ended with code {0}")]
    CommandEnded(i32),
    /// Some checks failed; each has been told.
    #[error("checks failed")]
    ChecksFailed,
    /// Ctrl-C or another signal that ends.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// A failure found here.
    #[must_use]
    pub fn found(code: Code, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Found { code, detail: detail.into(), hint: hint.into() }
    }

    /// A command line that makes no sense.
    #[must_use]
    pub fn usage(detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { detail: detail.into(), hint: hint.into() }
    }

    /// For `map_err`: what was tried when the operating system refused.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// How the program ends for it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } | Self::Config { .. } => Exit::USAGE,
            Self::Refused(problem) => problem.code.parse().map_or(Exit::FAILED, Exit::of_code),
            Self::Found { code, .. } => Exit::of_code(*code),
            Self::Io { .. } | Self::Garbled(_) | Self::ChecksFailed => Exit::FAILED,
            Self::CommandEnded(code) => Exit::of_command(*code),
            Self::Interrupted => Exit::INTERRUPTED,
        }
    }

    /// Whether it is this code, found here or there.
    #[must_use]
    pub fn is(&self, code: Code) -> bool {
        match self {
            Self::Refused(problem) => problem.code == code.as_str(),
            Self::Found { code: own, .. } => *own == code,
            _ => false,
        }
    }

    /// The same as the API would say it; `None` where nothing is left to be said.
    #[must_use]
    pub fn problem(&self) -> Option<Problem> {
        match self {
            Self::Refused(problem) => Some((**problem).clone()),
            Self::Config { .. } => Some(told(Code::ConfigInvalid, self.to_string(), String::new())),
            Self::Found { code, hint, .. } => Some(told(*code, self.to_string(), hint.clone())),
            Self::Usage { hint, .. } => Some(unnumbered("usage", self.to_string(), hint.clone())),
            Self::Io { what, source } => {
                Some(unnumbered("failed", format!("{what}: {source}"), String::new()))
            }
            Self::Garbled(_) => Some(unnumbered("failed", self.to_string(), String::new())),
            Self::CommandEnded(_) | Self::ChecksFailed | Self::Interrupted => None,
        }
    }
}

impl From<Failure> for Exit {
    fn from(failure: Failure) -> Self {
        failure.exit()
    }
}

fn told(code: Code, detail: String, hint: String) -> Problem {
    Problem {
        kind: format!("urn:preview:{code}"),
        title: code.cause().to_owned(),
        status: code.status(),
        code: code.to_string(),
        detail,
        hint: if hint.is_empty() { code.cure().to_owned() } else { hint },
    }
}

/// What never crosses the API has a word instead of a code, and no HTTP status.
fn unnumbered(word: &str, detail: String, hint: String) -> Problem {
    let title = detail.clone();
    Problem { kind: format!("urn:preview:{word}"), title, status: 0, code: word.to_owned(), detail, hint }
}
