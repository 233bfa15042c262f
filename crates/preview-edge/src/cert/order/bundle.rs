//! A certificate with its key: asked for, checked, and kept in one file, since two could be torn apart.

use std::fmt;
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
#[derive(Clone)]
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

/// Without the key.
impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle").field("names", &self.shown.names).finish_non_exhaustive()
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

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

    use x509_parser::certification_request::X509CertificationRequest;
    use x509_parser::extensions::ParsedExtension;

    use super::*;

    /// 2027-01-15T08:00:00Z.
    const NOW: Wall = Wall::from_secs(1_800_000_000);

    #[test]
    fn a_certificate_for_our_key_and_names_that_is_good_now_is_taken() {
        let (key, chain) = made(&["*.preview.test"], 2027);
        let bundle = Bundle::check(&key, &chain, &wanted(), NOW).expect("good");
        assert!(bundle.is_of(&key) && !bundle.is_of(&made(&["a.test"], 2027).0));
        let read = Bundle::read(bundle.pem).expect("as it was kept");
        assert_eq!(read.shown.key.cert.len(), 2);
    }

    #[test]
    fn one_for_another_key_other_names_another_time_or_with_a_chain_that_leads_nowhere_is_not() {
        let (key, chain) = made(&["*.preview.test"], 2027);
        let (other_key, other_chain) = made(&["*.preview.test"], 2027);
        let (named_key, named_chain) = made(&["*.example.test"], 2027);
        let (old_key, old_chain) = made(&["*.preview.test"], 2024);
        let (young_key, young_chain) = made(&["*.preview.test"], 2029);
        let leaf = chain.split_inclusive("-----END CERTIFICATE-----").next().expect("a leaf");
        let torn = [leaf, "\n", &self_signed()].concat();
        for (key, chain, said) in [
            (&key, &other_chain, "is not the key of the certificate"),
            (&other_key, &chain, "is not the key of the certificate"),
            (&named_key, &named_chain, "it is for *.example.test, not for *.preview.test"),
            (&old_key, &old_chain, "it is good from"),
            (&young_key, &young_chain, "it is good from"),
            (&key, &torn, "does not lead from one certificate to the next"),
            (&key, &String::new(), "holds no certificate"),
        ] {
            let failure = Bundle::check(key, chain, &wanted(), NOW).expect_err(said);
            let Failure::BadCertificate(reason) = &failure else { panic!("{failure:?}") };
            assert!(reason.contains(said), "{reason}");
        }
    }

    #[test]
    fn the_request_names_what_is_wanted_and_nothing_else() {
        let key = KeyPair::generate().expect("a key").serialize_pem();
        let request =
            request(&key, &["*.preview.test".to_owned(), "preview.test".to_owned()]).expect("signed");
        let (_, request) = X509CertificationRequest::from_der(&request).expect("a request");
        let mut names = Vec::new();
        for extension in request.requested_extensions().expect("some") {
            if let ParsedExtension::SubjectAlternativeName(alternatives) = extension {
                names.extend(alternatives.general_names.iter().map(ToString::to_string));
            }
        }
        assert_eq!(names, ["DNSName(*.preview.test)", "DNSName(preview.test)"]);
        assert_eq!(request.certification_request_info.subject.iter().count(), 0);
    }

    fn wanted() -> Vec<String> {
        vec!["*.preview.test".to_owned()]
    }

    fn made(names: &[&str], year: i32) -> (String, String) {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().expect("a key");
        let ca = params.self_signed(&ca_key).expect("signed");
        let ca_issuer = Issuer::new(params, ca_key);
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("names");
        (params.not_before, params.not_after) = (date_time_ymd(year, 1, 1), date_time_ymd(year, 3, 1));
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &ca_issuer).expect("signed");
        (key.serialize_pem(), [leaf.pem(), ca.pem()].concat())
    }

    fn self_signed() -> String {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(rcgen::DnType::CommonName, "somebody else");
        params.self_signed(&KeyPair::generate().expect("a key")).expect("signed").pem()
    }
}
