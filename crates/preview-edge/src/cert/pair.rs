//! A certificate chain and its key, checked.

use std::path::Path;
use std::sync::Arc;

use preview_core::clock::Wall;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use super::{CertError, CertProblem};

/// What a client is shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) names: Arc<Names>,
    pub(crate) begins: Wall,
    pub(crate) expires: Wall,
    /// Who signed it, as people know them: the common name, or the whole name.
    pub(crate) issuer: String,
}

impl Shown {
    /// The host's own certificate, which the chain begins with (DER).
    pub(crate) fn leaf(&self) -> &CertificateDer<'static> {
        // Invariant of `read_at_any_time`, which alone makes such a key.
        self.key.cert.first().expect("a chain that was read has a first certificate")
    }
}

/// The host names that a certificate covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

    /// Whether the certificate has `name`, which may itself be a wildcard.
    pub(super) fn serve(&self, name: &str) -> bool {
        self.0.iter().any(|own| own == name) || (!name.starts_with('*') && self.covers(name))
    }

    /// All of them.
    pub(super) fn list(&self) -> &[String] {
        &self.0
    }

    /// Whether these are the names, in any order.
    pub(super) fn are(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.0.contains(name)) && self.0.iter().all(|name| names.contains(name))
    }
}

/// Reads and checks a chain and a key; the paths are for errors.
pub(super) fn read(cert: (&Path, &[u8]), key: (&Path, &[u8]), now: Wall) -> Result<Shown, CertError> {
    let shown = read_at_any_time(cert, key)?;
    if shown.expires <= now {
        let problem = CertProblem::Expired(shown.expires.as_secs());
        return Err(CertError { file: cert.0.to_owned(), problem });
    }
    Ok(shown)
}

/// The same without a look at the clock.
pub(super) fn read_at_any_time(
    (cert_path, chain): (&Path, &[u8]),
    (key_path, key): (&Path, &[u8]),
) -> Result<Shown, CertError> {
    let of_cert = |problem| CertError { file: cert_path.to_owned(), problem };
    let of_key = |problem| CertError { file: key_path.to_owned(), problem };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|_| of_cert(CertProblem::BadCertificate))?;
    let first = chain.first().ok_or_else(|| of_cert(CertProblem::NoCertificate))?;
    let Facts { names, begins, expires, issuer } = facts(first).map_err(of_cert)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| of_key(CertProblem::NoKey))?;
    let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => of_key(CertProblem::Mismatch),
        error => of_key(CertProblem::BadKey(error)),
    })?;
    Ok(Shown { key: Arc::new(key), names: Arc::new(names), begins, expires, issuer })
}

/// What a certificate says of itself.
struct Facts {
    names: Names,
    begins: Wall,
    expires: Wall,
    issuer: String,
}

fn facts(certificate: &CertificateDer<'_>) -> Result<Facts, CertProblem> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertProblem::BadCertificate)?;
    let moment = |at: ASN1Time| Wall::from_secs(u64::try_from(at.timestamp()).unwrap_or(0));
    let alternatives = parsed.subject_alternative_name().map_err(|_| CertProblem::BadCertificate)?;
    let names: Vec<_> = alternatives
        .into_iter()
        .flat_map(|alternatives| &alternatives.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        return Err(CertProblem::Nameless);
    }
    let issuer = parsed.issuer();
    let common = issuer.iter_common_name().next().and_then(|name| name.as_str().ok()).map(str::to_owned);
    Ok(Facts {
        names: Names(names),
        begins: moment(parsed.validity().not_before),
        expires: moment(parsed.validity().not_after),
        issuer: common.unwrap_or_else(|| issuer.to_string()),
    })
}

/// The one provider of cryptography, whatever else the process may have installed.
pub(crate) fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needed_wildcard_is_served_by_itself_alone_and_a_needed_host_by_either() {
        let names = Names::of(&["*.preview.example.com"]);
        assert!(names.serve("*.preview.example.com") && names.serve("daemon.preview.example.com"));
        assert!(!names.serve("*.example.com") && !names.serve("preview.example.com"));
    }

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
