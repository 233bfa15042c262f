//! A vault in a folder of the edge's host. Folders are 0700, files 0600; anything wider, and any link, is refused.

use std::fs::{self, File};
use std::io::ErrorKind;
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
    /// Held while something is compared and written. Other processes are kept out by the lease.
    writing: Mutex<()>,
}

impl Dir {
    /// The vault in `root`, which need not be there yet.
    pub(crate) const fn new(root: PathBuf) -> Self {
        Self { root, writing: Mutex::new(()) }
    }

    /// The sets of names of which something is kept, sorted. Needs no lease.
    #[expect(dead_code, reason = "`preview certs list` is on its way")]
    pub(crate) fn sets(&self) -> Result<Vec<String>, VaultError> {
        let folder = self.root.join("certs");
        let failed = |error| state::io_error(&folder, "list", error);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error).into()),
        };
        let names = entries.map(|entry| Ok(entry.map_err(failed)?.file_name().into_string().ok()));
        let mut sets: Vec<_> = names.filter_map(Result::transpose).collect::<Result<_, StateError>>()?;
        sets.sort_unstable();
        Ok(sets)
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
