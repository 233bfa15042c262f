//! A certificate chain and its key, checked.

use std::path::Path;
use std::sync::Arc;

use preview_core::clock::Wall;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{CertError, CertProblem};

/// What a client is shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) names: Arc<Names>,
    pub(crate) expires: Wall,
}

/// The host names that a certificate covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names(Vec<String>); // Invariant: lower case.

impl Names {
    #[cfg(test)]
    pub(crate) fn of(names: &[&str]) -> Self {
        Self(names.iter().map(ToString::to_string).collect())
    }

    /// Whether the certificate is good for `host` (lower case, without port). A wildcard stands for one label
    /// (RFC 9525 §6.3).
    pub(crate) fn covers(&self, host: &str) -> bool {
        self.0.iter().any(|name| match name.strip_prefix('*') {
            Some(rest) => host
                .strip_suffix(rest)
                .is_some_and(|label| rest.starts_with('.') && !label.is_empty() && !label.contains('.')),
            None => name == host,
        })
    }

    /// Whether these are the names, in any order.
    pub(super) fn are(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.0.contains(name)) && self.0.iter().all(|name| names.contains(name))
    }
}

/// Reads and checks a chain and a key; the paths are for errors.
pub(super) fn read(
    (cert_path, chain): (&Path, &[u8]),
    (key_path, key): (&Path, &[u8]),
    now: Wall,
) -> Result<Shown, CertError> {
    let of_cert = |problem| CertError { file: cert_path.to_owned(), problem };
    let of_key = |problem| CertError { file: key_path.to_owned(), problem };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|_| of_cert(CertProblem::BadCertificate))?;
    let first = chain.first().ok_or_else(|| of_cert(CertProblem::NoCertificate))?;
    let (names, expires) = facts(first).map_err(of_cert)?;
    if expires <= now {
        return Err(of_cert(CertProblem::Expired(expires.as_secs())));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| of_key(CertProblem::NoKey))?;
    let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => of_key(CertProblem::Mismatch),
        error => of_key(CertProblem::BadKey(error)),
    })?;
    Ok(Shown { key: Arc::new(key), names: Arc::new(names), expires })
}

/// Names and end of a certificate.
fn facts(certificate: &CertificateDer<'_>) -> Result<(Names, Wall), CertProblem> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertProblem::BadCertificate)?;
    let expires = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    let alternatives = parsed.subject_alternative_name().map_err(|_| CertProblem::BadCertificate)?;
    let names: Vec<_> = alternatives
        .into_iter()
        .flat_map(|alternatives| &alternatives.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    if names.is_empty() { Err(CertProblem::Nameless) } else { Ok((Names(names), Wall::from_secs(expires))) }
}

/// The one provider of cryptography, whatever else the process may have installed.
pub(crate) fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_one_label_and_not_its_own_base() {
        let names = Names::of(&["*.preview.example.com", "daemon.example.com"]);
        assert!(names.covers("a.preview.example.com") && names.covers("daemon.example.com"));
        for other in ["preview.example.com", "a.b.preview.example.com", ".preview.example.com", "example.com"]
        {
            assert!(!names.covers(other), "{other}");
        }
    }
}
