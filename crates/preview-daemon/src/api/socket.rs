//! Unix sockets that have their mode and group before anybody can connect, and that replace nothing but what an
//! earlier daemon left behind.

use std::ffi::CString;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, User, getgrouplist};
use rustix::process::geteuid;

/// Who may connect to a socket besides its owner.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// Nobody: mode 0600.
    Owner,
    /// The members of a group: mode 0660.
    Group(Group),
}

/// A bound socket; its file goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Bound {
    path: PathBuf,
    /// Device and inode of our file: another's in its place is not removed.
    file: (u64, u64),
}

/// Makes the folder of the sockets, or checks that nobody else can put something into it.
pub(crate) fn folder(path: &Path, is_shared: bool) -> io::Result<()> {
    let mode = if is_shared { 0o755 } else { 0o700 };
    DirBuilder::new().recursive(true).mode(mode).create(path)?;
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() {
        return Err(unsafe_path("it is no folder, or a symbolic link to one"));
    }
    if found.uid() != geteuid().as_raw() && found.uid() != 0 {
        return Err(unsafe_path("it belongs to another user"));
    }
    if found.mode() & 0o022 != 0 {
        return Err(unsafe_path("others may put files into it: chmod 755"));
    }
    Ok(())
}

/// Binds `name` in `folder`: in a private folder within it first, and moved to its place with mode and group right.
pub(crate) fn bind(folder: &Path, name: &str, access: &Access) -> io::Result<(UnixListener, Bound)> {
    let path = folder.join(name);
    check_place(&path)?;
    // The shortest name: the path of a socket has at most 108 bytes.
    let private = tempfile::Builder::new().prefix(".").rand_bytes(5).tempdir_in(folder)?;
    let place = private.path().join("s");
    let listener = UnixListener::bind(&place)?;
    let mode = match access {
        Access::Owner => 0o600,
        Access::Group(group) => {
            std::os::unix::fs::chown(&place, None, Some(group.gid.as_raw()))?;
            0o660
        }
    };
    fs::set_permissions(&place, Permissions::from_mode(mode))?;
    let file = identity(&place)?;
    fs::rename(&place, &path)?;
    listener.set_nonblocking(true)?;
    Ok((listener, Bound { path, file }))
}

/// A group by its name or number.
pub(crate) fn group(name: &str) -> Result<Group, String> {
    let found = match name.parse::<u32>() {
        Ok(number) => Group::from_gid(Gid::from_raw(number)),
        Err(_) => Group::from_name(name),
    };
    match found {
        Ok(Some(group)) => Ok(group),
        Ok(None) => Err(format!("there is no group {name:?} on this system")),
        Err(errno) => Err(format!("group {name:?} cannot be looked up: {errno}")),
    }
}

/// Whether a user is a member of a group, by its own entry or the group's.
pub(crate) fn holds(group: &Group, user: &str) -> Result<bool, String> {
    let failed = |errno: nix::Error| format!("the groups of user {user:?} cannot be looked up: {errno}");
    let Some(user_entry) = User::from_name(user).map_err(failed)? else { return Ok(false) };
    let name = CString::new(user).map_err(|_| format!("{user:?} is no user name"))?;
    Ok(getgrouplist(&name, user_entry.gid).map_err(failed)?.contains(&group.gid))
}

impl Drop for Bound {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Refuses to replace what is no socket, or a socket at which somebody answers.
fn check_place(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(unsafe_path("something else than a socket lies there: look at it, then remove it"));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process answers there")),
        Err(_) => Ok(()),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|it| (it.dev(), it.ino()))
}

fn unsafe_path(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, problem)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().expect("folder");
        let (listener, bound) = bind(folder.path(), "s.sock", &Access::Owner).expect("free");
        let refused = bind(folder.path(), "s.sock", &Access::Owner).expect_err("live");
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        std::mem::forget(bound);
        assert!(bind(folder.path(), "s.sock", &Access::Owner).is_ok());
    }

    #[test]
    fn the_mode_is_right_and_nothing_else_stays_in_the_folder() {
        let folder = tempfile::tempdir().expect("folder");
        let (_listener, bound) = bind(folder.path(), "s.sock", &Access::Owner).expect("free");
        let mode = fs::metadata(folder.path().join("s.sock")).expect("there").mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 1);
        drop(bound);
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 0);
    }

    #[test]
    fn a_link_or_file_in_its_place_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let target = folder.path().join("precious");
        fs::write(&target, "x").expect("file");
        symlink(&target, folder.path().join("s.sock")).expect("link");
        for name in ["s.sock", "precious"] {
            let refused = bind(folder.path(), name, &Access::Owner).expect_err(name);
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        }
        assert_eq!(fs::read_to_string(&target).expect("there"), "x");
    }

    #[test]
    fn a_folder_that_others_may_write_to_or_a_link_to_one_is_refused() {
        let scratch = tempfile::tempdir().expect("folder");
        let wide = scratch.path().join("wide");
        folder_of_mode(&wide, 0o777);
        assert!(folder(&wide, true).is_err());
        symlink(scratch.path(), scratch.path().join("link")).expect("link");
        assert!(folder(&scratch.path().join("link"), true).is_err());
        assert!(folder(&scratch.path().join("new/run"), false).is_ok());
    }

    fn folder_of_mode(path: &Path, mode: u32) {
        fs::create_dir(path).expect("new");
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
    }
}
