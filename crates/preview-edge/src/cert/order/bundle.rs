//! A certificate with its key: asked for, checked, and kept in one file, since two could be torn apart.

use std::path::Path;
use std::time::Duration;

use preview_core::clock::Wall;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::cert::pair::{self, Shown};
use crate::cert::{CertError, Failure};

/// How far the authority's clock may be ahead of ours.
const SLACK: Duration = Duration::from_hours(1);

/// Key and chain, checked.
#[derive(Clone, Debug)]
pub(crate) struct Bundle {
    /// What clients are shown.
    pub(crate) shown: Shown,
    /// What is kept: the key, then the chain, in PEM.
    pub(crate) pem: Vec<u8>,
}

/// The signing request for the names (RFC 2986, DER), with no other subject: authorities take names from there alone.
pub(super) fn request(key: &str, names: &[String]) -> Result<Vec<u8>, Failure> {
    let request = || {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        Ok(params.serialize_request(&KeyPair::from_pem(key)?)?.der().to_vec())
    };
    request().map_err(|error: rcgen::Error| {
        Failure::StateUnwritable(format!("the key of the attempt cannot be used ({error})"))
    })
}

impl Bundle {
    /// Checks what an authority made for `key` and `names` at `now`.
    ///
    /// # Errors
    /// [`Failure::BadCertificate`]
    pub(crate) fn check(key: &str, chain: &str, names: &[String], now: Wall) -> Result<Self, Failure> {
        let pem = [key.trim_end(), "\n", chain.trim_start()].concat().into_bytes();
        let bad = |reason: String| Failure::BadCertificate(reason);
        let bundle = Self::read(pem).map_err(|error| bad(format!("it {}", error.problem)))?;
        let shown = &bundle.shown;
        if !shown.names.are(names) {
            return Err(bad(format!(
                "it is for {}, not for {}",
                shown.names.list().join(", "),
                names.join(", ")
            )));
        }
        if shown.begins > now + SLACK || shown.expires <= now {
            let (begins, expires, now) = (shown.begins.as_secs(), shown.expires.as_secs(), now.as_secs());
            return Err(bad(format!("it is good from {begins} to {expires}, and now is {now} (seconds)")));
        }
        if !is_linked(&shown.key.cert) {
            return Err(bad("its chain does not lead from one certificate to the next".to_owned()));
        }
        Ok(bundle)
    }

    /// Whether it was made for this key (PEM).
    pub(crate) fn is_of(&self, key: &str) -> bool {
        self.pem.starts_with(key.trim_end().as_bytes())
    }

    /// What was kept, whether or not its time is over.
    pub(crate) fn read(pem: Vec<u8>) -> Result<Self, CertError> {
        let place = Path::new("bundle.pem");
        let shown = pair::read_at_any_time((place, &pem), (place, &pem))?;
        Ok(Self { shown, pem })
    }
}

/// Whether each certificate names the next one as its issuer.
fn is_linked(chain: &[CertificateDer<'_>]) -> bool {
    let parsed: Result<Vec<_>, _> = chain.iter().map(|der| X509Certificate::from_der(der)).collect();
    parsed.is_ok_and(|parsed| {
        parsed.windows(2).all(|pair| match pair {
            [(_, one), (_, next)] => one.issuer().as_raw() == next.subject().as_raw(),
            _ => true,
        })
    })
}
