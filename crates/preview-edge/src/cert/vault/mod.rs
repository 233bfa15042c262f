//! Where accounts, certificates and the state of their renewal are kept.

mod dir;
mod ephemeral;

use std::path::PathBuf;

use thiserror::Error;

pub(crate) use dir::Dir;
pub(crate) use ephemeral::outlives_a_restart;

use super::Failure;
use crate::state::StateError;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Item {
    /// The key of the account at an authority, by the authority's name: PKCS #8 in PEM.
    AccountKey(String),
    /// What the authority said of that account: JSON.
    Account(String),
    /// Key and chain of a set of names, in one file: PEM.
    Bundle(String),
    /// The pair before it.
    Previous(String),
    /// How the set stands: JSON.
    State(String),
    /// The attempt under way: JSON.
    Attempt(String),
    /// Records that could not be removed: JSON.
    Graveyard,
}

impl Item {
    /// The file that it is kept in, where it is kept in files.
    pub(crate) fn path(&self) -> PathBuf {
        let (folder, name, file) = match self {
            Self::AccountKey(authority) => ("acme", authority, "account.key"),
            Self::Account(authority) => ("acme", authority, "account.json"),
            Self::Bundle(set) => ("certs", set, "bundle.pem"),
            Self::Previous(set) => ("certs", set, "prev.pem"),
            Self::State(set) => ("certs", set, "state.json"),
            Self::Attempt(set) => ("certs", set, "attempt.json"),
            Self::Graveyard => return PathBuf::from("txt-graveyard.json"),
        };
        [folder, name, file].iter().collect()
    }
}

/// A stored content as it was when it was read: [`Vault::save`] takes no other's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version(pub(super) Option<[u8; 32]>); // SHA-256 of the content; none: not there.

/// What can go wrong.
#[derive(Debug, Error)]
pub(crate) enum VaultError {
    /// Somebody else has changed it since.
    #[error("{0:?} was changed by another edge")]
    Changed(Item),
    /// Its content makes no sense.
    #[error("{}: is damaged ({reason}): move it away to start anew; what was tried so far is forgotten then", file.display())]
    Damaged {
        /// The file, or what stands for it.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        Self::StateUnwritable(error.to_string())
    }
}

/// The right to talk to the authority; it ends when it is dropped.
pub(crate) trait Lease: Send + Sync {
    /// Whether it still holds.
    fn holds(&self) -> bool;
}

/// Keeps items. Writes are durable when they return: after a crash the old content is there, or the new one.
pub(crate) trait Vault: Send + Sync {
    /// The content and its version; `None` if it is not there.
    fn load(&self, item: &Item) -> Result<(Option<Vec<u8>>, Version), VaultError>;
    /// Writes the content if it is still as it was at `since`.
    fn save(&self, item: &Item, content: &[u8], since: &Version) -> Result<Version, VaultError>;
    /// Removes it, if it is there.
    fn remove(&self, item: &Item) -> Result<(), VaultError>;
    /// The issuer's lease; `None` while another process has it.
    fn lease(&self) -> Result<Option<Box<dyn Lease>>, VaultError>;
    /// Where it lies, for messages.
    fn place(&self) -> PathBuf;
}
