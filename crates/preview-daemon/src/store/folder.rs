//! The state folder: nobody else's to read, and one process's at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;

use super::StoreError;

/// The folder, held by a lock that the kernel drops when the process ends, however it ends.
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Makes the folder if need be, and takes it.
    pub(super) fn hold(path: &Path) -> Result<Self, StoreError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        // SQLite refuses every symbolic link on the way to its file, and a parent may rightly be one.
        let path = path.canonicalize()?;
        check(&path, 0o077)?;
        let lock = open_private(&path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A file of it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Folder {
    /// Lets go at once: a child that is just being started would hold the lock until it has become its program.
    fn drop(&mut self) {
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the state folder stays locked until the process ends");
        }
    }
}

/// Makes sure that what was created or renamed in a folder survives a loss of power.
pub(super) fn sync(folder: &Path) -> Result<(), StoreError> {
    Ok(File::open(folder)?.sync_all()?)
}

/// Opens a file that is ours alone, and makes it if it is not there. A link in its place is not followed.
pub(super) fn open_private(path: &Path) -> Result<File, StoreError> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags)
        .open(path);
    match opened {
        Ok(file) => check(path, 0o177).map(|()| file),
        Err(error) if fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink()) => {
            Err(unsafe_path(path, format!("is a symbolic link ({error}): somebody may have planted it")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Refuses what somebody else owns, or has one of the `forbidden` mode bits.
fn check(path: &Path, forbidden: u32) -> Result<(), StoreError> {
    let found = fs::symlink_metadata(path)?;
    if found.uid() != geteuid().as_raw() {
        return Err(unsafe_path(path, format!("belongs to uid {}, not to the service", found.uid())));
    }
    let mode = found.mode() & 0o7777;
    if mode & forbidden != 0 {
        let right = mode & !forbidden;
        return Err(unsafe_path(path, format!("has mode {mode:04o}, open to others: chmod {right:04o}")));
    }
    Ok(())
}

fn unsafe_path(path: &Path, problem: String) -> StoreError {
    StoreError::Unsafe { path: path.display().to_string(), problem }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_folder_is_held_once_and_free_again_when_let_go() {
        let scratch = tempfile::tempdir().expect("a folder");
        let path = scratch.path().join("new/state");
        let held = Folder::hold(&path).expect("free");
        assert!(matches!(Folder::hold(&path), Err(StoreError::InUse)));
        drop(held);
        assert!(Folder::hold(&path).is_ok());
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_open_to_others_is_refused() {
        let scratch = tempfile::tempdir().expect("a folder");
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        let refused = Folder::hold(scratch.path()).map(|_| ()).expect_err("wide");
        assert!(refused.to_string().ends_with("has mode 0755, open to others: chmod 0700"), "{refused}");
    }

    #[test]
    fn a_planted_link_and_a_wide_file_are_refused() {
        let scratch = tempfile::tempdir().expect("a folder");
        symlink("/etc/passwd", scratch.path().join("link")).expect("made");
        let link = open_private(&scratch.path().join("link")).expect_err("a link");
        assert!(matches!(link, StoreError::Unsafe { .. }), "{link}");
        let wide = scratch.path().join("wide");
        fs::write(&wide, "").expect("written");
        fs::set_permissions(&wide, fs::Permissions::from_mode(0o644)).expect("ours");
        assert!(matches!(open_private(&wide), Err(StoreError::Unsafe { .. })));
    }
}
