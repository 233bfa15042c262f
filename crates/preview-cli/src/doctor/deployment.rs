//! A deployment as it is seen from anywhere: where its daemon is, and the domain its previews are below.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use rustls::ClientConfig;

use crate::args::Doctor;
use crate::client::{Door, Https, Place};
use crate::failure::Failure;
use crate::tls::Trust;

/// What the checks look at.
#[derive(Debug)]
pub(super) struct Deployment {
    /// Its daemon.
    pub(super) daemon: Place,
    /// The base of its previews, as if it were a host.
    pub(super) base: Place,
    /// Whom to trust.
    pub(super) trust: Trust,
    client: Arc<ClientConfig>,
    given: Vec<(String, IpAddr)>,
}

impl Deployment {
    pub(super) fn new(base: &str, daemon: &str, args: &Doctor) -> Result<Self, Failure> {
        let base =
            if base.contains("://") { Place::parse(base) } else { Place::parse(&format!("https://{base}")) }?;
        let trust = args.ca.as_deref().map_or_else(|| Ok(Trust::system()), Trust::system_and)?;
        let client = trust.client();
        let given = args.resolve.iter().map(|text| given(text)).collect::<Result<_, _>>()?;
        Ok(Self { daemon: Place::parse(daemon)?, base, trust, client, given })
    }

    /// A place below the base.
    pub(super) fn below(&self, label: &str) -> Place {
        Place { host: format!("{label}.{}", self.base.host), ..self.base.clone() }
    }

    /// Where names below the base lead by `--resolve`, if they do.
    pub(super) fn given(&self, host: &str) -> Option<IpAddr> {
        let fits = |name: &str| match name.strip_prefix("*.") {
            Some(base) => host.strip_suffix(base).is_some_and(|label| label.ends_with('.')),
            None => name == host,
        };
        self.given.iter().find(|(name, _)| fits(name)).map(|(_, address)| *address)
    }

    /// The addresses of a name.
    pub(super) async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        if let Some(address) = self.given(host) {
            return Ok(vec![address]);
        }
        let mut found: Vec<IpAddr> = tokio::net::lookup_host((host, 0)).await?.map(|it| it.ip()).collect();
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The address to connect to, if `--resolve` says it.
    pub(super) fn address(&self, place: &Place) -> Option<SocketAddr> {
        self.given(&place.host).map(|address| SocketAddr::new(address, place.port))
    }

    /// How to reach a place.
    pub(super) fn door(&self, place: &Place) -> Door {
        let https = Https { config: Some(Arc::clone(&self.client)), address: self.address(place) };
        Door::Tcp(place.clone(), https)
    }
}

/// A label that nobody has made a record for.
pub(super) fn random_label() -> String {
    let mut bytes = [0; 6];
    // Without randomness the label is still one that no person would choose.
    let _ = getrandom::fill(&mut bytes);
    format!("preview-{}", HEXLOWER.encode(&bytes))
}

fn given(text: &str) -> Result<(String, IpAddr), Failure> {
    text.split_once('=')
        .and_then(|(name, address)| Some((name.to_ascii_lowercase(), address.parse().ok()?)))
        .ok_or_else(|| {
            Failure::usage(format!("--resolve {text:?}"), "give NAME=ADDRESS: '*.preview.test=127.0.0.1'")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_address_holds_for_names_below_and_not_beside() {
        let args = Doctor { base: None, resolve: vec!["*.preview.test=127.0.0.1".into()], ca: None };
        let deployment = Deployment::new("preview.test", "http://d.test", &args).expect("valid");
        let is_given = |host| deployment.given(host).is_some();
        assert!(is_given("a.preview.test"));
        assert!(!is_given("preview.test") && !is_given("apreview.test") && !is_given("d.test"));
        assert_eq!(deployment.below("a").to_string(), "https://a.preview.test");
    }
}
