//! When the authority wants a certificate renewed (RFC 9773).

use std::time::Duration;

use instant_acme::CertificateIdentifier;
use preview_core::clock::Wall;
use rustls_pki_types::CertificateDer;

use super::{Ca, problem};
use crate::cert::Failure;
use crate::cert::plan::Window;

/// How renewal information names a certificate; `None` if it lacks what that is made of.
pub(crate) fn identify(certificate: &CertificateDer<'_>) -> Option<CertificateIdentifier<'static>> {
    CertificateIdentifier::try_from(certificate).ok().map(CertificateIdentifier::into_owned)
}

impl Ca {
    /// The window for the renewal of a certificate, and when to ask again.
    ///
    /// # Errors
    /// [`Failure::AriUnavailable`], and what says when to ask again: [`Failure::RateLimited`],
    /// [`Failure::CaUnavailable`] with a time.
    pub(crate) async fn renewal(
        &self,
        certificate: &CertificateIdentifier<'static>,
    ) -> Result<(Window, Duration), Failure> {
        let asked = self.account.renewal_info(certificate).await;
        let (info, again) = asked.map_err(|error| match problem::explain(error, &self.terms) {
            failure if failure.not_before(Wall::default()).is_some() => failure,
            failure => Failure::AriUnavailable(failure.to_string()),
        })?;
        let window = info.suggested_window;
        let moment = |second: i64| Wall::from_secs(u64::try_from(second).unwrap_or(0));
        let window =
            Window { start: moment(window.start.unix_timestamp()), end: moment(window.end.unix_timestamp()) };
        if window.end <= window.start {
            return Err(Failure::AriUnavailable("its window ends before it begins".to_owned()));
        }
        Ok((window, again))
    }
}
