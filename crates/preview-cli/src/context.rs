//! What a subcommand stands on: configuration, who types, where the daemon is, how to write.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use preview_core::id::{SessionId, UserId};
use preview_core::settings::{Origin, Settings, SettingsError, Sources, text_of};
use preview_core::template::UrlTemplate;

use crate::args::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;

/// The session of whoever names none.
const OWN_SESSION: &str = "local";

/// A value that overrides the configuration: the name to show as its origin, the key, the value.
pub type Override = (String, &'static str, String);

/// What a subcommand stands on.
#[derive(Debug)]
pub struct Context {
    /// The configuration in force.
    pub settings: Settings,
    /// The file it was read from, if there is one.
    pub file: Option<PathBuf>,
    /// How to write.
    pub output: Output,
    global: Global,
}

impl Context {
    /// Reads the configuration.
    pub fn new(global: Global) -> Result<Self, Failure> {
        let output = Output::new(global.json, global.quiet);
        let file = config_file(&global)?;
        let settings = load(file.as_deref(), &[])?;
        Ok(Self { settings, file, output, global })
    }

    /// The same configuration under further overrides.
    pub fn settings_with(&self, overrides: &[Override]) -> Result<Settings, Failure> {
        load(self.file.as_deref(), overrides)
    }

    /// What holds for every subcommand.
    #[must_use]
    pub const fn global(&self) -> &Global {
        &self.global
    }

    /// The session to act in.
    pub fn session(&self) -> Result<SessionId, Failure> {
        let text = self.global.session.as_deref().unwrap_or(OWN_SESSION);
        SessionId::new(text).map_err(|error| Failure::usage(error.to_string(), "give another --session"))
    }

    /// The user to act for.
    pub fn user(&self) -> Result<UserId, Failure> {
        let text = self.global.user.clone().unwrap_or_else(login_name);
        UserId::new(&text).map_err(|error| Failure::usage(error.to_string(), "give another --user"))
    }

    /// The template that the configuration names; the daemon may run with another port in it.
    pub fn template(&self) -> Result<UrlTemplate, Failure> {
        let text = self.settings.text("public_url_template").unwrap_or_default();
        text.parse().map_err(|error: preview_core::template::TemplateError| {
            Failure::found(preview_core::refusal::Code::TemplateInvalid, error.to_string(), "")
        })
    }

    /// The template that the pair which runs here renders: the configured one, unless its port was held.
    pub fn running_template(&self) -> Result<UrlTemplate, Failure> {
        let noted = fs::read_to_string(self.template_note()).ok().and_then(|text| text.trim().parse().ok());
        noted.map_or_else(|| self.template(), Ok)
    }

    /// Where a pair that runs notes the template it renders.
    #[must_use]
    pub fn template_note(&self) -> PathBuf {
        self.state_dir().join("run/public_url_template")
    }

    /// The folder of all state.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        expand(self.settings.text("state_dir").unwrap_or_default())
    }

    /// The daemon to talk to, whether it answers or not.
    pub fn client(&self) -> Result<Client, Failure> {
        match &self.global.daemon {
            Some(url) => Client::at_url(url, env::var("PREVIEW_KEY").ok()),
            None => Ok(Client::at_socket(self.socket())),
        }
    }

    /// Where the daemon of this host has its door: below the state folder, or where the service has it.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        let own = self.state_dir().join("run/api.sock");
        let service = Path::new("/run/preview/api.sock");
        let default = self.settings.get("state_dir").is_none_or(|it| it.origin == Origin::Default);
        if default && !own.exists() && service.exists() { service.to_path_buf() } else { own }
    }
}

/// A leading `~/` is the home folder.
#[must_use]
pub fn expand(path: &str) -> PathBuf {
    path.strip_prefix("~/").map_or_else(|| PathBuf::from(path), |rest| home().join(rest))
}

/// A path as a person would write it.
#[must_use]
pub fn shorten(path: &Path) -> String {
    match path.strip_prefix(home()) {
        Ok(rest) if home() != Path::new("/") => Path::new("~").join(rest).display().to_string(),
        _ => path.display().to_string(),
    }
}

/// The name of the account this runs under, in the letters a user id may have.
#[must_use]
pub fn login_name() -> String {
    let uid = rustix::process::geteuid().as_raw();
    let name = account(uid).or_else(|| env::var("USER").ok()).unwrap_or_else(|| format!("uid-{uid}"));
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "._:@-".contains(c) { c } else { '-' }).collect()
}

/// The name that `/etc/passwd` gives a uid.
fn account(uid: u32) -> Option<String> {
    let text = fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
    })
}

/// The home folder; the root where there is none.
#[must_use]
pub fn home() -> PathBuf {
    env::var_os("HOME").filter(|home| !home.is_empty()).map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

/// The first configuration file there is; one that was named must be there.
fn config_file(global: &Global) -> Result<Option<PathBuf>, Failure> {
    let named = global.config.clone().or_else(|| env::var_os("PREVIEW_CONFIG").map(PathBuf::from));
    if let Some(path) = named {
        return fs::metadata(&path).map(|_| Some(path.clone())).map_err(|error| {
            Failure::usage(format!("{}: {error}", path.display()), "give a file that is there")
        });
    }
    let usual = [
        home().join(".digitorn/config.yaml"),
        home().join(".config/preview/config.yaml"),
        PathBuf::from("/etc/preview/config.yaml"),
    ];
    Ok(usual.into_iter().find(|path| path.is_file()))
}

fn load(file: Option<&Path>, overrides: &[Override]) -> Result<Settings, Failure> {
    let env: Vec<(String, String)> = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let flags: Vec<(&str, &str, &str)> =
        overrides.iter().map(|(name, key, value)| (name.as_str(), *key, value.as_str())).collect();
    let file = match file {
        Some(path) => {
            let bytes = fs::read(path).map_err(Failure::io(format!("cannot read {}", path.display())))?;
            let path = shorten(path);
            let text = text_of(&path, &bytes)
                .map_err(|problem| Failure::Config { problem: Box::new(problem), snippet: None })?
                .to_owned();
            Some((path, text))
        }
        None => None,
    };
    let sources = Sources {
        file: file.as_ref().map(|(path, text)| (path.as_str(), text.as_str())),
        env: &env,
        flags: &flags,
    };
    Settings::load(sources).map_err(|problem| {
        let snippet = file.as_ref().and_then(|(_, text)| snippet(&problem, text));
        Failure::Config { problem: Box::new(problem), snippet }
    })
}

/// The line that an error is about, with a mark under the place.
fn snippet(problem: &SettingsError, text: &str) -> Option<String> {
    let Origin::File { path, line, column } = &problem.origin else { return None };
    let number = usize::try_from(*line).ok()?;
    let shown = text.lines().nth(number.checked_sub(1)?)?;
    let skip = usize::try_from(*column).ok()?.saturating_sub(1);
    let length = shown.chars().skip(skip).take_while(|c| !": ,}]".contains(*c)).count().max(1);
    let gutter = line.to_string().len();
    Some(format!(
        "{:gutter$} ╭─[{path}:{line}:{column}]\n{line} │ {shown}\n{:gutter$} · {:skip$}{}",
        "",
        "",
        "",
        "─".repeat(length)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_the_file_is_shown_in_its_line() {
        let text = "web_preview:\n  limits: { per_sesion: 3 }\n";
        let problem = Settings::load(Sources { file: Some(("c.yaml", text)), ..Sources::default() })
            .expect_err("misspelt");
        let expected = "  ╭─[c.yaml:2:13]\n2 │   limits: { per_sesion: 3 }\n  ·             ──────────";
        assert_eq!(snippet(&problem, text).as_deref(), Some(expected));
    }

    #[test]
    fn a_login_name_is_a_user_id() {
        assert!(UserId::new(&login_name()).is_ok());
    }
}
