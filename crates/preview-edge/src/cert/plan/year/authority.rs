//! An authority that signs by the test's clock, and holds whoever orders to the limits of a real one.

use std::collections::HashMap;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::{DAY, HOUR};
use crate::cert::Failure;
use crate::cert::plan::Fingerprint;

/// Certificates of one exact set of names within seven days (ACME.md §4).
const PER_SET: usize = 5;
/// Failed validations of one name within an hour.
const FAILED: usize = 5;
/// A real one dates certificates back by an hour, for clients whose clocks are behind.
pub(super) const BACKDATED: u64 = HOUR;

pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    rehearses: bool,
    life: u64,
    pub(super) made: Vec<Made>,
    pub(super) unproved: Vec<u64>,
    lives: HashMap<Fingerprint, (u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) id: Fingerprint,
    pub(super) at: u64,
    pub(super) left_of_the_one_before: u64,
}

impl Authority {
    pub(super) fn new(name: &str, life: u64) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = Issuer::new(params, key());
        let rehearses = name == "staging";
        Self { issuer, rehearses, life, made: Vec::new(), unproved: Vec::new(), lives: HashMap::new() }
    }

    /// Takes an order at `now`, and what is to fail it; key and chain in PEM.
    pub(super) fn order(
        &mut self,
        names: &[String],
        now: u64,
        left_of_the_one_before: u64,
        failure: Option<Failure>,
    ) -> Result<(Made, String), Failure> {
        if let Some(failure) = failure {
            if failure.is_validation() {
                self.unproved.push(now);
                let within = self.unproved.iter().filter(|at| now < **at + HOUR).count();
                assert!(self.rehearses || within < FAILED, "{within} failed validations within an hour");
            }
            return Err(failure);
        }
        let pem = self.sign(names, now);
        let leaf = CertificateDer::from_pem_slice(pem.as_bytes()).expect("just made");
        let made = Made { id: Fingerprint::of(&leaf), at: now, left_of_the_one_before };
        self.lives.insert(made.id, (now - BACKDATED, now - BACKDATED + self.life));
        self.made.push(made);
        let within = self.made.iter().filter(|made| now < made.at + 7 * DAY).count();
        assert!(self.rehearses || within < PER_SET, "{within} certificates within seven days");
        Ok((made, pem))
    }

    /// From when until when a certificate of this authority lives.
    pub(super) fn life_of(&self, certificate: Fingerprint) -> Option<(u64, u64)> {
        self.lives.get(&certificate).copied()
    }

    fn sign(&self, names: &[String], now: u64) -> String {
        let mut params = CertificateParams::new(names).expect("names");
        let moment = |second| rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(second);
        params.not_before = moment(now - BACKDATED);
        params.not_after = moment(now - BACKDATED + self.life);
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        format!("{}{}", certificate.pem(), key.serialize_pem())
    }
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key")
}
