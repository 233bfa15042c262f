//! Secrets: in files of their own, read when they are needed, never shown.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::geteuid;

use super::Failure;

/// Mode bits that a file of secrets, or of a key, may not have: others may do nothing, its group may read.
pub(super) const TOO_OPEN: u32 = 0o027;

/// The most bytes of a file of secrets.
const MOST_BYTES: u64 = 1 << 20;

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
    let unreadable = |error: io::Error| refuse(file, format_args!("cannot be read ({error})"));
    let mut opened = OpenOptions::new();
    opened.read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    let mut opened = opened.open(file).map_err(|error| match error.raw_os_error() {
        Some(number) if number == Errno::LOOP.raw_os_error() => {
            refuse(file, "is a symbolic link: name the file itself, so that nobody plants another")
        }
        _ => unreadable(error),
    })?;
    let about = opened.metadata().map_err(unreadable)?;
    if !about.is_file() || about.len() > MOST_BYTES {
        return Err(refuse(file, "is no file of at most 1 MiB"));
    }
    if about.uid() != 0 && about.uid() != geteuid().as_raw() {
        let reason = "whoever owns a file of secrets can change it (chown it to root, or to the edge's user)";
        return Err(refuse(file, format_args!("it belongs to uid {}: {reason}", about.uid())));
    }
    let mode = about.mode() & 0o7777;
    if mode & TOO_OPEN != 0 {
        let reason = "a file of secrets must be closed to others, and to its group for writing (chmod 600)";
        return Err(refuse(file, format_args!("its mode is {mode:04o}: {reason}")));
    }
    let mut text = String::new();
    opened.read_to_string(&mut text).map_err(unreadable)?;
    Ok(Secret(text))
}

/// A failure that says what the file lacks.
pub(crate) fn refuse(file: &Path, reason: impl fmt::Display) -> Failure {
    Failure::CredentialsInvalid { file: file.display().to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

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

    #[test]
    fn a_planted_link_and_a_file_of_somebody_else_are_refused() {
        let file = File::new("s3cret", 0o600);
        let link = file.0.path().join("link");
        symlink(file.path(), &link).expect("linked");
        let text = Secret::read(&link).expect_err("a link").to_string();
        assert!(text.contains("link: is a symbolic link"), "{text}");
        let folder = Secret::read(file.0.path()).expect_err("a folder").to_string();
        assert!(folder.contains("is no file"), "{folder}");
        // Only root can give a file away.
        if geteuid().is_root() {
            std::os::unix::fs::chown(file.path(), Some(65_534), None).expect("given away");
            let text = Secret::read(&file.path()).expect_err("another's").to_string();
            assert!(text.contains("belongs to uid 65534"), "{text}");
        }
    }

    struct File(tempfile::TempDir);

    impl File {
        fn new(content: &str, mode: u32) -> Self {
            let file = Self(tempfile::tempdir().expect("a folder"));
            fs::write(file.path(), content).expect("written");
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).expect("mine");
            file
        }

        fn path(&self) -> std::path::PathBuf {
            self.0.path().join("secret")
        }
    }
}
