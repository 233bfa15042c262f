//! A vault in a folder of the edge's host. Folders are 0700, files 0600; anything wider, and any link, is refused.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::{Item, Lease, Vault, VaultError, Version};
use crate::state::{self, StateError};

/// The folder.
#[derive(Debug)]
pub(crate) struct Dir {
    root: PathBuf,
    /// Held while something is compared and written. Other processes are kept out by the lease; but for the graveyard,
    /// which they may write too, by a lock of its own.
    writing: Mutex<()>,
}

impl Dir {
    /// The vault in `root`, which need not be there yet.
    pub(crate) const fn new(root: PathBuf) -> Self {
        Self { root, writing: Mutex::new(()) }
    }

    /// The item's file, in folders that are checked, and made if need be.
    fn file(&self, item: &Item, make: bool) -> Result<PathBuf, StateError> {
        let relative = item.path();
        // A name that is a path would lead elsewhere.
        let is_plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if !is_plain || (relative.components().count() != 3 && *item != Item::Graveyard) {
            return Err(StateError::Kind { path: relative, expected: "name of a set or an authority" });
        }
        let mut folder = self.root.clone();
        let steps = relative.parent().into_iter().flat_map(Path::components);
        for step in [None].into_iter().chain(steps.map(Some)) {
            folder.extend(step);
            if make {
                state::make_folder(&folder)?;
            } else if !state::check_folder(&folder)? {
                break;
            }
        }
        Ok(self.root.join(relative))
    }
}

impl Vault for Dir {
    fn load(&self, item: &Item) -> Result<(Option<Vec<u8>>, Version), VaultError> {
        let content = state::read(&self.file(item, false)?)?;
        let version = version(content.as_deref());
        Ok((content, version))
    }

    fn save(&self, item: &Item, content: &[u8], since: &Version) -> Result<Version, VaultError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let file = self.file(item, true)?;
        let is_shared = *item == Item::Graveyard;
        let _others = is_shared.then(|| state::wait_for_lock(&file.with_extension("lock"))).transpose()?;
        if version(state::read(&file)?.as_deref()) != *since {
            return Err(VaultError::Changed(item.clone()));
        }
        state::write(&file, content)?;
        Ok(version(Some(content)))
    }

    fn remove(&self, item: &Item) -> Result<(), VaultError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(state::remove(&self.file(item, false)?)?)
    }

    fn lease(&self) -> Result<Option<Box<dyn Lease>>, VaultError> {
        let folder = self.root.join("acme");
        state::make_folder(&self.root)?;
        state::make_folder(&folder)?;
        let path = folder.join("lock");
        let held = state::lock(&path)?;
        Ok(held.map(|file| Box::new(Held { file, path }) as Box<dyn Lease>))
    }

    fn place(&self) -> PathBuf {
        self.root.clone()
    }
}

/// The kernel's lock on the file; it ends with the process, however that ends.
#[derive(Debug)]
struct Held {
    file: File,
    path: PathBuf,
}

impl Lease for Held {
    /// Not if somebody has removed the file: the next edge would make and lock another one.
    fn holds(&self) -> bool {
        let there = fs::symlink_metadata(&self.path);
        matches!((self.file.metadata(), there), (Ok(ours), Ok(there))
            if (ours.dev(), ours.ino()) == (there.dev(), there.ino()))
    }
}

fn version(content: Option<&[u8]>) -> Version {
    Version(content.map(|content| Sha256::digest(content).into()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn items_lie_where_the_specification_says_and_closed_to_others() {
        let (_place, vault) = vault();
        let items = [
            (Item::AccountKey("letsencrypt".into()), "acme/letsencrypt/account.key"),
            (Item::Account("letsencrypt".into()), "acme/letsencrypt/account.json"),
            (Item::Bundle("preview.test".into()), "certs/preview.test/bundle.pem"),
            (Item::Previous("preview.test".into()), "certs/preview.test/prev.pem"),
            (Item::State("preview.test".into()), "certs/preview.test/state.json"),
            (Item::Attempt("preview.test".into()), "certs/preview.test/attempt.json"),
            (Item::Graveyard, "txt-graveyard.json"),
        ];
        for (item, path) in items {
            let (before, version) = vault.load(&item).expect("nothing is no error");
            assert_eq!(before, None);
            vault.save(&item, path.as_bytes(), &version).expect("saved");
            assert_eq!(vault.load(&item).expect("loaded").0.as_deref(), Some(path.as_bytes()));
            let file = vault.place().join(path);
            assert_eq!(mode(&file), 0o600, "{path}");
            for folder in file.ancestors().skip(1).take_while(|folder| folder.starts_with(vault.place())) {
                assert_eq!(mode(folder), 0o700, "{}", folder.display());
            }
            vault.remove(&item).expect("removed");
            vault.remove(&item).expect("again");
            assert_eq!(vault.load(&item).expect("gone").0, None);
        }
    }

    #[test]
    fn a_save_does_not_take_the_place_of_what_another_edge_has_saved() {
        let (_place, vault) = vault();
        let item = Item::State("preview.test".into());
        let (_, nothing) = vault.load(&item).expect("nothing");
        let first = vault.save(&item, b"1", &nothing).expect("saved");
        assert!(matches!(vault.save(&item, b"2", &nothing), Err(VaultError::Changed(_))));
        let second = vault.save(&item, b"2", &first).expect("saved");
        assert_eq!(vault.load(&item).expect("there"), (Some(b"2".to_vec()), second));
        vault.remove(&item).expect("removed");
        assert!(matches!(vault.save(&item, b"3", &first), Err(VaultError::Changed(_))));
    }

    #[test]
    fn one_edge_has_the_lease_until_it_drops_it() {
        let (place, vault) = vault();
        let lease = vault.lease().expect("a folder").expect("free");
        let other = Dir::new(place.path().join("state"));
        assert!(other.lease().expect("a folder").is_none());
        assert!(lease.holds());
        drop(lease);
        assert!(other.lease().expect("a folder").is_some());
    }

    #[test]
    fn a_lease_ends_when_somebody_removes_its_file() {
        let (_place, vault) = vault();
        let lease = vault.lease().expect("a folder").expect("free");
        fs::remove_file(vault.place().join("acme/lock")).expect("there");
        assert!(!lease.holds());
        let next = vault.lease().expect("a folder").expect("free again");
        assert!(next.holds() && !lease.holds());
    }

    #[test]
    fn folders_and_files_that_others_may_look_into_are_refused() {
        let (_place, vault) = vault();
        let item = Item::AccountKey("letsencrypt".into());
        vault.save(&item, b"key", &Version(None)).expect("saved");
        for path in ["acme/letsencrypt/account.key", "acme/letsencrypt", "acme", ""] {
            let path = vault.place().join(path);
            let closed = mode(&path);
            fs::set_permissions(&path, fs::Permissions::from_mode(closed | 0o040)).expect("ours");
            let refusal = vault.load(&item).expect_err("open").to_string();
            assert!(refusal.contains("must be closed"), "{}: {refusal}", path.display());
            assert!(vault.save(&item, b"new", &Version(None)).is_err());
            fs::set_permissions(&path, fs::Permissions::from_mode(closed)).expect("ours");
        }
        assert_eq!(vault.load(&item).expect("closed again").0.as_deref(), Some(&b"key"[..]));
    }

    #[test]
    fn planted_links_are_refused() {
        let (place, vault) = vault();
        let elsewhere = place.path().join("elsewhere");
        state::make_folder(&elsewhere).expect("made");
        state::make_folder(&vault.place().join("certs")).expect("made");
        symlink(&elsewhere, vault.place().join("certs/preview.test")).expect("linked");
        let item = Item::Bundle("preview.test".into());
        assert!(matches!(vault.load(&item), Err(VaultError::State(StateError::Kind { .. }))));
        assert!(vault.save(&item, b"key", &Version(None)).is_err());
        assert_eq!(fs::read_dir(&elsewhere).expect("there").count(), 0);
        state::make_folder(&vault.place().join("acme")).expect("made");
        symlink("/etc/passwd", vault.place().join("acme/lock")).expect("linked");
        assert!(vault.lease().is_err());
    }

    #[test]
    fn a_name_that_is_a_path_leads_nowhere() {
        let (_place, vault) = vault();
        for name in ["..", "a/b", "/etc", "", "."] {
            let refused = vault.load(&Item::Bundle(name.to_owned()));
            assert!(matches!(refused, Err(VaultError::State(StateError::Kind { .. }))), "{name:?}");
        }
    }

    #[test]
    fn a_vault_that_is_not_there_yet_is_empty_and_stays_unmade_by_reading() {
        let (_place, vault) = vault();
        assert_eq!(vault.load(&Item::Graveyard).expect("nothing").0, None);
        vault.remove(&Item::Bundle("preview.test".into())).expect("nothing to remove");
        assert!(!vault.place().exists());
    }

    fn vault() -> (tempfile::TempDir, Dir) {
        let place = tempfile::tempdir().expect("a folder");
        let vault = Dir::new(place.path().join("state"));
        (place, vault)
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("there").permissions().mode() & 0o7777
    }
}
