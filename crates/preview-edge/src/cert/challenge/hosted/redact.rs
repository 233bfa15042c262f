//! Keeps secrets out of messages: providers quote requests, and some take secrets in the URL.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::cert::challenge::Tail;

/// What stands where a secret stood.
const GONE: &str = "…";
/// Shorter values are left alone: as parts of words they would garble the message, and they are no secrets.
const SHORTEST: usize = 6;
/// Of a secret of several parts (JSON, PEM), the parts from this length on may not be quoted alone either.
const PART: usize = 16;

/// `text` on one line without `secrets`, and without the queries of URLs.
pub(super) fn redact(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST) {
        let parts = secret.split(|c: char| c.is_whitespace() || "\"'\\".contains(c));
        let parts = parts.filter(|part| part.len() >= PART);
        for form in [*secret].into_iter().chain(parts) {
            let encoded = utf8_percent_encode(form, NON_ALPHANUMERIC).to_string();
            text = text.replace(form, GONE).replace(&encoded, GONE);
        }
    }
    let words: Vec<String> = text.split_whitespace().map(without_query).collect();
    Tail::of(words.join(" ").as_bytes()).to_string()
}

fn without_query(word: &str) -> String {
    match word.split_once('?') {
        Some((url, _)) if url.contains("://") => format!("{url}?{GONE}"),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_secret_nor_its_encoded_form_nor_a_part_of_it_nor_a_query_is_left() {
        let secret = "{\"key\": \"abcdefghijklmnop/qrst\"}";
        let text =
            "key=s3cret+1 or s3cret%2B1 or \"abcdefghijklmnop/qrst\" at\nhttps://api.example/x?a=b&c (1)";
        assert_eq!(
            redact(text, &["s3cret+1", secret, "a"]),
            "key=… or … or \"…\" at https://api.example/x?… (1)"
        );
    }
}
