//! Certificates: where they come from, and which one a client is shown.

/// The host names that a certificate covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names(Vec<String>); // Invariant: lower case.

impl Names {
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
}
