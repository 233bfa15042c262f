//! Rust sources as tokens: comments and strings are no longer there to mislead a search.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path that a source names, with the line it begins on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The segments, `use` groups spread out: `use std::{fs, io::Read}` names `std::fs` and `std::io::Read`.
    pub path: String,
    /// From 1.
    pub line: usize,
}

/// Every path in the source, also within macros; a lone word is a path of one segment. Nothing if the text is
/// no Rust, which the compiler will say better.
#[must_use]
pub fn paths(text: &str) -> Vec<Named> {
    let mut found = Vec::new();
    if let Ok(stream) = text.parse::<TokenStream>() {
        collect(&stream, "", &mut found);
    }
    found
}

/// The names of the functions inside calls of one macro.
#[must_use]
pub fn functions_within(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(stream) = text.parse::<TokenStream>() {
        collect_functions(name, stream, false, &mut found);
    }
    found
}

fn collect(stream: &TokenStream, prefix: &str, found: &mut Vec<Named>) {
    let tokens: Vec<TokenTree> = stream.clone().into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(first) => {
                let line = first.span().start().line;
                let mut path = join(prefix, &first.to_string());
                at += 1;
                while is_separator(&tokens, at) {
                    match tokens.get(at + 2) {
                        Some(TokenTree::Ident(next)) => path = join(&path, &next.to_string()),
                        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                            collect(&group.stream(), &path, found);
                        }
                        _ => {}
                    }
                    at += 3;
                }
                found.push(Named { path, line });
            }
            TokenTree::Group(group) => {
                collect(&group.stream(), prefix, found);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

fn join(prefix: &str, segment: &str) -> String {
    if prefix.is_empty() { segment.to_owned() } else { format!("{prefix}::{segment}") }
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    colon(at) && colon(at + 1)
}

fn collect_functions(name: &str, stream: TokenStream, within: bool, found: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let word = |at: usize| match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => ident.to_string(),
        _ => String::new(),
    };
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(ident) if within && ident == "fn" => found.push(word(at + 1)),
            TokenTree::Group(group) => {
                let called = at >= 2
                    && word(at - 2) == name
                    && matches!(&tokens[at - 1], TokenTree::Punct(p) if p.as_char() == '!');
                collect_functions(name, group.stream(), within || called, found);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_spread_out_and_carry_their_lines() {
        let found = paths("use std::{\n    fs,\n    time::{Duration, Instant},\n};");
        let has = |path: &str, line| found.contains(&Named { path: path.into(), line });
        assert!(has("std::fs", 2) && has("std::time::Instant", 3), "{found:?}");
    }

    #[test]
    fn macros_are_searched_and_strings_and_comments_are_not() {
        let found = paths(
            "fn f() { format!(\"{}\", std::env::args().count()); } // std::fs \n const A: &str = \"std::net\";",
        );
        let named = |path: &str| found.iter().any(|it| it.path.starts_with(path));
        assert!(named("std::env::args") && !named("std::fs") && !named("std::net"));
    }

    #[test]
    fn functions_of_a_macro_are_found_and_others_are_not() {
        let text = "fn a() {} mod m { proptest! { #[test] fn b(x in 0..1) {} #[test] fn c(y in 0..1) {} } }";
        assert_eq!(functions_within("proptest", text), ["b", "c"]);
    }
}
