//! Whether a folder outlives a restart: an edge that forgets its certificates orders new ones at each start, until
//! the authority's limits are used up.

use std::path::Path;

use crate::cert::Failure;
use crate::state::StateError;

/// Kinds of file systems that are gone with the machine or the container, by the number that statfs(2) gives
/// (`linux/magic.h`). devtmpfs gives tmpfs's.
const GONE: [(u32, &str); 3] =
    [(0x0102_1994, "tmpfs"), (0x8584_58f6, "ramfs"), (0x794c_7630, "overlayfs (a container's own layer)")];

/// Fails with [`Failure::EphemeralState`] if `dir`, or where it would be made, lies on a file system of that kind.
pub(crate) fn outlives_a_restart(dir: &Path) -> Result<(), Failure> {
    let there = dir.ancestors().find(|place| place.exists()).unwrap_or(Path::new("/"));
    let stat = rustix::fs::statfs(there).map_err(|error| StateError::Io {
        path: there.to_owned(),
        what: "ask for the file system of",
        error: error.into(),
    })?;
    // The number is a long of which Linux fills 32 bits; on some machines that makes it negative.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the low 32 bits are the number"
    )]
    match name(stat.f_type as u32) {
        Some(fs) => Err(Failure::EphemeralState { dir: dir.display().to_string(), fs: fs.to_owned() }),
        None => Ok(()),
    }
}

fn name(magic: u32) -> Option<&'static str> {
    GONE.iter().find(|(its, _)| *its == magic).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_memory_is_told_by_its_file_system_even_before_it_is_made() {
        let dir = Path::new("/dev/shm/preview-none/such/folder");
        let failure = outlives_a_restart(dir).expect_err("it is a tmpfs");
        assert_eq!(
            failure.to_string(),
            format!("{} lies on tmpfs, which does not outlive a restart", dir.display())
        );
    }

    #[test]
    fn a_containers_layer_counts_and_a_disk_does_not() {
        assert_eq!(name(0x794c_7630), Some("overlayfs (a container's own layer)"));
        assert_eq!(name(0x8584_58f6), Some("ramfs"));
        for disk in [0xef53, 0x5846_5342, 0x9123_683e, 0x6969] {
            assert_eq!(name(disk), None, "{disk:x} is ext4, xfs, btrfs or nfs");
        }
    }
}
