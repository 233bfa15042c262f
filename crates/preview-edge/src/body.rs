//! Bodies: one enum, never boxed.

use http_body_util::Empty;

use bytes::Bytes;

/// The body of an answer.
pub(crate) type Body = Empty<Bytes>;
