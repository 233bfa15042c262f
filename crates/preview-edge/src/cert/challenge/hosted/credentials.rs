//! `KEY=VALUE` lines, under the names that lego gives them. `KEY_FILE=PATH` has the value in a file of its own.

use std::fmt;
use std::path::Path;

use super::redact::redact;
use super::table::{Key, Provider};
use crate::cert::Failure;
use crate::cert::secret::{self, Secret, refuse};

/// Endings of keys whose values are no secrets, but places; a message may quote them.
const PLACES: [&str; 6] = ["_URL", "_REGION", "_ENDPOINT", "_HOST", "_PROJECT", "_SERVER_NAME"];

/// The values of a provider's keys, in the order of the keys.
#[derive(Debug)]
pub(super) struct Credentials {
    keys: &'static [Key],
    values: Vec<Option<Secret>>,
}

impl Credentials {
    pub(super) fn read(file: &Path, provider: &'static Provider) -> Result<Self, Failure> {
        let keys = provider.keys;
        let text = secret::read(file)?;
        let mut values: Vec<Option<Secret>> = vec![None; keys.len()];
        for (number, line) in text.expose().lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let refuse = |reason: fmt::Arguments<'_>| refuse(file, format_args!("line {number}: {reason}"));
            let pair = line.strip_prefix("export ").unwrap_or(line).split_once('=');
            let (name, value) = pair.ok_or_else(|| refuse(format_args!("is not of the form KEY=VALUE")))?;
            let (name, value) = (name.trim(), unquoted(value.trim()));
            let is_file = |key: &Key| key.names().any(|it| name.strip_suffix("_FILE") == Some(it));
            let found = keys.iter().position(|key| key.names().any(|it| it == name) || is_file(key));
            let at = found.ok_or_else(|| {
                refuse(format_args!("{name} is no key of {}; it has {}", provider.name, listed(keys)))
            })?;
            let value =
                if is_file(&keys[at]) { Secret::read(Path::new(value))? } else { Secret::from(value) };
            if values[at].replace(value).is_some() {
                return Err(refuse(format_args!("{name} is given twice")));
            }
        }
        let missing = keys.iter().zip(&values).find(|(key, value)| {
            key.is_needed() && value.as_ref().is_none_or(|value| value.expose().is_empty())
        });
        match missing {
            Some((key, _)) => Err(refuse(
                file,
                format_args!("{} is missing; {} has {}", key.name(), provider.name, listed(keys)),
            )),
            None => Ok(Self { keys, values }),
        }
    }

    /// The value of the key at a place, which is needed.
    pub(super) fn at(&self, place: usize) -> &str {
        self.maybe(place).unwrap_or_default()
    }

    /// The value of the key at a place, if it is given.
    pub(super) fn maybe(&self, place: usize) -> Option<&str> {
        let value = self.values.get(place).and_then(Option::as_ref).map(Secret::expose);
        value.filter(|value| !value.is_empty())
    }

    /// A message without the secrets.
    pub(super) fn redact(&self, text: &str) -> String {
        let given = self.keys.iter().zip(&self.values);
        let secrets = given.filter(|(key, _)| !PLACES.iter().any(|end| key.name().ends_with(end)));
        let secrets: Vec<&str> = secrets.filter_map(|(_, value)| Some(value.as_ref()?.expose())).collect();
        redact(text, &secrets)
    }
}

fn unquoted(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

fn listed(keys: &[Key]) -> String {
    let word = |key: &Key| {
        let names = key.names().collect::<Vec<_>>().join(" or ");
        if key.is_needed() { names } else { format!("{names} (optional)") }
    };
    keys.iter().map(word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::table;
    use super::*;

    #[test]
    fn comments_quotes_exports_other_names_and_files_are_understood() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = write(folder.path(), "one", "# Mine.\n\nexport CF_DNS_API_TOKEN = \"a token # 1\"\n");
        let read = Credentials::read(&file, provider("cloudflare")).expect("readable");
        assert_eq!(read.at(0), "a token # 1");
        let key = write(folder.path(), "key", "a-secret\n");
        let text = format!("AWS_ACCESS_KEY_ID='id'\nAWS_SECRET_ACCESS_KEY_FILE={}\n", key.display());
        let file = write(folder.path(), "two", &text);
        let read = Credentials::read(&file, provider("route53")).expect("readable");
        assert_eq!((read.at(0), read.at(1), read.maybe(2)), ("id", "a-secret", None));
        assert!(!format!("{read:?}").contains("a-secret"), "{read:?}");
        assert_eq!(read.redact("signature of a-secret"), "signature of …");
    }

    #[test]
    fn what_is_unknown_missing_twice_or_no_pair_is_named_and_no_value_quoted() {
        let needs = "CLOUDFLARE_DNS_API_TOKEN or CF_DNS_API_TOKEN";
        for (text, expected) in [
            ("CF_TOKEN=s3cret", format!("line 1: CF_TOKEN is no key of cloudflare; it has {needs}")),
            ("", format!("CLOUDFLARE_DNS_API_TOKEN is missing; cloudflare has {needs}")),
            ("CF_DNS_API_TOKEN=", format!("CLOUDFLARE_DNS_API_TOKEN is missing; cloudflare has {needs}")),
            ("\ns3cret", "line 2: is not of the form KEY=VALUE".to_owned()),
            (
                "CF_DNS_API_TOKEN=s3cret\nCLOUDFLARE_DNS_API_TOKEN=s3cret",
                "line 2: CLOUDFLARE_DNS_API_TOKEN is given twice".to_owned(),
            ),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let file = write(folder.path(), "cf", text);
            let refused = Credentials::read(&file, provider("cloudflare")).expect_err(text).to_string();
            assert!(refused.ends_with(&expected) && !refused.contains("s3cret"), "{refused}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = write(folder.path(), "cf", "CF_DNS_API_TOKEN=t");
        fs::set_permissions(&file, PermissionsExt::from_mode(0o604)).expect("mine");
        let refused = Credentials::read(&file, provider("cloudflare")).expect_err("open").to_string();
        assert!(refused.contains("its mode is 0604"), "{refused}");
    }

    fn provider(name: &str) -> &'static Provider {
        table::find(name).expect("in the table")
    }

    fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
        let file = folder.join(name);
        fs::write(&file, text).expect("written");
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("mine");
        file
    }
}
