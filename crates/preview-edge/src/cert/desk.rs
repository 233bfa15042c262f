//! Where an issuer works: the vault, kept off the thread that also serves the route feed, under a lease that says
//! that nobody else works there.

use std::collections::HashMap;
use std::sync::Arc;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use tokio::sync::Mutex;

use super::Failure;
use super::journal::{Account, Attempt, Buried};
use super::order::Bundle;
use super::plan::Standing;
use super::vault::{Item, Lease, Vault, VaultError, Version};
use crate::config::Acme;
use crate::exchange::Http;

/// One issuer's place of work, for one set of names.
#[derive(Clone)]
pub(crate) struct Desk {
    vault: Arc<dyn Vault>,
    lease: Arc<dyn Lease>,
    set: String,
    /// What was last read or written: whoever works here without a lease is found by it. Locked for as long as a read
    /// or a write takes, also one that nobody waits for any more.
    versions: Arc<Mutex<HashMap<Item, Version>>>,
}

impl Desk {
    pub(crate) fn new(vault: Arc<dyn Vault>, lease: Box<dyn Lease>, set: &str) -> Self {
        Self { vault, lease: lease.into(), set: set.to_owned(), versions: Arc::default() }
    }

    /// Whether this is still the one place where the set is worked on.
    pub(crate) async fn is_ours(&self) -> bool {
        let lease = Arc::clone(&self.lease);
        blocking(move || lease.holds()).await.unwrap_or(false)
    }

    pub(crate) async fn standing(&self) -> Result<Standing, Failure> {
        let set = self.set.clone();
        self.read(Item::State(self.set.clone()), move |vault| Standing::load(vault, &set)).await
    }

    pub(crate) async fn keep_standing(&self, standing: &Standing) -> Result<(), Failure> {
        let (set, standing) = (self.set.clone(), standing.clone());
        let write = move |vault: &dyn Vault, since: &Version| standing.save(vault, &set, since);
        self.write(Item::State(self.set.clone()), write).await
    }

    pub(crate) async fn attempt(&self) -> Result<Option<Attempt>, Failure> {
        let set = self.set.clone();
        self.read(Item::Attempt(self.set.clone()), move |vault| Attempt::load(vault, &set)).await
    }

    pub(crate) async fn keep_attempt(&self, attempt: &Attempt) -> Result<(), Failure> {
        let (set, attempt) = (self.set.clone(), attempt.clone());
        let write = move |vault: &dyn Vault, since: &Version| attempt.save(vault, &set, since);
        self.write(Item::Attempt(self.set.clone()), write).await
    }

    pub(crate) async fn drop_attempt(&self) -> Result<(), Failure> {
        self.remove(Item::Attempt(self.set.clone())).await
    }

    pub(crate) async fn graveyard(&self) -> Result<Vec<Buried>, Failure> {
        self.read(Item::Graveyard, |vault| Buried::load_all(vault)).await
    }

    pub(crate) async fn keep_graveyard(&self, all: Vec<Buried>) -> Result<(), Failure> {
        let write = move |vault: &dyn Vault, since: &Version| Buried::save_all(&all, vault, since);
        self.write(Item::Graveyard, write).await
    }

    pub(crate) async fn account(&self, authority: &str) -> Result<Option<Account>, Failure> {
        let name = authority.to_owned();
        self.read(Item::Account(authority.to_owned()), move |vault| Account::load(vault, &name)).await
    }

    pub(crate) async fn keep_account(&self, authority: &str, account: &Account) -> Result<(), Failure> {
        let (name, account) = (authority.to_owned(), account.clone());
        let write = move |vault: &dyn Vault, since: &Version| account.save(vault, &name, since);
        self.write(Item::Account(authority.to_owned()), write).await
    }

    /// The key of the account at an authority (PKCS #8 in PEM), if there is one.
    pub(crate) async fn account_key(&self, authority: &str) -> Result<Option<Vec<u8>>, Failure> {
        let item = Item::AccountKey(authority.to_owned());
        self.read(item.clone(), move |vault| vault.load(&item)).await
    }

    pub(crate) async fn keep_account_key(&self, authority: &str, pem: &str) -> Result<(), Failure> {
        let item = Item::AccountKey(authority.to_owned());
        self.put(item, pem.as_bytes().to_vec()).await
    }

    /// Drops account and key at an authority; without the account, the key stands for one that may not exist yet.
    pub(crate) async fn drop_account(&self, authority: &str) -> Result<(), Failure> {
        self.remove(Item::Account(authority.to_owned())).await?;
        self.remove(Item::AccountKey(authority.to_owned())).await
    }

    /// Keeps key and chain, and the pair before it.
    pub(crate) async fn keep_bundle(&self, bundle: &[u8]) -> Result<(), Failure> {
        let (now, before) = (Item::Bundle(self.set.clone()), Item::Previous(self.set.clone()));
        let item = now.clone();
        let old = self.read(now.clone(), move |vault| vault.load(&item)).await?;
        match old {
            Some(old) if old == bundle => return Ok(()),
            // What is damaged is no better than what was before it.
            Some(old) if Bundle::read(old.clone()).is_ok() => {
                let item = before.clone();
                self.read(before.clone(), move |vault| vault.load(&item)).await?;
                self.put(before, old).await?;
            }
            _ => {}
        }
        self.put(now, bundle.to_vec()).await
    }

    /// A new key of the kind that everybody takes: ECDSA with P-256, PKCS #8 in PEM.
    pub(crate) fn new_key() -> Result<String, Failure> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256);
        let unmade = |error| Failure::StateUnwritable(format!("a key cannot be made ({error})"));
        key.map(|key| key.serialize_pem()).map_err(unmade)
    }

    /// The client for talking to authorities.
    pub(crate) async fn client(acme: &Acme) -> Result<Http, Failure> {
        let (roots, timeout) = (acme.ca_roots_file.clone(), acme.timers.http);
        blocking(move || Http::new(roots.as_deref(), timeout)).await?
    }

    async fn put(&self, item: Item, content: Vec<u8>) -> Result<(), Failure> {
        let at = item.clone();
        self.write(item, move |vault, since| vault.save(&at, &content, since)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        item: Item,
        read: impl FnOnce(&dyn Vault) -> Result<(T, Version), VaultError> + Send + 'static,
    ) -> Result<T, Failure> {
        let (vault, mut versions) = (Arc::clone(&self.vault), Arc::clone(&self.versions).lock_owned().await);
        let read = blocking(move || {
            let (content, version) = read(&*vault)?;
            versions.insert(item, version);
            Ok::<_, VaultError>(content)
        });
        Ok(read.await??)
    }

    /// Writes what was read here before, or was not there when it was.
    async fn write(
        &self,
        item: Item,
        write: impl FnOnce(&dyn Vault, &Version) -> Result<Version, VaultError> + Send + 'static,
    ) -> Result<(), Failure> {
        let (vault, lease) = (Arc::clone(&self.vault), Arc::clone(&self.lease));
        let mut versions = Arc::clone(&self.versions).lock_owned().await;
        let written = blocking(move || {
            if !lease.holds() {
                return Err(VaultError::Changed(item));
            }
            let since = match versions.get(&item) {
                Some(since) => since.clone(),
                None => vault.load(&item)?.1,
            };
            versions.insert(item, write(&*vault, &since)?);
            Ok(())
        });
        Ok(written.await??)
    }

    async fn remove(&self, item: Item) -> Result<(), Failure> {
        let (vault, mut versions) = (Arc::clone(&self.vault), Arc::clone(&self.versions).lock_owned().await);
        let removed = blocking(move || {
            vault.remove(&item)?;
            versions.remove(&item);
            Ok::<_, VaultError>(())
        });
        Ok(removed.await??)
    }
}

/// Runs what may block on another thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::StateUnwritable(format!("work on the state was broken off ({error})")))
}
