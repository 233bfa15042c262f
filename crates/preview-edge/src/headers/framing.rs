//! Who may frame a preview: those whom the operator names, not those whom the dev server would allow.

use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, HeaderMap, X_FRAME_OPTIONS};

use super::value;

/// What takes the place of a dev server's own framing rules.
#[derive(Clone, Debug)]
pub(crate) struct Framing(Option<HeaderValue>);

impl Framing {
    /// Frames of the preview itself and of `app_origins`; with none of these, everybody's.
    pub(crate) fn of(app_origins: &[String]) -> Self {
        let policy = || value(format!("frame-ancestors 'self' {}", app_origins.join(" ")));
        Self((!app_origins.is_empty()).then(policy))
    }

    /// Puts our rule in the place of the dev server's. The rest of its policy stays.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        headers.remove(X_FRAME_OPTIONS);
        if headers.get_all(CONTENT_SECURITY_POLICY).iter().any(|policy| names_ancestors(policy.as_bytes())) {
            let kept: Vec<HeaderValue> =
                headers.get_all(CONTENT_SECURITY_POLICY).iter().filter_map(without_ancestors).collect();
            headers.remove(CONTENT_SECURITY_POLICY);
            for policy in kept {
                headers.append(CONTENT_SECURITY_POLICY, policy);
            }
        }
        if let Some(policy) = &self.0 {
            headers.append(CONTENT_SECURITY_POLICY, policy.clone());
        }
    }
}

const DIRECTIVE: &str = "frame-ancestors";

fn names_ancestors(policy: &[u8]) -> bool {
    policy.windows(DIRECTIVE.len()).any(|part| part.eq_ignore_ascii_case(DIRECTIVE.as_bytes()))
}

/// The policies of one header without their `frame-ancestors`; `None` if nothing is left.
fn without_ancestors(header: &HeaderValue) -> Option<HeaderValue> {
    let Ok(text) = header.to_str() else { return Some(header.clone()) };
    let policies: Vec<String> = text
        .split(',')
        .map(|policy| {
            let kept: Vec<&str> = policy
                .split(';')
                .map(str::trim)
                .filter(|part| !part.is_empty() && !is_ancestors(part))
                .collect();
            kept.join("; ")
        })
        .filter(|policy| !policy.is_empty())
        .collect();
    (!policies.is_empty()).then(|| value(policies.join(", ")))
}

fn is_ancestors(directive: &str) -> bool {
    directive.split_ascii_whitespace().next().is_some_and(|name| name.eq_ignore_ascii_case(DIRECTIVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_policy_stays() {
        for (given, kept) in [
            ("frame-ancestors 'none'", None),
            ("default-src 'self'; frame-ancestors 'none'; img-src *", Some("default-src 'self'; img-src *")),
            ("default-src 'self'; Frame-Ancestors\thttps://a.example", Some("default-src 'self'")),
            ("default-src 'self', frame-ancestors 'none'", Some("default-src 'self'")),
            ("report-uri /frame-ancestors", Some("report-uri /frame-ancestors")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(given));
            headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
            Framing::of(&[]).apply(&mut headers);
            assert_eq!(
                headers.get(CONTENT_SECURITY_POLICY).map(|it| it.to_str().expect("text")),
                kept,
                "{given}"
            );
            assert!(!headers.contains_key(X_FRAME_OPTIONS));
        }
    }

    #[test]
    fn a_policy_without_it_is_passed_on_as_it_is() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self' ;;"));
        Framing::of(&[]).apply(&mut headers);
        assert_eq!(headers[CONTENT_SECURITY_POLICY], "default-src 'self' ;;");
    }

    #[test]
    fn named_origins_may_frame_and_so_may_the_preview_itself() {
        let mut headers = HeaderMap::new();
        headers
            .insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("img-src *; frame-ancestors 'none'"));
        Framing::of(&["https://app.example".into(), "https://b.example".into()]).apply(&mut headers);
        let all: Vec<_> = headers.get_all(CONTENT_SECURITY_POLICY).iter().collect();
        assert_eq!(all, ["img-src *", "frame-ancestors 'self' https://app.example https://b.example"]);
    }
}
