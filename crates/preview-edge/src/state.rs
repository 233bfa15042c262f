//! The edge's own folder: closed to everybody else, and one edge's alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::geteuid;
use thiserror::Error;

/// Files that are read whole are no longer than this, bytes.
const LONGEST: u64 = 1 << 30;

/// The folder, or a file in it, cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// The system says no.
    #[error("{}: cannot {what} ({error})", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        error: io::Error,
    },
    /// Somebody else could read or replace what is in it.
    #[error("{}: mode {mode:04o} of uid {uid}: must be closed to everybody but the edge's own user", path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Its owner.
        uid: u32,
    },
    /// It is not what should stand there; a link may have been planted.
    #[error("{}: is no {expected}", path.display())]
    Kind {
        /// The path.
        path: PathBuf,
        /// What should stand there.
        expected: &'static str,
    },
    /// Another edge uses the folder.
    #[error("{}: another edge uses this folder (state_in_use): stop it, or give this one an edge.state_dir of its own", .0.display())]
    InUse(PathBuf),
}

/// The folder is this process's until the lock is dropped.
#[derive(Debug)]
pub(crate) struct Lock(
    #[expect(dead_code, reason = "the kernel keeps the lock as long as the file is open")] File,
);

/// How long the folder is waited for: the kernel may still be ending an edge that was killed a moment ago.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes the folder if it is not there, checks it, and takes it.
pub(crate) fn take(dir: &Path) -> Result<Lock, StateError> {
    make_folder(dir)?;
    let path = dir.join("lock");
    let begun = Instant::now();
    loop {
        match lock(&path)? {
            Some(file) => return Ok(Lock(file)),
            None if begun.elapsed() < PATIENCE => sleep(Duration::from_millis(20)),
            None => return Err(StateError::InUse(dir.to_owned())),
        }
    }
}

/// Makes the folder and those above it where they are missing (0700), and checks it.
pub(crate) fn make_folder(dir: &Path) -> Result<(), StateError> {
    if check_folder(dir)? {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.and_then(|()| sync_parent(dir)).map_err(|error| io_error(dir, "make the folder", error))?;
    check_folder(dir).map(|_| ())
}

/// Whether the folder is there; an error if it is no folder, or others may look or write into it.
pub(crate) fn check_folder(dir: &Path) -> Result<bool, StateError> {
    let metadata = match fs::symlink_metadata(dir) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io_error(dir, "look at the folder", error)),
    };
    if !metadata.is_dir() {
        return Err(StateError::Kind { path: dir.to_owned(), expected: "folder" });
    }
    closed(dir, &metadata).map(|()| true)
}

/// Makes the file if need be and takes the kernel's lock on it; `None` while somebody else has it.
pub(crate) fn lock(path: &Path) -> Result<Option<File>, StateError> {
    let file = options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|error| io_error(path, "open", error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(io_error(path, "lock", error)),
    }
}

/// Makes the file if need be and takes the kernel's lock on it, once nobody else has it: for what takes no time.
pub(crate) fn wait_for_lock(path: &Path) -> Result<File, StateError> {
    let file = options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|error| io_error(path, "open", error))?;
    file.lock().map_err(|error| io_error(path, "lock", error))?;
    Ok(file)
}

/// The content of a file that [`write()`] wrote; `None` if it is not there.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    let file = match options().read(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(StateError::Kind { path: path.to_owned(), expected: "file" });
        }
        Err(error) => return Err(io_error(path, "open", error)),
    };
    let metadata = file.metadata().map_err(|error| io_error(path, "look at", error))?;
    if !metadata.is_file() {
        return Err(StateError::Kind { path: path.to_owned(), expected: "file" });
    }
    closed(path, &metadata)?;
    let mut content = Vec::new();
    file.take(LONGEST).read_to_end(&mut content).map_err(|error| io_error(path, "read", error))?;
    Ok(Some(content))
}

/// Writes a file (0600) as a whole: after a crash the old content is there, or the new one.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), StateError> {
    let new = path.with_extension("new");
    let failed = |error| io_error(path, "write", error);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let written = options().create_new(true).write(true).open(&new).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, path)
    });
    if let Err(error) = written {
        // On a full disk the half that was written must not take the room that is left.
        let _ = fs::remove_file(&new);
        return Err(failed(error));
    }
    sync_parent(path).map_err(failed)
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), StateError> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path).map_err(|error| io_error(path, "remove", error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error(path, "remove", error)),
    }
}

/// Makes what was done to a name durable.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}

fn closed(path: &Path, metadata: &fs::Metadata) -> Result<(), StateError> {
    let (mode, uid) = (metadata.permissions().mode() & 0o7777, metadata.uid());
    let is_private = mode.trailing_zeros() >= 6;
    if is_private && uid == geteuid().as_raw() {
        return Ok(());
    }
    Err(StateError::Open { path: path.to_owned(), mode, uid })
}

pub(crate) fn io_error(path: &Path, what: &'static str, error: io::Error) -> StateError {
    StateError::Io { path: path.to_owned(), what, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_edge_does_not_get_the_folder() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("edge");
        let _first = take(&path).expect("free");
        assert!(matches!(take(&path), Err(StateError::InUse(_))));
    }

    #[test]
    fn an_edge_that_is_ending_is_waited_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("edge");
        let first = take(&path).expect("free");
        let ending = std::thread::spawn(move || {
            sleep(Duration::from_millis(100));
            drop(first);
        });
        take(&path).expect("it has ended meanwhile");
        ending.join().expect("it ended");
    }

    #[test]
    fn a_folder_or_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("edge");
        drop(take(&path).expect("made"));
        let file = path.join("table");
        write(&file, b"secret").expect("written");
        assert_eq!(read(&file).expect("closed").as_deref(), Some(&b"secret"[..]));
        fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("mine");
        assert!(matches!(read(&file), Err(StateError::Open { mode: 0o644, .. })));
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("mine");
        assert!(matches!(take(&path), Err(StateError::Open { mode: 0o755, .. })));
    }

    #[test]
    fn a_planted_link_is_not_followed() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("edge");
        drop(take(&path).expect("made"));
        std::os::unix::fs::symlink("/etc/passwd", path.join("table")).expect("linked");
        assert!(matches!(read(&path.join("table")), Err(StateError::Kind { .. })));
        write(&path.join("table"), b"new").expect("the link is replaced, not followed");
        assert_eq!(read(&path.join("table")).expect("ours").as_deref(), Some(&b"new"[..]));
    }
}
