use std::path::Path;

use super::*;
use proptest::prelude::*;

#[test]
fn every_default_fits_its_own_key() {
    for key in KEYS {
        let value = key.read_text(key.default);
        assert!(value.is_ok(), "{}: {value:?}", key.path);
        assert!(key.doc.ends_with('.'), "{}", key.path);
    }
}

#[test]
fn the_contract_shows_every_key_with_its_default() {
    let contract = include_str!("../../../../docs/contract.md");
    let shown = contract
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("a block of YAML");
    let settings = file(shown).unwrap_or_else(|error| panic!("{error}"));
    for (path, setting) in settings.iter() {
        let default = Key::find(path).expect("known").default_value();
        assert_eq!(setting.value, default, "{path}");
        assert_ne!(setting.origin, Origin::Default, "{path} is not in docs/contract.md");
    }
}

#[test]
fn flag_wins_over_environment_wins_over_file_wins_over_default() {
    let file = "web_preview:\n  limits: { per_session: 6, per_user: 7 }\n  enabled: false\nother: [1]\n";
    let env = [("PREVIEW_LIMITS__PER_SESSION".to_owned(), "8".to_owned()), ("HOME".into(), "/root".into())];
    let flags = [("--per-user", "limits.per_user", "9")];
    let settings =
        Settings::load(Sources { file: Some(("c.yaml", file)), env: &env, flags: &flags }).expect("valid");
    assert_eq!(settings.number("limits.per_session"), 8);
    assert_eq!(settings.number("limits.per_user"), 9);
    assert!(!settings.flag("enabled"));
    assert_eq!(settings.duration("idle.after"), Duration::from_mins(30));
    let origin = |path| settings.get(path).expect("known").origin.to_string();
    assert_eq!(origin("limits.per_session"), "$PREVIEW_LIMITS__PER_SESSION");
    assert_eq!(origin("limits.per_user"), "--per-user");
    assert_eq!(origin("enabled"), "c.yaml:3:3");
    assert_eq!(origin("idle.after"), "default");
}

#[test]
fn the_seeds_environment_works_and_a_file_it_shadows_is_named() {
    let file = "web_preview:\n  limits:\n    per_session: 6\n";
    let env = [("DIGITORN_WEB_PREVIEW__LIMITS__PER_SESSION".to_owned(), "9".to_owned())];
    let settings =
        Settings::load(Sources { file: Some(("c.yaml", file)), env: &env, flags: &[] }).expect("valid");
    assert_eq!(settings.number("limits.per_session"), 9);
    assert_eq!(
        settings.warnings(),
        ["DIGITORN_WEB_PREVIEW__LIMITS__PER_SESSION overrides `limits.per_session` of c.yaml:3:5"]
    );
}

#[test]
fn lists_are_read_from_yaml_and_from_text() {
    let file = "web_preview:\n  ports:\n    deny: [22, 3306]\n";
    let env = [("PREVIEW_ACCESS__APP_ORIGINS".to_owned(), "https://a.test, https://b.test".to_owned())];
    let settings =
        Settings::load(Sources { file: Some(("c.yaml", file)), env: &env, flags: &[] }).expect("valid");
    assert_eq!(settings.list("ports.deny"), ["22", "3306"]);
    assert_eq!(settings.list("access.app_origins"), ["https://a.test", "https://b.test"]);
}

#[test]
fn an_error_names_place_key_and_what_is_allowed() {
    let cases = [
        (
            "web_preview:\n  public_url_tempate: x\n",
            "c.yaml:2:3: unknown key `public_url_tempate`, did you mean `public_url_template`?",
        ),
        (
            "web_preview:\n  limits:\n    per_session: many\n",
            "c.yaml:3:5: `limits.per_session` is \"many\", must be a whole number from 1 to 100000",
        ),
        ("web_preview:\n  limits: 5\n", "c.yaml:2:3: `limits` must be a map of further keys"),
        ("web_preview:\n  enabled: [true]\n", "c.yaml:2:3: `enabled` is a list, must be true or false"),
        (
            "web_preview:\n  idle: { after: 30 }\n",
            "c.yaml:2:11: `idle.after` is \"30\", must be a duration from 5s to 720h, such as 15s, 30m or 8h",
        ),
        (
            "web_preview:\n  access: { mode: forwrad }\n",
            "c.yaml:2:13: `access.mode` is \"forwrad\", must be one of open, token, forward",
        ),
        ("- a\n", "c.yaml:1:1: the file must be a map with the key `web_preview`"),
    ];
    for (text, message) in cases {
        assert_eq!(file(text).expect_err(text).to_string(), message);
    }
    assert!(file("web_preview: {a: ").expect_err("broken").to_string().starts_with("c.yaml:"));
}

#[test]
fn variables_of_other_use_are_passed_over_and_misspelt_ones_are_not() {
    let load = |name: &str| {
        let env = [(name.to_owned(), "1".to_owned())];
        Settings::load(Sources { env: &env, ..Sources::default() }).map(|_| ())
    };
    assert_eq!(load("PREVIEW_CONFIG"), Ok(()));
    assert_eq!(load("PREVIEW_BIN_DIR"), Ok(()));
    let error = load("PREVIEW_LIMITS__PER_SESION").expect_err("misspelt");
    assert_eq!(
        error.to_string(),
        "$PREVIEW_LIMITS__PER_SESION: unknown key `limits.per_sesion`, did you mean `limits.per_session`?"
    );
}

#[test]
fn an_empty_file_or_section_is_all_defaults() {
    for text in ["", "# nothing\n", "web_preview:\n", "web_preview: {}\n", "other: 1\n"] {
        let settings = file(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert!(settings.iter().all(|(_, setting)| setting.origin == Origin::Default), "{text:?}");
    }
}

#[test]
fn a_byte_that_is_no_text_is_refused_with_its_place() {
    let error = text_of("c.yaml", b"web_preview:\n  a\xff: 1\n").expect_err("not UTF-8");
    assert_eq!(error.to_string(), "c.yaml:2:4: the file is not UTF-8 here");
    assert_eq!(text_of("c.yaml", b"a: 1"), Ok("a: 1"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_panic(text in "(web_preview:\n)?[ a-z:{}\\[\\],\n_.0-9&*!|>'\"-]{0,80}") {
        if let Err(error) = file(&text) {
            prop_assert!(error.to_string().starts_with("c.yaml:"), "{}", error);
        }
    }
}

fn file(text: &str) -> Result<Settings, SettingsError> {
    Settings::load(Sources { file: Some(("c.yaml", text)), ..Sources::default() })
}

#[test]
fn a_file_is_at_home_anywhere_or_handed_over_by_systemd() {
    let home = Path::new("/home/u");
    let with = |value: &str, folder: Option<&str>| {
        let text = format!("web_preview:\n  api: {{ keys_file: \"{value}\" }}\n");
        let env: Vec<_> =
            folder.map(|it| ("CREDENTIALS_DIRECTORY".to_owned(), it.to_owned())).into_iter().collect();
        let settings = Settings::load(Sources { file: Some(("c.yaml", &text)), env: &env, flags: &[] });
        settings.expect("valid").file("api.keys_file", home)
    };
    let systemd = Some("/run/credentials/preview-daemon.service");
    for (value, folder, path) in [
        ("/etc/preview/keys", None, "/etc/preview/keys"),
        ("~/keys", None, "/home/u/keys"),
        ("credential:keys", systemd, "/run/credentials/preview-daemon.service/keys"),
    ] {
        assert_eq!(with(value, folder).expect("valid").as_deref(), Some(Path::new(path)), "{value}");
    }
    assert_eq!(Settings::defaults().file("api.keys_file", home), Ok(None));
    let unset = with("credential:keys", None).expect_err("nothing is handed over").to_string();
    assert!(
        unset.starts_with("c.yaml:2:") && unset.contains("$CREDENTIALS_DIRECTORY, which is not set"),
        "{unset}"
    );
    for name in ["", "..", ".", "a/b", "/etc/shadow", "../../etc/shadow", "a/", "./a"] {
        let error = with(&format!("credential:{name}"), systemd).expect_err(name).to_string();
        assert!(error.contains("LoadCredential=NAME:PATH"), "{name}: {error}");
    }
}
