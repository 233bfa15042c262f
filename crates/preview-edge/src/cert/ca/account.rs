//! The account at an authority: its key is kept before the authority hears of it, so that no crash makes an orphan.

use instant_acme::{Account, AccountBuilder, Error, Key};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::time::Instant;

use super::directory::Directory;
use super::wire::Wire;
use super::{Terms, binding, problem};
use crate::cert::Failure;
use crate::cert::desk::Desk;
use crate::cert::journal;
use crate::config::{Acme, Authority};

/// Who wants an account, where, and how the authority is reached.
pub(super) struct Asked<'a> {
    pub(super) acme: &'a Acme,
    pub(super) authority: &'a Authority,
    pub(super) directory: &'a Directory,
    pub(super) wire: Wire,
    pub(super) terms: &'a Terms,
    pub(super) deadline: Instant,
}

/// The account we have, or a new one; its contact is what the configuration says.
pub(super) async fn open(asked: &Asked<'_>, desk: &Desk) -> Result<Account, Failure> {
    let authority = &asked.authority.name;
    let key = desk.account_key(authority).await?;
    let known = desk.account(authority).await?.filter(|known| known.directory == asked.authority.directory);
    let account = match (&key, &known) {
        (Some(key), Some(known)) => asked.restore(&read(key)?, known).await?,
        (Some(key), None) => asked.make(&read(key)?).await?,
        (None, _) => {
            let key = Desk::new_key()?;
            desk.keep_account_key(authority, &key).await?;
            asked.make(&read(key.as_bytes())?).await?
        }
    };
    let mut now = journal::Account {
        id: account.id().to_owned(),
        directory: asked.authority.directory.clone(),
        contact: known.as_ref().and_then(|known| known.contact.clone()),
    };
    if known.as_ref() != Some(&now) {
        desk.keep_account(authority, &now).await?;
    }
    if now.contact != asked.acme.contact {
        now.contact.clone_from(&asked.acme.contact);
        asked.tell(&account, now.contact.as_deref()).await?;
        desk.keep_account(authority, &now).await?;
    }
    Ok(account)
}

impl Asked<'_> {
    async fn restore(
        &self,
        key: &PrivatePkcs8KeyDer<'_>,
        known: &journal::Account,
    ) -> Result<Account, Failure> {
        let directory = self.authority.directory.clone();
        let restored = self.builder().from_parts(known.id.clone(), key.clone_key(), directory).await;
        restored.map_err(|error| problem::explain(error, self.terms))
    }

    /// What would make the authority refuse, found before it is asked.
    fn may_be_made(&self) -> Result<(), Failure> {
        let meta = &self.directory.meta;
        if meta.terms_of_service.is_some() && !self.acme.accept_tos {
            return Err(Failure::TosNotAccepted { url: meta.terms_of_service.clone() });
        }
        if meta.external_account_required && self.authority.eab.is_none() {
            return Err(Failure::EabRequired);
        }
        Ok(())
    }

    /// The account of this key, which the authority makes if there is none; idempotent.
    async fn make(&self, key: &PrivatePkcs8KeyDer<'static>) -> Result<Account, Failure> {
        self.may_be_made()?;
        let Some(eab) = &self.authority.eab else {
            let made = patiently!(self.deadline, self.create(key).await);
            return made.map_err(|error| problem::of_account(error, self.terms, false));
        };
        let refused = |error| problem::of_account(error, self.terms, true);
        // A binding may be good for one account alone, so the question whether there is one comes first.
        match patiently!(self.deadline, self.find(key).await) {
            Err(Error::Api(unknown)) if problem::kind(&unknown) == "accountDoesNotExist" => {}
            found => return found.map_err(refused),
        }
        binding::make(eab, key, self.directory, &self.wire, self.deadline).await.map_err(refused)?;
        patiently!(self.deadline, self.find(key).await).map_err(refused)
    }

    async fn create(&self, key: &PrivatePkcs8KeyDer<'static>) -> Result<Account, Error> {
        let made = self.builder().create_from_key(pair(key)?, self.authority.directory.clone()).await;
        made.map(|(account, _)| account)
    }

    async fn find(&self, key: &PrivatePkcs8KeyDer<'static>) -> Result<Account, Error> {
        let found = self.builder().from_key(pair(key)?, self.authority.directory.clone()).await;
        found.map(|(account, _)| account)
    }

    async fn tell(&self, account: &Account, contact: Option<&str>) -> Result<(), Failure> {
        let told = patiently!(self.deadline, account.update_contacts(contact.as_slice()).await);
        told.map_err(|error| problem::of_contact(error, self.terms, contact.unwrap_or_default()))
    }

    fn builder(&self) -> AccountBuilder {
        Account::builder_with_http(Box::new(self.wire.clone()))
    }
}

fn read(pem: &[u8]) -> Result<PrivatePkcs8KeyDer<'static>, Failure> {
    PrivatePkcs8KeyDer::from_pem_slice(pem)
        .map_err(|error| Failure::StateUnwritable(format!("the account's key cannot be read ({error})")))
}

fn pair(key: &PrivatePkcs8KeyDer<'static>) -> Result<(Key, PrivateKeyDer<'static>), Error> {
    Ok((Key::from_pkcs8_der(key.clone_key())?, PrivateKeyDer::Pkcs8(key.clone_key())))
}
