//! What is kept: acknowledged means on disk.

use std::io;

use preview_core::refusal::Code;
use thiserror::Error;

/// Why the store cannot be used, or does not take a change.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process uses the same state folder.
    #[error("another process uses it")]
    InUse,
    /// The disk is full; nothing was changed.
    #[error("the disk is full")]
    Full,
    /// It cannot be written.
    #[error("it cannot be written: {0}")]
    ReadOnly(String),
    /// It is damaged.
    #[error("it is damaged: {0}")]
    Corrupt(String),
    /// A later release wrote it.
    #[error("a later release wrote it (schema {found}, this one knows {known})")]
    Newer {
        /// The schema found.
        found: i64,
        /// The schema known.
        known: i64,
    },
    /// Others than the service could read or change it.
    #[error("{path} {problem}")]
    Unsafe {
        /// The file or folder.
        path: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The system failed otherwise.
    #[error("the system failed")]
    Io(#[from] io::Error),
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopped,
}

impl StoreError {
    /// Its code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::InUse | Self::Newer { .. } => Code::StateInUse,
            Self::Full => Code::StoreFull,
            Self::ReadOnly(_) | Self::Unsafe { .. } | Self::Io(_) => Code::StoreReadonly,
            Self::Corrupt(_) => Code::StoreCorrupt,
            Self::Stopped => Code::DaemonUnreachable,
        }
    }
}
