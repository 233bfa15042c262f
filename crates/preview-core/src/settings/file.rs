//! Files that settings name: at home, anywhere, or handed over by systemd.

use std::path::{Component, Path, PathBuf};

use super::{Settings, SettingsError};

/// The variable in which systemd names the folder of what it hands over (systemd.exec(5), `LoadCredential=`).
pub(super) const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// What a file begins with that systemd hands over.
const CREDENTIAL: &str = "credential:";

impl Settings {
    /// The file `path`; `None` if it is null. A leading `~/` is `home`, `credential:NAME` is the file of that name in
    /// the folder that systemd hands over.
    ///
    /// # Errors
    /// [`SettingsError`] for a credential where none are handed over, or whose name is none.
    pub fn file(&self, path: &'static str, home: &Path) -> Result<Option<PathBuf>, SettingsError> {
        let Some(text) = self.text(path) else { return Ok(None) };
        let Some(name) = text.strip_prefix(CREDENTIAL) else {
            let at_home = text.strip_prefix("~/").map(|rest| home.join(rest));
            return Ok(Some(at_home.unwrap_or_else(|| PathBuf::from(text))));
        };
        let mut parts = Path::new(name).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(it)), None) if it == name) {
            return Err(
                self.impossible(path, "a file, or credential:NAME as LoadCredential=NAME:PATH names it")
            );
        }
        let folder = self.credentials.as_ref().ok_or_else(|| {
            let unset = "a file, or credential:NAME where systemd hands it over (LoadCredential=NAME:PATH sets \
                         $CREDENTIALS_DIRECTORY, which is not set)";
            self.impossible(path, unset)
        })?;
        Ok(Some(folder.join(name)))
    }
}
