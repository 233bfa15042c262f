//! `tls.san`: the certificate that is shown below the base covers every name there, and for how long.

use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, Error};
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::deployment::{Deployment, random_label};
use super::finding::Finding;
use crate::client::Place;
use crate::tls;

const CHECK: &str = "tls.san";

/// Days left from which on a renewal is overdue: authorities advise a third of 90 days, half of that is late.
const SOON: i64 = 14;

const DAY: i64 = 86_400;

pub(super) async fn covers(deployment: &Deployment) -> Finding {
    let base = &deployment.base.host;
    if !deployment.base.tls {
        let fix = "serve previews by https: framing them in another site needs it";
        return Finding::warn(CHECK, "the base is plain http: there is no certificate to look at", fix);
    }
    let place = deployment.below(&random_label());
    let chain = match chain(deployment, &place).await {
        Ok(chain) => chain,
        Err(why) => {
            let fix = "let the edge listen there (edge.https), and let no firewall stand before it";
            return Finding::fail(CHECK, format!("{place}: {why}"), fix);
        }
    };
    let Some(shown) = chain.first().and_then(Shown::read) else {
        return Finding::fail(CHECK, "the certificate cannot be read", "have it issued anew");
    };
    let name = match ServerName::try_from(place.host) {
        Ok(name) => name,
        Err(error) => return Finding::fail(CHECK, error.to_string(), "give a domain with --base"),
    };
    let left = shown.days_left;
    match deployment.trust.verify(&chain, &name) {
        Ok(()) if left < SOON => {
            let fix = format!("renew it now: clients refuse it in {left} days");
            Finding::warn(CHECK, format!("{} · {left} days left", shown.names), fix)
        }
        Ok(()) => Finding::ok(CHECK, format!("{} · {left} days left", shown.names)),
        Err(error) => shown.refused(base, &error),
    }
}

/// What a certificate says of itself.
struct Shown {
    names: String,
    issuer: String,
    days_left: i64,
}

impl Shown {
    fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let names: Vec<String> =
            parsed.subject_alternative_name().ok().flatten().map_or_else(Vec::new, |san| {
                let name = |name: &GeneralName<'_>| match name {
                    GeneralName::DNSName(name) => Some((*name).to_owned()),
                    _ => None,
                };
                san.value.general_names.iter().filter_map(name).collect()
            });
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let left = parsed.validity().not_after.timestamp() - i64::try_from(now).unwrap_or(i64::MAX);
        Some(Self {
            names: if names.is_empty() { "no name".to_owned() } else { names.join(", ") },
            issuer: parsed.issuer().to_string(),
            days_left: left.div_euclid(DAY),
        })
    }

    fn refused(&self, base: &str, error: &Error) -> Finding {
        let Error::InvalidCertificate(why) = error else {
            return Finding::fail(CHECK, error.to_string(), "have it issued anew");
        };
        let (detail, fix) = match why {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                format!("certificate covers {} only", self.names),
                format!("have it issued again with *.{base} in its SAN"),
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                format!("certificate for {} ended {} days ago", self.names, -self.days_left),
                "renew it, and see why that did not happen by itself".to_owned(),
            ),
            CertificateError::UnknownIssuer => (
                format!(
                    "certificate for {} is issued by {}, whom nobody here trusts",
                    self.names, self.issuer
                ),
                "have it issued by a public authority; in a rehearsal name yours by --ca".to_owned(),
            ),
            other => (format!("certificate for {}: {other}", self.names), "have it issued anew".to_owned()),
        };
        Finding::fail(CHECK, detail, fix)
    }
}

/// The certificates that a place shows, good or not.
async fn chain(deployment: &Deployment, place: &Place) -> Result<Vec<CertificateDer<'static>>, String> {
    let stream = place.connect(deployment.address(place)).await.map_err(|error| error.to_string())?;
    let name = ServerName::try_from(place.host.clone()).map_err(|error| error.to_string())?;
    let stream = TlsConnector::from(tls::looking())
        .connect(name, stream)
        .await
        .map_err(|error| format!("no TLS there: {error}"))?;
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    Ok(shown.iter().map(|certificate| certificate.clone().into_owned()).collect())
}
