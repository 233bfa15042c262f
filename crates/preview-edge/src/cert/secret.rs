//! Secrets: in files of their own, read when they are needed, never shown.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Failure;

/// Mode bits that a file of secrets, or of a key, may not have: others may do nothing, its group may read.
pub(super) const TOO_OPEN: u32 = 0o027;

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// The one secret in a file, without the line's end.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let text = read(file)?;
        let secret = text.0.trim();
        if secret.is_empty() {
            return Err(refuse(file, "is empty"));
        }
        Ok(Self(secret.to_owned()))
    }

    /// It, to be handed on.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// All of a file that nobody else may read.
pub(crate) fn read(file: &Path) -> Result<Secret, Failure> {
    let unreadable = |error| refuse(file, format_args!("cannot be read ({error})"));
    let mode = fs::metadata(file).map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & TOO_OPEN != 0 {
        let reason = "a file of secrets must be closed to others, and to its group for writing (chmod 600)";
        return Err(refuse(file, format_args!("its mode is {mode:04o}: {reason}")));
    }
    fs::read_to_string(file).map(Secret).map_err(unreadable)
}

/// A failure that says what the file lacks.
pub(crate) fn refuse(file: &Path, reason: impl fmt::Display) -> Failure {
    Failure::CredentialsInvalid { file: file.display().to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_without_its_line_end_and_is_not_shown() {
        let file = File::new("s3cret\n", 0o600);
        let secret = Secret::read(&file.path()).expect("readable");
        assert_eq!(secret.expose(), "s3cret");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn a_file_that_others_can_read_or_that_is_empty_or_missing_is_refused_by_name() {
        let open = File::new("s3cret", 0o644);
        let text = Secret::read(&open.path()).expect_err("too open").to_string();
        assert!(text.contains("secret: its mode is 0644") && text.contains("chmod 600"), "{text}");
        let shared = File::new("s3cret", 0o640);
        assert!(Secret::read(&shared.path()).is_ok(), "a group may read");
        let empty = File::new(" \n", 0o600);
        assert!(Secret::read(&empty.path()).expect_err("empty").to_string().ends_with("secret: is empty"));
        let text = Secret::read(&empty.0.path().join("other")).expect_err("missing").to_string();
        assert!(text.contains("other: cannot be read (No such file"), "{text}");
    }

    struct File(tempfile::TempDir);

    impl File {
        fn new(content: &str, mode: u32) -> Self {
            let file = Self(tempfile::tempdir().expect("a folder"));
            fs::write(file.path(), content).expect("written");
            fs::set_permissions(file.path(), PermissionsExt::from_mode(mode)).expect("mine");
            file
        }

        fn path(&self) -> std::path::PathBuf {
            self.0.path().join("secret")
        }
    }
}
