//! A certificate authority, spoken to by ACME (RFC 8555): the crate does the protocol, this the traps around it.
//!
//! The crate has no time-outs, drops `Retry-After`, gives up after three refused nonces, cannot make an account with
//! a key of ours and a binding, and knows nothing of what the directory says beside its URLs.

/// How often a question is asked again whose nonces were refused; each time the crate itself tries three.
const ROUNDS: u32 = 10;
/// The rest before the second round; the further ones are longer, as an authority that is in trouble wants it.
const REST: std::time::Duration = std::time::Duration::from_millis(50);

/// Asks again while nonces are refused: the crate gives up after three, and an authority may be that moody.
macro_rules! patiently {
    ($deadline:expr, $ask:expr) => {{
        let mut round = 1;
        loop {
            let answer = $ask;
            let is_over = round == crate::cert::ca::ROUNDS || tokio::time::Instant::now() >= $deadline;
            if is_over || !crate::cert::ca::problem::is_bad_nonce(&answer) {
                break answer;
            }
            tokio::time::sleep(crate::cert::ca::REST * round).await;
            round += 1;
        }
    }};
}

mod wire;
mod problem;
mod directory;
mod account;
mod binding;
mod order;
mod renewal;
mod survey;

use instant_acme::Account;
use tokio::time::Instant;

pub(crate) use order::{Order, Proof, Stage};
pub(crate) use renewal::identify;
pub(crate) use survey::survey;

use super::Failure;
use super::desk::Desk;
use crate::config::{Acme, Authority, Profile};
use directory::Directory;
use wire::Wire;

/// An authority at which we have an account.
pub(crate) struct Ca {
    account: Account,
    terms: Terms,
    deadline: Instant,
}

/// What an authority says of itself, and what is wanted of it: refusals are read by it.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    /// Where the terms of service stand.
    url: Option<String>,
    /// How CAA records name the authority; empty if nobody knows.
    caa: Vec<String>,
    /// What it can be asked for by name.
    profiles: Vec<String>,
    /// The profile that is ordered.
    profile: Option<String>,
    /// Whether an order may name the certificate that it replaces.
    takes_replaces: bool,
    /// The names that are ordered.
    names: Vec<String>,
}

impl Ca {
    /// Opens the account, making it where there is none. Nothing that is asked of the authority later is repeated
    /// after `deadline`.
    ///
    /// # Errors
    /// [`Failure::AccountLost`] if the authority does not take the account any more: see [`Desk::drop_account`].
    pub(crate) async fn open(
        acme: &Acme,
        authority: &Authority,
        desk: &Desk,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let wire = Wire(Desk::client(acme).await?);
        let directory = Directory::fetch(authority, &wire).await?;
        let terms = Terms {
            url: directory.meta.terms_of_service.clone(),
            caa: directory.caa(authority),
            profile: profile(&acme.profile, &directory)?,
            profiles: directory.profiles(),
            takes_replaces: directory.renewal_info.is_some(),
            names: acme.names.clone(),
        };
        let asked = account::Asked { acme, authority, directory: &directory, wire, terms: &terms, deadline };
        let account = account::open(&asked, desk).await?;
        Ok(Self { account, terms, deadline })
    }

    /// The account's URL.
    pub(crate) fn id(&self) -> &str {
        self.account.id()
    }

    /// How CAA records name the authority; empty if nobody knows.
    pub(crate) fn issuers(&self) -> &[String] {
        &self.terms.caa
    }
}

/// The profile to order (draft-ietf-acme-profiles), if any.
fn profile(wanted: &Profile, directory: &Directory) -> Result<Option<String>, Failure> {
    let have = directory.profiles();
    match wanted {
        Profile::None => Ok(None),
        Profile::Auto => Ok(have.into_iter().find(|name| name == "tlsserver")),
        Profile::Named(name) if have.contains(name) => Ok(Some(name.clone())),
        Profile::Named(name) => Err(Failure::ProfileUnknown { profile: name.clone(), have }),
    }
}
