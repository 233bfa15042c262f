//! By which names an authority knows itself in CAA records.

use crate::config::Authority;

/// Hosts of directories, and the names that their authorities document.
const KNOWN: [(&str, &str); 3] =
    [("letsencrypt.org", "letsencrypt.org"), ("zerossl.com", "sectigo.com"), ("pki.goog", "pki.goog")];

/// The names that a CAA record may give to allow `authority`: what its directory says (`caaIdentities`, RFC 8555
/// §9.7.6), else what is known; empty if nothing is.
pub(crate) fn issuers(authority: &Authority, from_directory: &[String]) -> Vec<String> {
    if !from_directory.is_empty() {
        return from_directory.iter().map(|name| name.to_ascii_lowercase()).collect();
    }
    let host = authority.directory.parse::<http::Uri>().ok();
    let host = host.as_ref().and_then(http::Uri::host).unwrap_or_default().to_ascii_lowercase();
    let is_below =
        |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    KNOWN.iter().filter(|(domain, _)| is_below(domain)).map(|(_, name)| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directorys_word_counts_more_than_what_is_known() {
        let of = |directory: &str, said: &[&str]| {
            let authority = Authority { name: "ca".to_owned(), directory: directory.to_owned(), eab: None };
            issuers(&authority, &said.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of("https://acme-v02.api.letsencrypt.org/directory", &[]), ["letsencrypt.org"]);
        assert_eq!(of("https://acme.zerossl.com/v2/DV90", &[]), ["sectigo.com"]);
        assert_eq!(of("https://dv.acme-v02.api.pki.goog/directory", &[]), ["pki.goog"]);
        assert_eq!(of("https://acme.zerossl.com/v2/DV90", &["CA.example"]), ["ca.example"]);
        assert!(of("https://notpki.goog.example/dir", &[]).is_empty());
        assert!(of("https://notpki.goog/dir", &[]).is_empty());
    }
}
