//! What is let in without a credential, by option: the web app manifest and its icons, which browsers fetch without
//! cookies.
//!
//! A path is exempt only as it is written here, byte for byte, so that nobody reads it otherwise than we do; and its
//! answer only if it is what the path promises, since dev servers answer unknown paths with their page.

use thiserror::Error;

use super::source::Source;
use super::{Visit, VisitKind};
use crate::template::UrlTemplate;

/// Paths of manifests and their icons. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exempt(Vec<String>); // Invariant: each `is_manifest_or_icon`.

/// Paths that may not be exempt.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidExempt {
    /// It is no manifest's and no icon's, or could be read in more than one way.
    #[error(
        "a list of paths as browsers ask for them, such as /manifest.json or /icons/192.png: a manifest.json, a \
         .webmanifest or a picture, without query, %, or names that begin with a dot; {0:?} is none"
    )]
    Path(String),
    /// Whoever guessed a host name would be told whether something is there, and whose it is.
    #[error("empty, unless public_url_template has {{id}}: names of other kinds can be guessed")]
    Guessable,
}

/// What icons may be.
const PICTURES: [&str; 8] = [".avif", ".gif", ".ico", ".jpeg", ".jpg", ".png", ".svg", ".webp"];

impl Exempt {
    /// These paths, under the hosts of `template`.
    ///
    /// # Errors
    /// [`InvalidExempt`] names the path that may not be exempt, or says that none may.
    pub fn new(paths: &[String], template: &UrlTemplate) -> Result<Self, InvalidExempt> {
        if let Some(path) = paths.iter().find(|path| !is_manifest_or_icon(path)) {
            return Err(InvalidExempt::Path(path.clone()));
        }
        if template.is_guessable() && !paths.is_empty() {
            return Err(InvalidExempt::Guessable);
        }
        Ok(Self(paths.to_vec()))
    }

    /// Whether a visit needs no credential: it shows none in its URL, only reads, opens no page, and comes from a page
    /// of its own host or from a browser's own wish, as far as it says.
    pub(super) fn admits(&self, visit: &Visit<'_>, source: Source) -> bool {
        visit.kind == VisitKind::Subresource
            && visit.reads_only
            && visit.token.is_none()
            && matches!(source, Source::Own | Source::Unsaid)
            && matches!(visit.fetch_site, None | Some("same-origin" | "none"))
            && self.0.iter().any(|path| path == visit.target)
    }

    /// Whether an answer to such a visit may be shown: a manifest or a picture, whole, in part or unchanged.
    #[must_use]
    pub fn may_show(status: u16, content_type: Option<&str>) -> bool {
        let essence = content_type.and_then(|it| it.split(';').next()).unwrap_or_default();
        let essence = essence.trim().to_ascii_lowercase();
        let is_shown = matches!(essence.as_str(), "application/manifest+json" | "application/json")
            || essence.starts_with("image/");
        status == 304 || matches!(status, 200 | 206) && is_shown
    }
}

fn is_manifest_or_icon(path: &str) -> bool {
    let Some(names) = path.strip_prefix('/') else { return false };
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let is_name = |name: &str| !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_plain);
    let file = names.rsplit('/').next().unwrap_or_default();
    let is_picture = PICTURES.iter().any(|ending| file.ends_with(ending));
    names.split('/').all(is_name) && (file == "manifest.json" || file.ends_with(".webmanifest") || is_picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_manifest_or_a_picture_of_a_plain_path_can_be_exempt() {
        for path in [
            "/manifest.json",
            "/app/manifest.json",
            "/manifest.webmanifest",
            "/site.webmanifest",
            "/favicon.ico",
            "/icons/192x192.png",
            "/logo_1.svg",
        ] {
            assert!(exempt(path).is_ok(), "{path}");
        }
        for path in [
            "",
            "/",
            "manifest.json",
            "//manifest.json",
            "/index.html",
            "/api/users.json",
            "/xmanifest.json",
            "/manifest.json?v=1",
            "/manifest.json#x",
            "/manifest%2ejson",
            "/a/../manifest.json",
            "/./manifest.json",
            "/.git/logo.png",
            "/.png",
            "/@fs/etc/icon.png",
            "/icons/*.png",
            "/icons\\a.png",
            "/icon.PNG",
            "/icön.png",
            "https://a.example/manifest.json",
        ] {
            assert_eq!(exempt(path), Err(InvalidExempt::Path(path.to_owned())), "{path}");
        }
    }

    #[test]
    fn where_host_names_can_be_guessed_nothing_is_exempt() {
        for template in ["http://preview-{port}.localhost:8080", "https://{name}.example.com"] {
            let template = template.parse().expect("a template");
            let refused = Exempt::new(&["/manifest.json".to_owned()], &template);
            assert_eq!(refused, Err(InvalidExempt::Guessable));
            assert_eq!(Exempt::new(&[], &template), Ok(Exempt::default()));
        }
    }

    #[test]
    fn an_answer_is_shown_only_if_it_is_a_manifest_or_a_picture() {
        for (status, content_type, shown) in [
            (200, Some("application/manifest+json"), true),
            (200, Some("Application/JSON; charset=utf-8"), true),
            (206, Some("image/png"), true),
            (304, None, true),
            (200, Some("text/html"), false),
            (200, Some("text/html; image/png"), false),
            (200, Some("text/javascript"), false),
            (200, None, false),
            (302, Some("image/png"), false),
            (404, Some("application/json"), false),
            (500, Some("application/json"), false),
            (101, None, false),
        ] {
            assert_eq!(Exempt::may_show(status, content_type), shown, "{status} {content_type:?}");
        }
    }

    fn exempt(path: &str) -> Result<Exempt, InvalidExempt> {
        Exempt::new(&[path.to_owned()], &"https://{id}.example.com".parse().expect("a template"))
    }
}
