//! How the program ends: what it says, and its exit code, which means the same as that of `preview`.

use std::process::ExitCode;

use anyhow::Error;
use preview_core::refusal::Code;
use preview_daemon::StartError;

/// Something went wrong.
pub(crate) const FAILED: u8 = 1;
/// The command line or the configuration cannot be used.
pub(crate) const BAD_CONFIG: u8 = 2;

/// Says what went wrong and what to do next, and ends with `code`, unless the error knows better.
#[expect(clippy::print_stderr, reason = "whoever starts a service reads here why it does not start")]
pub(crate) fn with(error: &Error, code: u8) -> ExitCode {
    eprintln!("preview-daemon: {error:#}");
    match error.downcast_ref().map(StartError::code) {
        None => ExitCode::from(code),
        Some(known) => {
            eprintln!("{known}: {}", known.cure());
            ExitCode::from(if known == Code::ConfigInvalid { BAD_CONFIG } else { code })
        }
    }
}
