//! What is changed in the headers on their way: those of requests ([`request`]), those of responses
//! ([`response`]), and what both need. Tables of what happens to which header: `docs/contract.md` §6.
//!
//! A header that is only passed on is not touched, copied or allocated.

pub(crate) mod names;
pub(crate) mod hop;
pub(crate) mod forwarded;
pub(crate) mod origin;
pub(crate) mod cookies;
pub(crate) mod framing;
pub(crate) mod request;
pub(crate) mod response;

use http::HeaderValue;

/// A header value of text that holds nothing but visible ASCII and spaces.
pub(crate) fn value(text: impl Into<String>) -> HeaderValue {
    HeaderValue::try_from(text.into()).unwrap_or_else(|_| HeaderValue::from_static(""))
}
