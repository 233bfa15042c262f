//! What a request shows of itself in a log: no token, and no query of a page that may hold one.

use std::fmt;

use super::{GivenToken, Visit};

impl fmt::Debug for GivenToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Query { .. } => "Query(…)",
            Self::Header(_) => "Header(…)",
        })
    }
}

impl fmt::Debug for Visit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit")
            .field("kind", &self.kind)
            .field("reads_only", &self.reads_only)
            .field("origin", &self.origin)
            .field("fetch_site", &self.fetch_site)
            .field("service_worker", &self.service_worker)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_shows_neither_its_token_nor_the_page_it_comes_from() {
        for token in [GivenToken::Header("s3cret"), GivenToken::Query { session: "s", token: "s3cret" }] {
            let referer = Some("https://a.example.com/?session_id=s&token=s3cret");
            let visit = Visit { token: Some(token), referer, ..Visit::default() };
            let shown = format!("{visit:?} {visit:#?}");
            assert!(!shown.contains("s3cret") && shown.contains("Subresource"), "{shown}");
        }
    }
}
