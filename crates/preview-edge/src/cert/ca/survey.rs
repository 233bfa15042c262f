//! What can be found out at an authority without an account there.

use super::directory::Directory;
use super::wire::Wire;
use super::{binding, profile};
use crate::cert::Failure;
use crate::cert::desk::{Desk, blocking};
use crate::config::{Acme, Authority};

/// What an authority says of itself, held against what is wanted of it.
#[derive(Debug)]
pub(crate) struct Survey {
    /// How CAA records name the authority; empty if nobody knows.
    pub(crate) issuers: Vec<String>,
    /// The profile that would be ordered.
    pub(crate) profile: Option<String>,
    /// Why it would refuse.
    pub(crate) refusals: Vec<Failure>,
}

/// Asks for the directory alone; nothing is made there.
///
/// # Errors
/// Why it cannot be asked: it does not answer, or the clocks differ.
pub(crate) async fn survey(acme: &Acme, authority: &Authority) -> Result<Survey, Failure> {
    let wire = Wire(Desk::client(acme).await?);
    let directory = Directory::fetch(authority, &wire).await?;
    let mut refusals = Vec::new();
    let profile = profile(&acme.profile, &directory).unwrap_or_else(|failure| {
        refusals.push(failure);
        None
    });
    let meta = &directory.meta;
    if meta.terms_of_service.is_some() && !acme.accept_tos {
        refusals.push(Failure::TosNotAccepted { url: meta.terms_of_service.clone() });
    }
    match &authority.eab {
        None if meta.external_account_required => refusals.push(Failure::EabRequired),
        None => {}
        Some(eab) => {
            let file = eab.hmac_file.clone();
            refusals.extend(blocking(move || binding::read(&file)).await?.err());
        }
    }
    let is_contact = |it: &String| it.strip_prefix("mailto:").is_some_and(|rest| rest.contains('@'));
    if let Some(contact) = acme.contact.as_ref().filter(|it| !is_contact(it)) {
        refusals.push(Failure::ContactInvalid(contact.clone()));
    }
    Ok(Survey { issuers: directory.caa(authority), profile, refusals })
}
