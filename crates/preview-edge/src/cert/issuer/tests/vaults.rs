//! Vaults in which something happens.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{Mutex, Notify};

use super::world::Edge;
use crate::cert::Resolver;
use crate::cert::vault::{Dir, Item, Lease, Vault, VaultError, Version};
use crate::state::StateError;

/// A disk that may be full for certificates.
pub(super) struct Disk {
    vault: Arc<dyn Vault>,
    pub(super) is_full: AtomicBool,
    pub(super) tries: AtomicUsize,
    resolver: Arc<Resolver>,
    /// Whether something was shown before it was kept.
    pub(super) shown_first: AtomicBool,
}

impl Disk {
    pub(super) fn below(edge: &mut Edge) -> Arc<Self> {
        let issuer = edge.issuer.as_mut().expect("it does not run yet");
        let disk = Arc::new(Self {
            vault: Arc::clone(&issuer.vault),
            is_full: AtomicBool::default(),
            tries: AtomicUsize::default(),
            resolver: Arc::clone(&edge.resolver),
            shown_first: AtomicBool::default(),
        });
        issuer.vault = Arc::clone(&disk) as Arc<dyn Vault>;
        disk
    }
}

impl Vault for Disk {
    fn load(&self, item: &Item) -> Result<(Option<Vec<u8>>, Version), VaultError> {
        self.vault.load(item)
    }

    fn save(&self, item: &Item, content: &[u8], since: &Version) -> Result<Version, VaultError> {
        if matches!(item, Item::Bundle(_)) && self.is_full.load(Ordering::Relaxed) {
            self.tries.fetch_add(1, Ordering::Relaxed);
            let error = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(StateError::Io { path: self.place(), what: "write", error }.into());
        }
        if matches!(item, Item::Bundle(_)) {
            self.shown_first.fetch_or(self.resolver.shown().is_some(), Ordering::Relaxed);
        }
        self.vault.save(item, content, since)
    }

    fn remove(&self, item: &Item) -> Result<(), VaultError> {
        self.vault.remove(item)
    }

    fn lease(&self) -> Result<Option<Box<dyn Lease>>, VaultError> {
        self.vault.lease()
    }

    fn place(&self) -> PathBuf {
        self.vault.place()
    }
}

/// A vault that writes while its gate is open.
pub(super) struct Gated {
    vault: Dir,
    pub(super) gate: Mutex<()>,
    /// Somebody wants to write.
    pub(super) begun: Notify,
}

impl Gated {
    pub(super) fn new(place: PathBuf) -> Arc<Self> {
        Arc::new(Self { vault: Dir::new(place), gate: Mutex::default(), begun: Notify::new() })
    }
}

impl Vault for Gated {
    fn load(&self, item: &Item) -> Result<(Option<Vec<u8>>, Version), VaultError> {
        self.vault.load(item)
    }

    fn save(&self, item: &Item, content: &[u8], since: &Version) -> Result<Version, VaultError> {
        self.begun.notify_one();
        let _open = self.gate.blocking_lock();
        self.vault.save(item, content, since)
    }

    fn remove(&self, item: &Item) -> Result<(), VaultError> {
        self.vault.remove(item)
    }

    fn lease(&self) -> Result<Option<Box<dyn Lease>>, VaultError> {
        self.vault.lease()
    }

    fn place(&self) -> PathBuf {
        self.vault.place()
    }
}

/// A vault whose process ends after so many things were kept or removed.
pub(super) struct Ending {
    vault: Arc<dyn Vault>,
    rest: AtomicUsize,
    pub(super) ended: Notify,
}

impl Ending {
    pub(super) fn after(count: usize, edge: &mut Edge) -> Arc<Self> {
        let issuer = edge.issuer.as_mut().expect("it does not run yet");
        let rest = AtomicUsize::new(count);
        let vault = Arc::clone(&issuer.vault);
        let ending = Arc::new(Self { vault, rest, ended: Notify::new() });
        issuer.vault = Arc::clone(&ending) as Arc<dyn Vault>;
        ending
    }

    fn count(&self) {
        if self.rest.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.ended.notify_one();
        }
    }
}

impl Vault for Ending {
    fn load(&self, item: &Item) -> Result<(Option<Vec<u8>>, Version), VaultError> {
        self.vault.load(item)
    }

    fn save(&self, item: &Item, content: &[u8], since: &Version) -> Result<Version, VaultError> {
        let saved = self.vault.save(item, content, since);
        self.count();
        saved
    }

    fn remove(&self, item: &Item) -> Result<(), VaultError> {
        let removed = self.vault.remove(item);
        self.count();
        removed
    }

    fn lease(&self) -> Result<Option<Box<dyn Lease>>, VaultError> {
        self.vault.lease()
    }

    fn place(&self) -> PathBuf {
        self.vault.place()
    }
}
