//! What can be wrong with the store.

use std::io;

use preview_core::refusal::Code;
use rusqlite::ErrorCode;
use rustix::io::Errno;
use thiserror::Error;

/// Why the store cannot be used, or does not take a change.
#[derive(Clone, Debug, Error)]
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
    #[error("a later release wrote it: its schema is {found}, this release knows up to {known}")]
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
            Self::ReadOnly(_) | Self::Unsafe { .. } => Code::StoreReadonly,
            Self::Corrupt(_) => Code::StoreCorrupt,
            Self::Stopped => Code::DaemonUnreachable,
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSPC | Errno::DQUOT) => Self::Full,
            _ => Self::ReadOnly(error.to_string()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation) => {
                Self::Corrupt(error.to_string())
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse,
            // SQLite does not say why a sync failed. The system's last error is still that one: nothing else has
            // failed on this thread since.
            Some(ErrorCode::SystemIoFailure) => match Errno::from_io_error(&io::Error::last_os_error()) {
                Some(Errno::NOSPC | Errno::DQUOT) => Self::Full,
                _ => Self::ReadOnly(error.to_string()),
            },
            Some(_) => Self::ReadOnly(error.to_string()),
            None => Self::Corrupt(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn what_the_system_says_becomes_the_code_that_tells_what_to_do() {
        for (said, code) in [
            (ffi::SQLITE_FULL, Code::StoreFull),
            (ffi::SQLITE_READONLY, Code::StoreReadonly),
            (ffi::SQLITE_CANTOPEN, Code::StoreReadonly),
            (ffi::SQLITE_CORRUPT, Code::StoreCorrupt),
            (ffi::SQLITE_NOTADB, Code::StoreCorrupt),
            (ffi::SQLITE_BUSY, Code::StateInUse),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(said), None);
            assert_eq!(StoreError::from(error).code(), code, "{said}");
        }
        for (said, code) in [
            (Errno::NOSPC, Code::StoreFull),
            (Errno::DQUOT, Code::StoreFull),
            (Errno::ROFS, Code::StoreReadonly),
            (Errno::ACCESS, Code::StoreReadonly),
        ] {
            assert_eq!(StoreError::from(io::Error::from(said)).code(), code, "{said}");
        }
    }
}
