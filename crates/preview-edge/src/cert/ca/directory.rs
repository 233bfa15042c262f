//! What a directory says beside its URLs (RFC 8555 §7.1.1); the ACME crate keeps that to itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use serde::Deserialize;

use super::wire::Wire;
use crate::cert::Failure;
use crate::cert::lookup::issuers;
use crate::config::Authority;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Directory {
    pub(super) new_nonce: String,
    pub(super) new_account: String,
    /// Where it says when to renew (RFC 9773); only where it does may an order name what it replaces.
    pub(super) renewal_info: Option<String>,
    #[serde(default)]
    pub(super) meta: Meta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta {
    pub(super) terms_of_service: Option<String>,
    pub(super) external_account_required: bool,
    caa_identities: Vec<String>,
    profiles: BTreeMap<String, serde_json::Value>,
}

impl Directory {
    pub(super) async fn fetch(authority: &Authority, wire: &Wire) -> Result<Self, Failure> {
        let url = &authority.directory;
        let nonsense = |reason: String| Failure::CaRefused { kind: "nonsense".to_owned(), detail: reason };
        let request = Request::get(url).body(Bytes::new());
        let request = request.map_err(|error| nonsense(format!("{url} is no URL ({error})")))?;
        let answer = wire.ask(request).await?;
        if !answer.status().is_success() {
            return Err(Failure::CaUnavailable { status: answer.status().as_u16(), retry_after: None });
        }
        serde_json::from_slice(answer.body())
            .map_err(|error| nonsense(format!("{url} is no directory ({error})")))
    }

    /// What it can be asked for by name.
    pub(super) fn profiles(&self) -> Vec<String> {
        self.meta.profiles.keys().cloned().collect()
    }

    /// How CAA records (RFC 8659) name it; empty if nobody knows.
    pub(super) fn caa(&self, authority: &Authority) -> Vec<String> {
        issuers(authority, &self.meta.caa_identities)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::ca::profile;
    use crate::config::Profile;

    #[test]
    fn a_directory_without_meta_is_one() {
        let directory =
            directory(r#"{"newNonce":"https://ca.example/n","newAccount":"https://ca.example/a"}"#);
        assert_eq!((directory.profiles(), directory.meta.external_account_required), (vec![], false));
    }

    #[test]
    fn the_profile_is_the_one_that_suits_servers_where_it_is_listed() {
        let with = directory(
            r#"{"newNonce":"n","newAccount":"a","meta":{"caaIdentities":["ca.example"],
            "profiles":{"classic":"old","tlsserver":"new"}}}"#,
        );
        let without = directory(r#"{"newNonce":"n","newAccount":"a"}"#);
        assert_eq!(profile(&Profile::Auto, &with).expect("listed").as_deref(), Some("tlsserver"));
        assert_eq!(profile(&Profile::Auto, &without).expect("default"), None);
        assert_eq!(profile(&Profile::None, &with).expect("default"), None);
        let named = |name: &str| profile(&Profile::Named(name.to_owned()), &with);
        assert_eq!(named("classic").expect("listed").as_deref(), Some("classic"));
        let have = vec!["classic".to_owned(), "tlsserver".to_owned()];
        assert_eq!(named("fast"), Err(Failure::ProfileUnknown { profile: "fast".to_owned(), have }));
    }

    fn directory(text: &str) -> Directory {
        serde_json::from_str(text).expect("a directory")
    }
}
