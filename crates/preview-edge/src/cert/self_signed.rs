//! A certificate that nobody trusts, for rehearsal: made here, kept, and made anew before its time is over.

use std::path::{Path, PathBuf};
use std::time::Duration;

use preview_core::clock::Wall;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

use super::pair::{self, Shown};
use super::{CertError, CertProblem};
use crate::state;

/// How long it is good: what browsers accept at most is 398 days (CA/Browser Forum, baseline requirements 6.3.2).
const LIFE: Duration = Duration::from_hours(397 * 24);
/// How long before its end a new one is made.
const RENEWAL: Duration = Duration::from_hours(30 * 24);
/// Clocks of clients may be behind by this much.
const SLACK: Duration = Duration::from_hours(24);

/// The certificate's files and names.
#[derive(Debug)]
pub(super) struct SelfSigned {
    cert: PathBuf,
    key: PathBuf,
    names: Vec<String>,
    renewal: Wall,
}

impl SelfSigned {
    /// The certificate in `dir`, if it is there, for these names, and not about to end; a new one otherwise.
    pub(super) fn load(dir: &Path, mut names: Vec<String>, now: Wall) -> Result<(Self, Shown), CertError> {
        names.sort();
        names.dedup();
        let (cert, key) = (dir.join("self-signed.crt"), dir.join("self-signed.key"));
        let mut own = Self { cert, key, names, renewal: Wall::default() };
        let shown = match own.kept(now) {
            Some(shown) => shown,
            None => own.make(now)?,
        };
        own.renewal = renewal(&shown);
        Ok((own, shown))
    }

    /// Whether one was made in `dir`.
    pub(super) fn is_there(dir: &Path) -> bool {
        dir.join("self-signed.crt").exists()
    }

    /// A new certificate, if it is time for one.
    pub(super) fn look(&mut self, now: Wall) -> Result<Option<Shown>, CertError> {
        if now < self.renewal {
            return Ok(None);
        }
        // Once an hour is often enough to fail.
        self.renewal = now + Duration::from_hours(1);
        let shown = self.make(now)?;
        self.renewal = renewal(&shown);
        Ok(Some(shown))
    }

    /// When it is made anew.
    pub(super) fn renewal(&self) -> Wall {
        self.renewal
    }

    fn kept(&self, now: Wall) -> Option<Shown> {
        let chain = state::read(&self.cert).ok()??;
        let secret = state::read(&self.key).ok()??;
        let shown = pair::read((&self.cert, &chain), (&self.key, &secret), now).ok()?;
        (shown.names.are(&self.names) && now < renewal(&shown)).then_some(shown)
    }

    fn make(&self, now: Wall) -> Result<Shown, CertError> {
        let unmade = |error: rcgen::Error| self.problem(CertProblem::Unmade(error.to_string()));
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unmade)?;
        let cert = params(&self.names, now).and_then(|params| params.self_signed(&key)).map_err(unmade)?;
        let (chain, secret) = (cert.pem(), key.serialize_pem());
        let kept = state::write(&self.key, secret.as_bytes())
            .and_then(|()| state::write(&self.cert, chain.as_bytes()));
        kept.map_err(|error| self.problem(error.into()))?;
        pair::read((&self.cert, chain.as_bytes()), (&self.key, secret.as_bytes()), now)
    }

    fn problem(&self, problem: CertProblem) -> CertError {
        CertError { file: self.cert.clone(), problem }
    }
}

fn renewal(shown: &Shown) -> Wall {
    Wall::from_secs(shown.expires.as_secs().saturating_sub(RENEWAL.as_secs()))
}

fn params(names: &[String], now: Wall) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "Preview rehearsal");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(now.as_secs().saturating_sub(SLACK.as_secs()));
    params.not_after = epoch + Duration::from_secs(now.as_secs()) + LIFE;
    Ok(params)
}
