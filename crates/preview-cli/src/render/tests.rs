//! What holds for all formats: nothing that is filled in breaks out of its word.

use std::path::PathBuf;

use preview_core::ports::Port;
use preview_core::template::UrlTemplate;
use proptest::prelude::*;
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::plan::{Certificate, Judge, Place, Plan, Service};
use super::quote::{Language, word};
use super::{File, files};
use crate::args::Proxy;

/// What stands where a path is filled in while the shape of a file is looked at.
const PLAIN: &str = "/plain";

proptest! {
    #[test]
    fn a_path_is_one_word_of_nginx_or_refused(path in path()) {
        one_word(Language::Nginx, &path, nginx_words)?;
    }

    #[test]
    fn a_path_is_one_word_of_caddy_or_refused(path in path()) {
        one_word(Language::Caddy, &path, caddy_words)?;
    }

    #[test]
    fn a_path_is_one_word_of_haproxy_or_refused(path in path()) {
        one_word(Language::Haproxy, &path, haproxy_words)?;
    }

    #[test]
    fn a_path_is_one_word_of_lua_or_refused(path in path()) {
        one_word(Language::Lua, &path, lua_words)?;
    }

    #[test]
    fn a_path_is_one_word_of_yaml_or_refused(path in path()) {
        one_word(Language::Traefik, &path, |text| {
            serde_saphyr::from_str::<Vec<String>>(&format!("[{text}]")).ok()
        })?;
    }

    #[test]
    fn a_path_in_a_unit_is_one_line_without_specifiers_or_refused(path in path()) {
        if let Ok(word) = word(Language::SystemdPath, "a path", &path) {
            prop_assert_eq!(word.replace("%%", ""), path.replace('%', ""));
            prop_assert!(!word.contains(['\n', '\r', '\\', '"']));
        }
    }

    #[test]
    fn whatever_the_paths_are_a_file_keeps_its_shape(path in path()) {
        let expected = |proxy| files(proxy, &plan(PLAIN), None).expect("plain paths");
        for proxy in [Proxy::Nginx, Proxy::Caddy, Proxy::Haproxy, Proxy::Traefik, Proxy::Systemd] {
            if let Ok(found) = files(proxy, &plan(&path), None) {
                for (found, expected) in found.iter().zip(expected(proxy)) {
                    prop_assert_eq!(shape(found), shape(&expected), "{}", found.text);
                }
            }
        }
    }

    #[test]
    fn a_template_that_can_be_read_keeps_the_shape_of_every_file(
        label in "[a-z{}0-9-]{0,12}",
        base in "[a-z0-9.;$\"'{}\\\\ -]{1,20}",
    ) {
        let Ok(template) = format!("https://{label}{{id}}.{base}.test").parse::<UrlTemplate>() else { return Ok(()) };
        let plan = Plan { template, ..plan(PLAIN) };
        for proxy in [Proxy::Nginx, Proxy::Caddy, Proxy::Haproxy, Proxy::Traefik, Proxy::Systemd, Proxy::Dnsmasq] {
            let found = files(proxy, &plan, None).expect("a plain plan");
            let expected = files(proxy, &self::plan(PLAIN), None).expect("a plain plan");
            for (found, expected) in found.iter().zip(expected) {
                prop_assert_eq!(shape(found), shape(&expected), "{}", found.text);
            }
        }
    }
}

#[test]
fn no_mark_is_left_in_any_file() {
    for proxy in [Proxy::Nginx, Proxy::Caddy, Proxy::Haproxy, Proxy::Traefik, Proxy::Systemd, Proxy::Dnsmasq]
    {
        for File { name, text } in files(proxy, &plan(PLAIN), None).expect("a plain plan") {
            let is_mark = |word: &str| {
                word.len() > 2
                    && word.starts_with('@')
                    && word.ends_with('@')
                    && word[1..word.len() - 1].chars().all(|c| c.is_ascii_uppercase() || c == '_')
            };
            let marks: Vec<&str> = text
                .split(|c: char| !(c.is_ascii_alphabetic() || "@_".contains(c)))
                .filter(|it| is_mark(it))
                .collect();
            assert!(marks.is_empty(), "{name}: {marks:?}");
            let empty = text.lines().find(|line| line.trim_end() != *line);
            assert!(empty.is_none(), "{name}: {empty:?} ends with a space");
        }
    }
}

/// Texts made of what is special somewhere.
fn path() -> impl Strategy<Value = String> {
    let special = prop::sample::select(
        "\"'`\\${}%#;:,&|<>()[]*?~@!^= \t\n\r\0\u{85}\u{2028}\u{feff}äé{{}}".chars().collect::<Vec<_>>(),
    );
    let piece = prop_oneof![3 => special.prop_map(String::from), 2 => "[a-z/.]{1,3}", 1 => any::<char>().prop_map(String::from)];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// The word, read back between two others, is the text.
fn one_word(
    language: Language,
    text: &str,
    read: impl Fn(&str) -> Option<Vec<String>>,
) -> Result<(), TestCaseError> {
    if let Ok(word) = word(language, "a path", text) {
        let comma = if language == Language::Traefik { "," } else { "" };
        let read = read(&format!("before{comma} {word}{comma} after"));
        prop_assert_eq!(
            read,
            Some(vec!["before".to_owned(), text.to_owned(), "after".to_owned()]),
            "{}",
            word
        );
    }
    Ok(())
}

/// Lines without what may vary: their first words.
fn shape(file: &File) -> Vec<String> {
    let lines = file.text.lines().filter(|line| !line.trim_start().starts_with(['#', '-']));
    lines
        .filter_map(|line| line.split_whitespace().next())
        .map(|word| word.split(['=', '"']).next().unwrap_or_default().to_owned())
        .map(|word| if word.contains("://") { "SITE".to_owned() } else { word })
        .collect()
}

/// How nginx splits a line (`ngx_conf_read_token`): quotes keep all but themselves, `\` takes the next as it is.
fn nginx_words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut chars) = (Vec::new(), text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => {}
            ';' | '{' | '}' | '#' | '$' => return None,
            '"' => {
                let mut word = String::new();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '$' => return None,
                        '\\' => match chars.next()? {
                            taken @ ('"' | '\'' | '\\') => word.push(taken),
                            't' => word.push('\t'),
                            'r' => word.push('\r'),
                            'n' => word.push('\n'),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
                words.push(word);
            }
            first => {
                let mut word = String::from(first);
                while let Some(next) = chars.next_if(|c| !c.is_whitespace()) {
                    word.push(next);
                }
                words.push(word);
            }
        }
    }
    Some(words)
}

/// How a Caddyfile is split: `\"` is a quote within quotes, any other `\` itself; `{` begins a placeholder.
fn caddy_words(text: &str) -> Option<Vec<String>> {
    quoted_words(text, '"', |c| "{}`\n\r\\".contains(c))
}

/// How `HAProxy` splits a line: within single quotes nothing is special.
fn haproxy_words(text: &str) -> Option<Vec<String>> {
    quoted_words(text, '\'', |c| "$\n\r\0".contains(c))
}

fn quoted_words(text: &str, quote: char, breaks: impl Fn(char) -> bool) -> Option<Vec<String>> {
    let (mut words, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix(quote) {
            let (word, after) = quoted.split_once(quote)?;
            if word.contains(&breaks) {
                return None;
            }
            words.push(word.to_owned());
            rest = after;
        } else {
            let end = rest.find(' ').unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    Some(words)
}

/// How Lua reads a string: `\ddd` is a byte, `\"` and `\\` themselves.
fn lua_words(text: &str) -> Option<Vec<String>> {
    let (before, rest) = text.split_once(" \"")?;
    let (mut bytes, mut rest) = (Vec::new(), rest.as_bytes());
    loop {
        match rest {
            [b'"', after @ ..] => {
                let after = String::from_utf8_lossy(after).trim_start().to_owned();
                return Some(vec![before.to_owned(), String::from_utf8(bytes).ok()?, after]);
            }
            [b'\\', quoted @ (b'"' | b'\\'), after @ ..] => {
                bytes.push(*quoted);
                rest = after;
            }
            [b'\\', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', after @ ..] => {
                let number = [a, b, c].iter().fold(0_u32, |all, digit| all * 10 + u32::from(**digit - b'0'));
                bytes.push(u8::try_from(number).ok()?);
                rest = after;
            }
            [b'\\' | b'\n' | b'\r', ..] | [] => return None,
            [byte, after @ ..] => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
}

/// A plan with one path everywhere.
fn plan(path: &str) -> Plan {
    let port = |number| Port::new(number).expect("a port");
    let certificate = Certificate { cert: path.into(), key: path.into() };
    Plan {
        template: "https://{id}.preview.test".parse().expect("a template"),
        judge: Judge::Daemon { verify: PathBuf::from(path) },
        daemon_host: Some(("daemon.test".to_owned(), PathBuf::from(path))),
        place: Place { addresses: Vec::new(), port: port(443), redirect: Some(port(80)) },
        certificate: Ok(certificate.clone()),
        trusted: vec!["127.0.0.1/32".parse().expect("a network")],
        app_origins: vec!["https://agent.example".to_owned()],
        identity: vec![http::HeaderName::from_static("remote-user")],
        asks_login: false,
        edge: Some(([127, 0, 0, 1], 8080).into()),
        verify_tcp: Some(([127, 0, 0, 1], 9460).into()),
        log: PathBuf::from(path),
        service: Service {
            config: PathBuf::from(path),
            state: PathBuf::from("/var/lib/preview"),
            edge_state: PathBuf::from("/var/lib/preview-edge"),
            keys_file: Some(PathBuf::from(path)),
            tls: Some(certificate),
            edge_group: Some("preview-edge".to_owned()),
            verify_group: Some("www-data".to_owned()),
            tasks_user: Some("tasks".to_owned()),
            low_ports: true,
        },
    }
}
